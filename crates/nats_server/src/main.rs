//! Writes `nats.conf` at the root of the repository: `cargo run -p nats_server`.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats.conf");
    std::fs::write(path, nats_server::render_nats_conf())
}
