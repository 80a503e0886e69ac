//! The structure of the workspace: which crate may depend on which, which crate knows which outside thing, and how files
//! are named. `deny.toml` has the same rules for outside things where cargo-deny can hold them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use toml::Table;

/// Roles: each runs as a process of its own, and none depends on another.
const ROLES: [&str; 6] = ["breakglass", "ingest", "keeper", "notary", "projector", "worker"];

/// The crates of the workspace that each crate may depend on.
const ALLOWED_DEPENDENCIES: [(&str, &[&str]); 22] = [
    ("runtime", &[]),
    ("schemas", &[]),
    ("providers", &[]),
    ("tlog", &[]),
    ("client", &["schemas"]),
    ("nats_server", &["runtime"]),
    ("jetstream", &["runtime"]),
    ("keys", &["jetstream", "runtime"]),
    ("events", &["jetstream", "keys", "schemas"]),
    ("aggregates", &["events", "keys", "schemas"]),
    ("export_archive", &["aggregates", "events", "keys", "schemas"]),
    ("export_store", &["keys"]),
    ("http_edge", &["keys", "runtime", "schemas"]),
    ("notary_client", &["jetstream", "tlog"]),
    ("backup", &["events", "jetstream", "keys", "runtime", "schemas", "tlog"]),
    ("keeper", &["jetstream", "keys"]),
    // No key: the notary signs bytes that it cannot decrypt.
    ("notary", &["events", "http_edge", "jetstream", "notary_client", "runtime", "schemas", "tlog"]),
    ("ingest", &["events", "http_edge", "jetstream", "keys", "providers", "runtime", "schemas"]),
    (
        "projector",
        &[
            "aggregates",
            "events",
            "export_store",
            "http_edge",
            "jetstream",
            "keys",
            "notary_client",
            "runtime",
            "schemas",
            "tlog",
        ],
    ),
    ("breakglass", &["events", "http_edge", "jetstream", "keys", "runtime", "schemas"]),
    (
        "worker",
        &[
            "aggregates",
            "events",
            "export_archive",
            "export_store",
            "jetstream",
            "keys",
            "providers",
            "runtime",
            "schemas",
        ],
    ),
    (
        "syncwell",
        &[
            "backup",
            "breakglass",
            "client",
            "events",
            "export_archive",
            "export_store",
            "http_edge",
            "ingest",
            "jetstream",
            "keeper",
            "keys",
            "nats_server",
            "notary",
            "notary_client",
            "projector",
            "providers",
            "runtime",
            "schemas",
            "tlog",
            "worker",
        ],
    ),
];

/// Outside crates that other outside crates use too, so that cargo-deny cannot hold them, and ours that may use them.
const ALLOWED_USERS: [(&str, &[&str]); 7] = [
    ("hkdf", &["keys"]),
    ("nkeys", &["jetstream"]),
    // http_edge fetches issuers' keys, keys asks KMS, worker asks providers and delivers, export_store checks its bucket.
    ("reqwest", &["export_store", "http_edge", "keys", "worker"]),
    ("reqsign-aws-v4", &["keys"]),
    ("signed_note", &["tlog"]),
    ("clap", &["syncwell"]),
    ("anyhow", &["syncwell"]),
];

/// The platform whose dependencies are checked: others need some crates more, which are not shipped.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// Lines of a file. A longer one holds more than one subject.
const LINES_MAX: usize = 400;
/// File names that say nothing of their content.
const VAGUE_NAMES: [&str; 8] = ["common", "helper", "helpers", "misc", "mod", "types", "util", "utils"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The output of `cargo metadata`, with the whole dependency graph.
fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", PLATFORM])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Each package's direct dependencies as declared, by name: those for tests only where `tests` is true.
fn declared(metadata: &Value, tests: bool) -> BTreeMap<&str, BTreeSet<&str>> {
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .map(|package| {
            let dependencies = package["dependencies"].as_array().unwrap().iter();
            let wanted = dependencies.filter(|dependency| (dependency["kind"] == "dev") == tests);
            (package["name"].as_str().unwrap(), wanted.map(|each| each["name"].as_str().unwrap()).collect())
        })
        .collect()
}

/// Names of the workspace's packages, and their folders.
fn members(metadata: &Value) -> BTreeMap<&str, PathBuf> {
    let ids: Vec<_> = metadata["workspace_members"].as_array().unwrap().iter().collect();
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages
        .filter(|package| ids.contains(&&package["id"]))
        .map(|package| {
            let manifest = Path::new(package["manifest_path"].as_str().unwrap());
            (package["name"].as_str().unwrap(), manifest.parent().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn dependencies_between_crates_go_one_way() {
    let metadata = metadata();
    let (members, declared) = (members(&metadata), declared(&metadata, false));
    let allowed: BTreeMap<_, _> = ALLOWED_DEPENDENCIES.into_iter().collect();
    assert_eq!(members.keys().collect::<Vec<_>>(), allowed.keys().collect::<Vec<_>>());
    for (member, dependencies) in declared.iter().filter(|(name, _)| members.contains_key(*name)) {
        for dependency in dependencies.iter().filter(|name| members.contains_key(*name)) {
            assert!(allowed[member].contains(dependency), "{member} must not depend on {dependency}");
            assert!(
                !ROLES.contains(dependency) || *member == "syncwell",
                "{member} depends on the role {dependency}"
            );
        }
    }
    for (name, folder) in members {
        let is_library = folder.parent() == Some(&root().join("crates"));
        assert!(folder.ends_with(name), "{name} lies in {}", folder.display());
        assert!(!is_library || !ROLES.contains(&name), "{name} is a role and lies in crates/");
    }
}

#[test]
fn each_outside_thing_is_known_to_one_crate() {
    let metadata = metadata();
    let members = members(&metadata);
    let declared = declared(&metadata, false);
    for (outside, users) in ALLOWED_USERS {
        for (member, dependencies) in declared.iter().filter(|(name, _)| members.contains_key(*name)) {
            let is_user = dependencies.contains(outside);
            assert!(!is_user || users.contains(member), "{member} uses {outside}, which is for {users:?}");
        }
    }
}

/// What `cargo deny check bans` says of `wrappers`, without cargo-deny. Crates that are banned altogether are left to
/// cargo-deny: cargo's metadata lists optional dependencies that are never built.
#[test]
fn wrappers_of_deny_toml_hold() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap().iter();
    let names: BTreeMap<_, _> = packages
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let deny: Table = std::fs::read_to_string(root().join("deny.toml")).unwrap().parse().unwrap();
    let mut checked = 0;
    for rule in deny["bans"]["deny"].as_array().unwrap() {
        let Some(wrappers) = rule.get("wrappers") else { continue };
        let wrappers: Vec<_> = wrappers.as_array().unwrap().iter().filter_map(|name| name.as_str()).collect();
        let name = rule["crate"].as_str().unwrap();
        for node in metadata["resolve"]["nodes"].as_array().unwrap() {
            let user = names[node["id"].as_str().unwrap()];
            let mut dependencies = node["dependencies"].as_array().unwrap().iter();
            if dependencies.any(|id| names[id.as_str().unwrap()] == name) {
                assert!(wrappers.contains(&user), "{user} depends on {name}, which is for {wrappers:?}");
                checked += 1;
            }
        }
    }
    assert!(checked > 1, "no user of a wrapped crate was found");
}

#[test]
fn no_dependency_needs_a_newer_rust_than_ours() {
    let metadata = metadata();
    let version = |text: &str| -> Vec<u32> { text.split('.').map(|part| part.parse().unwrap()).collect() };
    let manifest: Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let ours = version(manifest["workspace"]["package"]["rust-version"].as_str().unwrap());
    for package in metadata["packages"].as_array().unwrap() {
        if let Some(theirs) = package["rust_version"].as_str() {
            assert!(version(theirs)[..2] <= ours[..2], "{} needs Rust {theirs}", package["id"]);
        }
    }
}

/// Every Rust file of the workspace, the whole-system tests included.
fn rust_files() -> Vec<PathBuf> {
    let metadata = metadata();
    let mut folders: Vec<_> = members(&metadata).into_values().map(|folder| folder.join("src")).collect();
    folders.push(root().join("tests"));
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 400, "only {} files were found", files.len());
    files
}

#[test]
fn files_are_short_and_named_by_their_content() {
    for path in rust_files() {
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
        let name = path.file_stem().unwrap().to_str().unwrap();
        let is_snake_case =
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        assert!(is_snake_case, "{} is not in snake case", path.display());
        assert!(!VAGUE_NAMES.contains(&name), "{} says nothing of its content", path.display());
    }
}

/// A reader tells a test from code by its path: modules for tests only are called `tests`, or lie below one that is.
#[test]
fn test_only_files_are_recognisable() {
    let mut found = 0;
    for path in rust_files().into_iter().filter(|path| !path.starts_with(root().join("tests"))) {
        let text = std::fs::read_to_string(&path).unwrap();
        let mut lines = text.lines().map(str::trim).peekable();
        while let Some(line) = lines.next() {
            let is_module = |line: &&str| line.starts_with("mod ") && line.ends_with(';');
            if line == "#[cfg(test)]" && lines.peek().is_some_and(is_module) {
                found += 1;
                assert_eq!(lines.peek(), Some(&"mod tests;"), "{}", path.display());
            }
        }
    }
    assert!(found > 10, "only {found} test modules were found");
}

/// Files below a folder, with their path relative to it.
fn source_files_below(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut folders = vec![folder.to_owned()];
    let mut files = Vec::new();
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                files.push((path.strip_prefix(folder).unwrap().to_owned(), text));
            }
        }
    }
    files
}

#[test]
fn no_command_imports_another_command() {
    let commands = source_files_below(&root().join("syncwell/src/commands"));
    assert!(commands.len() > 50, "the commands were found");
    for (file, text) in commands {
        let is_child = file.components().count() > 1;
        let command = file.components().next().unwrap().as_os_str().to_str().unwrap().trim_end_matches(".rs");
        for line in text.lines().map(str::trim_start) {
            let own = format!("crate::commands::{command}::");
            let names_commands = line.contains("crate::commands") || line.contains("commands::");
            let other = names_commands && !line.contains(&own);
            let parent = line.contains("super::super")
                || (!is_child && line.contains("super::") && !line.contains("super::*"));
            assert!(!other && !parent, "{} imports another command: {line}", file.display());
        }
    }
}

/// The OpenAPI document is compared with the operations that `ApiRoutes` records, so no route may pass it by.
#[test]
fn api_routes_are_recorded() {
    for folder in ["ingest/src", "projector/src", "crates/http_edge/src"] {
        for (file, text) in source_files_below(&root().join(folder)) {
            if file == Path::new("api_routes.rs") {
                continue;
            }
            for unrecorded in ["Router::new(", "Router::default(", ".nest(", ".merge("] {
                assert!(!text.contains(unrecorded), "{folder}/{}: {unrecorded}", file.display());
            }
        }
    }
}

/// Group commit shares an fsync between the messages of one committer only.
#[test]
fn the_worker_has_one_committer_per_stream() {
    let files = source_files_below(&root().join("worker/src"));
    let opened_in = |pattern: &str| -> Vec<_> {
        let count = |text: &str| text.matches(pattern).count();
        let found = files.iter().flat_map(|(file, text)| std::iter::repeat_n(file.as_path(), count(text)));
        found.collect()
    };
    assert_eq!(opened_in(".appender("), [Path::new("worker.rs")]);
    assert_eq!(opened_in("Buckets::open("), [Path::new("worker.rs")]);
    assert_eq!(opened_in("KvBucket::open("), [Path::new("kv_buckets.rs")]);
    assert_eq!(opened_in("Appender::start("), [] as [&Path; 0]);
}

/// Only crates on this list follow the configured log level; of another one, information is never logged.
#[test]
fn the_log_level_covers_every_crate() {
    let source = std::fs::read_to_string(root().join("syncwell/src/logging.rs")).unwrap();
    let list = source.split_once("const OWN_CRATES").unwrap().1.split_once("];").unwrap().0;
    let listed: BTreeSet<_> = list.split('"').skip(1).step_by(2).collect();
    let metadata = metadata();
    assert_eq!(listed, members(&metadata).into_keys().collect());
}
