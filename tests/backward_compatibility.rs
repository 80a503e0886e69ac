//! Data folders that earlier versions wrote: this version opens them unchanged. `samples/README.md` says how they were
//! made.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::harness::{RawRequest, System, TestFolder, read_text};

/// Commits whose data folders are stored.
const VERSIONS: [&str; 1] = ["740347b"];

fn samples_dir() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("tests/samples")
}

fn unpack_sample(version: &str) -> TestFolder {
    let folder = TestFolder::new();
    let archive = samples_dir().join(format!("{version}.tar.gz"));
    let unpacked =
        Command::new("tar").arg("-xzf").arg(archive).arg("-C").arg(folder.path()).status().unwrap();
    assert!(unpacked.success());
    folder
}

fn run_json(system: &System, arguments: &[&str]) -> Value {
    let output = system.run_command(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An answer without the view's position: a worker may append an event to an old log as soon as it runs.
fn without_position(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("position");
    answer
}

#[tokio::test]
async fn data_of_earlier_versions_opens_unchanged() {
    for version in VERSIONS {
        let expected: Value =
            serde_json::from_str(&read_text(&samples_dir().join(format!("{version}.json")))).unwrap();
        let folder = unpack_sample(version);
        let old_checkpoint = folder.path().join("old.checkpoint");
        std::fs::copy(folder.path().join("data/tiles/checkpoint"), &old_checkpoint).unwrap();
        let system = System::start_in(folder, &[]);

        for (user, answers) in expected["users"].as_object().unwrap() {
            let reader = system.credentials(user, &["--scope", "sync:read device:enroll"]);
            for (path, answer) in answers.as_object().unwrap() {
                let now = RawRequest::get(&reader, path).send(&system.base_url).await.json();
                let (now, then) = (without_position(now), without_position(answer.clone()));
                assert_eq!(now, then, "{version}: {path} of {user}");
            }
        }
        // The stored view serves, and not one that was built anew in its place.
        let serving = &run_json(&system, &["view", "list", "--json"])["views"][0];
        assert_eq!((&serving["view"], &serving["is"]), (&2.into(), &"serving".into()), "{serving}");
        let digest = run_json(&system, &["view", "verify", "--digest", "--json"]);
        assert_eq!(digest["fold_version"], expected["view"]["fold_version"], "{version}");
        if digest["position"] == expected["view"]["position"] {
            assert_eq!(digest, expected["view"], "{version}");
        }

        // Every stored event is still what was signed then, and the view is what they fold to.
        let audit = run_json(&system, &["audit", "verify", "--reveal", "--reason", "a test", "--json"]);
        assert_eq!(audit["holds"], true, "{version}: {audit}");
        for member in ["origin", "first_bad_sequence", "left_out"] {
            assert_eq!(audit[member], expected["audit"][member], "{version}: {member}");
        }
        let old_checkpoint = old_checkpoint.to_str().unwrap();
        let new_checkpoint = system.folder.path().join("new.checkpoint");
        std::fs::write(&new_checkpoint, system.run_command(&["audit", "checkpoint"]).stdout).unwrap();
        let consistency = ["audit", "consistency", old_checkpoint, new_checkpoint.to_str().unwrap()];
        let consistent = system.run_command(&consistency);
        assert!(consistent.status.success(), "{version}: {consistent:?}");
        drop(system.stop().await);
    }
}
