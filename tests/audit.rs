//! The log's integrity: what holds is proved to anybody, and every kind of damage is found and named.

mod attestations;
mod checkpoints;
mod disk_corruption;
mod man_in_the_middle;
mod proofs;
mod rollback;
mod tiles;

use std::path::{Path, PathBuf};

use events::RecordedEvent;
use keys::VersionedSecrets;
use nats_server::Role;
use serde_json::Value;
use tlog::{Frontier, Hash, LogSigner, LogVerifier, TreeHead};

use crate::harness::{Process, System, post_summaries, read_all_events, read_text, run_cli, wait_until};

/// A whole audit, and its report.
fn run_audit_verify(data_dir: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let ran = run_cli(data_dir, &[&["audit", "verify", "--json"], more].concat());
    (ran.exit_code, ran.json())
}

fn log_verifier(data_dir: &Path) -> LogVerifier {
    LogVerifier::parse(read_text(&data_dir.join("log.vkey")).trim()).unwrap()
}

/// Whoever has stolen a signing secret: `checkpoint` or `attestation`.
fn stolen_signer(data_dir: &Path, secret: &str) -> LogSigner {
    let secrets = VersionedSecrets::read(&data_dir.join("secrets").join(secret)).unwrap();
    LogSigner::new(log_verifier(data_dir).origin(), secrets.current().1).unwrap()
}

/// Somebody who knows the log's name and not its key.
fn foreign_signer(data_dir: &Path) -> LogSigner {
    LogSigner::new(log_verifier(data_dir).origin(), &[9; 32]).unwrap()
}

/// Waits until so many events are signed and their tiles are written.
async fn wait_until_signed(data_dir: &Path, size: u64) -> TreeHead {
    let verifier = log_verifier(data_dir);
    wait_until(&format!("{size} events are signed"), async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        // It is replaced as a whole.
        let head = verifier.open_checkpoint(&note).unwrap();
        (head.size >= size).then_some(head)
    })
    .await
}

/// Every event of a running system.
async fn read_events(system: &System) -> Vec<RecordedEvent> {
    read_all_events(system.connect_as(Role::Auditor).await).await
}

fn tree_head(events: &[RecordedEvent]) -> TreeHead {
    let mut tree = Frontier::default();
    events.iter().for_each(|event| tree.push(Hash::from_leaf(event.bytes())));
    TreeHead { size: tree.size(), root: tree.root() }
}

/// Starts a system that must not come up, and returns what it says at its end.
async fn start_and_fail(folder: &Path) -> String {
    let data_dir = folder.join("data");
    let log = folder.join("refused.log");
    let mut process = Process::spawn(
        &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
        log.clone(),
    );
    assert_eq!(process.wait_for_exit().await, Some(1), "{}", read_text(&log));
    let said = read_text(&log);
    std::fs::remove_file(log).unwrap();
    said
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            files.extend(files_below(&entry.path()));
        } else {
            files.push(entry.path());
        }
    }
    files
}

/// What `audit verify` and others leave in the log of who was shown contents.
fn access_events(system: &System) -> Vec<Value> {
    let tail = run_cli(&system.data_dir(), &["events", "tail", "-n", "100", "--json"]);
    assert_eq!(tail.exit_code, Some(0), "{}", tail.combined_output());
    let events = tail.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["type"] == "syncwell.access.recorded.v1").collect()
}

#[tokio::test]
async fn fresh_log_is_fully_signed_and_verifies() {
    let system = System::start();
    let data_dir = system.data_dir();
    assert_eq!(run_cli(&data_dir, &["audit", "checkpoint"]).exit_code, Some(1), "an empty log has none");
    post_summaries(&data_dir, &system.base_url, &["ana", "ben"], 3, 0).await;
    wait_until_signed(&data_dir, 6).await;
    let note = run_cli(&data_dir, &["audit", "checkpoint"]);
    let head = log_verifier(&data_dir).open_checkpoint(&note.stdout).unwrap();
    assert_eq!((note.exit_code, head), (Some(0), tree_head(&read_events(&system).await)));
    let shown = run_cli(&data_dir, &["audit", "checkpoint", "--json"]).json();
    assert_eq!(shown["checkpoint"], note.stdout);
    assert_eq!((&shown["size"], &shown["root"]), (&6.into(), &head.root.to_string().into()));

    let (code, report) = run_audit_verify(&data_dir, &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["holds"], &report["first_bad_sequence"]), (&true.into(), &Value::Null));
    assert_eq!((&report["events"], &report["signed"]), (&6.into(), &6.into()));
    assert_eq!(report["root"], head.root.to_string());
    assert_eq!(report["origin"], log_verifier(&data_dir).origin());
    assert!(report["checkpoints"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!((&report["signatures"], &report["view"]["expected"]), (&Value::Null, &Value::Null));
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(access_events(&system).is_empty(), "nothing was opened");

    let (code, report) =
        run_audit_verify(&data_dir, &["--reveal", "--reason", "the yearly audit", "--person", "Ada"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["signatures"], &report["events"]), (&6.into(), &7.into()), "and its own access");
    assert_eq!(report["view"]["expected"], report["view"]["digest"]);
    let access = &access_events(&system)[0]["content"];
    assert_eq!(access["by"]["person"], "Ada", "{access}");
    assert_eq!((&access["reason"], &access["command"]), (&"the yearly audit".into(), &"audit verify".into()));
}

#[tokio::test]
async fn reading_contents_is_recorded_reading_metadata_is_not() {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &["ana"], 3, 0).await;
    let looks: [(&str, &[&str], i32); 5] = [
        ("events show", &["events", "show", "1", "--reveal"], 0),
        ("events tail", &["events", "tail", "--reveal"], 0),
        ("view get", &["view", "get", "--user", "ana"], 0),
        ("view at", &["view", "at", "2", "--user", "ana"], 0),
        // The rows differ.
        ("view diff", &["view", "diff", "1", "serving"], 1),
    ];
    for (number, (command, arguments, code)) in looks.into_iter().enumerate() {
        let reason = format!("ticket {number}");
        let more = ["--reason", reason.as_str(), "--person", "Ada"];
        let ran = run_cli(&system.data_dir(), &[arguments, &more].concat());
        assert_eq!(ran.exit_code, Some(code), "{command}: {}", ran.combined_output());
        let last = access_events(&system).pop().unwrap_or_else(|| panic!("{command} left no event"));
        let content = &last["content"];
        assert_eq!((&content["command"], &content["reason"]), (&command.into(), &reason.into()));
        assert_eq!(content["by"]["person"], "Ada");
    }
    let recorded = access_events(&system).len();
    for arguments in [&["events", "tail"][..], &["events", "show", "1"], &["view", "verify", "--digest"]] {
        assert_eq!(run_cli(&system.data_dir(), arguments).exit_code, Some(0), "{arguments:?}");
    }
    assert_eq!(access_events(&system).len(), recorded);
}
