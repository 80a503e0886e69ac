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

#[tokio::test]
async fn data_of_earlier_versions_opens_unchanged() {
    for version in VERSIONS {
        let expected: Value =
            serde_json::from_str(&read_text(&samples_dir().join(format!("{version}.json")))).unwrap();
        let system = System::start_in(unpack_sample(version), &[]);
        for (user, answers) in expected["users"].as_object().unwrap() {
            let reader = system.credentials(user, &["--scope", "sync:read device:enroll"]);
            for (path, answer) in answers.as_object().unwrap() {
                let now = RawRequest::get(&reader, path).send(&system.base_url).await.json();
                assert_eq!(&now, answer, "{version}: {path} of {user}");
            }
        }
        assert_eq!(
            run_json(&system, &["view", "verify", "--digest", "--json"]),
            expected["view"],
            "{version}"
        );
        let audit = run_json(&system, &["audit", "verify", "--reveal", "--reason", "a test", "--json"]);
        assert_eq!(audit["holds"], true, "{version}: {audit}");
        // Sequence and root are past the sample's by now: the audit itself is an event. The view's root above covers them.
        for member in ["origin", "first_bad_sequence", "left_out"] {
            assert_eq!(audit[member], expected["audit"][member], "{version}: {member}");
        }
        drop(system.stop().await);
    }
}
