//! The house itself: arrows between the crates go one way, each outside thing has one door, files fit in the head.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use toml::Table;

/// What each crate may know of ours.
const ALLOWED_DEPENDENCIES: [(&str, &[&str]); 19] = [
    ("schemas", &[]),
    ("jetstream", &[]),
    ("nats_server", &[]),
    ("client", &["schemas"]),
    ("keys", &["jetstream"]),
    ("events", &["schemas", "jetstream", "keys"]),
    ("aggregates", &["events", "schemas", "keys"]),
    ("export_archive", &["events", "aggregates", "schemas", "keys"]),
    ("export_store", &["keys"]),
    ("tlog", &[]),
    ("notary", &["http_edge", "events", "schemas", "jetstream", "tlog"]),
    ("backup", &["events", "schemas", "jetstream", "tlog", "keys"]),
    ("providers", &[]),
    ("http_edge", &["schemas", "keys"]),
    ("ingest", &["http_edge", "events", "providers", "schemas", "jetstream", "keys"]),
    (
        "projector",
        &[
            "http_edge",
            "events",
            "aggregates",
            "notary",
            "export_store",
            "schemas",
            "jetstream",
            "tlog",
            "keys",
        ],
    ),
    ("breakglass", &["http_edge", "events", "schemas", "jetstream", "keys"]),
    (
        "worker",
        &[
            "events",
            "export_archive",
            "aggregates",
            "export_store",
            "providers",
            "schemas",
            "jetstream",
            "keys",
        ],
    ),
    (
        "syncwell",
        &[
            "backup",
            "breakglass",
            "nats_server",
            "client",
            "http_edge",
            "events",
            "export_archive",
            "ingest",
            "notary",
            "export_store",
            "projector",
            "providers",
            "schemas",
            "jetstream",
            "tlog",
            "keys",
            "worker",
        ],
    ),
];

/// Whose door an outside thing is.
const EXTERNAL_CRATE_OWNERS: [(&str, &[&str]); 15] = [
    ("async-nats", &["jetstream"]),
    ("nkeys", &["jetstream"]),
    ("sled", &["projector"]),
    ("signed_note", &["tlog"]),
    ("tlog_tiles", &["tlog"]),
    // Tiles, the ledger of erasures, exports.
    ("object_store", &["export_store", "tlog", "worker"]),
    ("hkdf", &["keys"]),
    ("governor", &["http_edge"]),
    // The edge verifies tokens; the binary makes those of the development issuer.
    ("jsonwebtoken", &["http_edge", "syncwell"]),
    // The edge fetches issuers' keys; the worker asks providers and delivers; objects looks at its bucket;
    // vault asks KMS.
    ("reqwest", &["http_edge", "export_store", "keys", "worker"]),
    ("oauth2", &["worker"]),
    ("reqsign-aws-v4", &["keys"]),
    ("opentelemetry-otlp", &["syncwell"]),
    ("clap", &["syncwell"]),
    ("anyhow", &["syncwell"]),
];

/// Lines of a file, tests apart, that want a plan.
const LINES_MAX: usize = 400;

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Libraries lie together in `crates/`, roles at the root.
fn folder_of(member: &str) -> PathBuf {
    let library = workspace_root().join("crates").join(member);
    if library.exists() { library } else { workspace_root().join(member) }
}

fn dependencies_of(member: &str) -> Vec<String> {
    let manifest: Table =
        std::fs::read_to_string(folder_of(member).join("Cargo.toml")).unwrap().parse().unwrap();
    manifest.get("dependencies").and_then(|table| table.as_table()).unwrap().keys().cloned().collect()
}

#[test]
fn crates_use_only_allowed_workspace_crates() {
    let manifest: Table =
        std::fs::read_to_string(workspace_root().join("Cargo.toml")).unwrap().parse().unwrap();
    let members = manifest["workspace"]["members"].as_array().unwrap().iter().map(|member| {
        let folder = member.as_str().unwrap();
        folder.strip_prefix("crates/").unwrap_or(folder)
    });
    let arrows: BTreeMap<_, _> = ALLOWED_DEPENDENCIES.into_iter().collect();
    for member in members {
        let allowed =
            arrows.get(member).unwrap_or_else(|| panic!("{member} is not in the plan of the house"));
        for dependency in
            dependencies_of(member).iter().filter(|dependency| arrows.contains_key(dependency.as_str()))
        {
            assert!(allowed.contains(&dependency.as_str()), "{member} must not know {dependency}");
        }
    }
}

#[test]
fn external_crates_are_used_only_by_their_owners() {
    for (member, _) in ALLOWED_DEPENDENCIES {
        for dependency in dependencies_of(member) {
            if let Some((_, doors)) = EXTERNAL_CRATE_OWNERS.iter().find(|(name, _)| *name == dependency) {
                assert!(doors.contains(&member), "{member} uses {dependency}, whose door is {doors:?}");
            }
        }
    }
}

#[test]
fn files_stay_within_the_line_limit() {
    let mut folders: Vec<_> =
        ALLOWED_DEPENDENCIES.iter().map(|(member, _)| folder_of(member).join("src")).collect();
    folders.push(workspace_root().join("tests"));
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let lines = std::fs::read_to_string(&path).unwrap().lines().count();
                assert!(lines <= LINES_MAX, "{} has {lines} lines", path.display());
                files += 1;
            }
        }
    }
    assert!(files > 100, "the whole house was looked at");
}
