# `just` lists the recipes.

_list:
    @just --list

# Everything that must hold before a change lands.
check:
    .ci/run

# One test or module of the whole-system tests, for instance `just test posting`.
test NAME:
    cargo test -p syncwell --test system {{NAME}}

# The unit tests alone, without a broker.
unit:
    cargo test --workspace --lib --bins

# The API documentation, with warnings denied.
docs:
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --document-private-items --locked

# Licences, sources, bans and advisories of the dependencies (needs cargo-deny).
deny:
    cargo deny --all-features check

# Rewrites the generated documents in schemas/.
schemas:
    cargo run -p schemas

# Rewrites nats.conf from crates/nats_server/src/permissions.rs.
nats-conf:
    cargo run -p nats_server

# The OpenAPI document: lint, client generators, schemathesis (needs python3, Node.js 20, curl and the network).
openapi:
    cargo build -p syncwell
    .ci/openapi

# A release binary, with its debug symbols in a file of their own beside it.
dist:
    cargo build --profile dist --locked
    objcopy --only-keep-debug target/dist/syncwell target/dist/syncwell.debug
    strip --strip-all target/dist/syncwell
    objcopy --add-gnu-debuglink=target/dist/syncwell.debug target/dist/syncwell
