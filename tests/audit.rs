//! The log's integrity: what holds is proved to anybody, and every kind of damage is found and named.

mod attestations;
mod checkpoints;
mod man_in_the_middle;
mod proofs;
mod rollback;
mod store;
mod tiles;

use std::path::{Path, PathBuf};

use events::RecordedEvent;
use keys::VersionedSecrets;
use nats_server::Role;
use serde_json::Value;
use tlog::{Frontier, Hash, LogSigner, LogVerifier, TreeHead};

use crate::harness::{Process, System, all_events, post_many, run_in, text_of, until};

/// A whole audit, and its report.
fn audit(data_dir: &Path, more: &[&str]) -> (Option<i32>, Value) {
    let ran = run_in(data_dir, &[&["audit", "verify", "--json"], more].concat());
    (ran.code, ran.json())
}

fn verifier(data_dir: &Path) -> LogVerifier {
    LogVerifier::parse(text_of(&data_dir.join("log.vkey")).trim()).unwrap()
}

/// Whoever has stolen a signing secret: `checkpoint` or `attestation`.
fn thief(data_dir: &Path, secret: &str) -> LogSigner {
    let secrets = VersionedSecrets::read(&data_dir.join("secrets").join(secret)).unwrap();
    LogSigner::new(verifier(data_dir).origin(), secrets.current().1).unwrap()
}

/// Somebody who knows the log's name and not its key.
fn forger(data_dir: &Path) -> LogSigner {
    LogSigner::new(verifier(data_dir).origin(), &[9; 32]).unwrap()
}

/// Waits until so many events are signed and their tiles are written.
async fn signed(data_dir: &Path, size: u64) -> TreeHead {
    let verifier = verifier(data_dir);
    until(&format!("{size} events are signed"), async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        // It is replaced as a whole.
        let head = verifier.open(&note).unwrap();
        (head.size >= size).then_some(head)
    })
    .await
}

/// Every event of a running system.
async fn events_of(system: &System) -> Vec<RecordedEvent> {
    all_events(system.connect(Role::Auditor).await).await
}

fn head_of(events: &[RecordedEvent]) -> TreeHead {
    let mut tree = Frontier::default();
    events.iter().for_each(|event| tree.push(Hash::of_leaf(event.bytes())));
    TreeHead { size: tree.size(), root: tree.root() }
}

/// Starts a system that must not come up, and returns what it says at its end.
async fn refused(folder: &Path) -> String {
    let data_dir = folder.join("data");
    let log = folder.join("refused.log");
    let mut process = Process::spawn(
        &["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()],
        log.clone(),
    );
    assert_eq!(process.ended().await, Some(1), "{}", text_of(&log));
    let said = text_of(&log);
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
fn accesses(system: &System) -> Vec<Value> {
    let tail = run_in(&system.data_dir(), &["events", "tail", "-n", "100", "--json"]);
    assert_eq!(tail.code, Some(0), "{}", tail.text());
    let events = tail.output.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["type"] == "syncwell.access.recorded.v1").collect()
}

#[tokio::test]
async fn a_fresh_log_is_signed_to_its_end_and_everything_holds() {
    let system = System::start();
    let data_dir = system.data_dir();
    assert_eq!(run_in(&data_dir, &["audit", "checkpoint"]).code, Some(1), "an empty log has none");
    post_many(&data_dir, &system.base_url, &["ana", "ben"], 3, 0).await;
    signed(&data_dir, 6).await;
    let note = run_in(&data_dir, &["audit", "checkpoint"]);
    let head = verifier(&data_dir).open(&note.output).unwrap();
    assert_eq!((note.code, head), (Some(0), head_of(&events_of(&system).await)));
    let shown = run_in(&data_dir, &["audit", "checkpoint", "--json"]).json();
    assert_eq!(shown["checkpoint"], note.output);
    assert_eq!((&shown["size"], &shown["root"]), (&6.into(), &head.root.to_string().into()));

    let (code, report) = audit(&data_dir, &[]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["holds"], &report["first_bad_sequence"]), (&true.into(), &Value::Null));
    assert_eq!((&report["events"], &report["signed"]), (&6.into(), &6.into()));
    assert_eq!(report["root"], head.root.to_string());
    assert_eq!(report["origin"], verifier(&data_dir).origin());
    assert!(report["checkpoints"].as_u64().unwrap() >= 1, "{report}");
    assert_eq!((&report["signatures"], &report["view"]["expected"]), (&Value::Null, &Value::Null));
    assert_eq!(report["findings"], serde_json::json!([]));
    assert!(accesses(&system).is_empty(), "nothing was opened");

    let (code, report) = audit(&data_dir, &["--reveal", "--reason", "the yearly audit", "--person", "Ada"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["signatures"], &report["events"]), (&6.into(), &7.into()), "and its own access");
    assert_eq!(report["view"]["expected"], report["view"]["digest"]);
    let access = &accesses(&system)[0]["content"];
    assert_eq!(access["by"]["person"], "Ada", "{access}");
    assert_eq!((&access["reason"], &access["command"]), (&"the yearly audit".into(), &"audit verify".into()));
}

#[tokio::test]
async fn every_look_at_contents_is_an_event_and_a_look_at_metadata_is_none() {
    let system = System::start();
    post_many(&system.data_dir(), &system.base_url, &["ana"], 3, 0).await;
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
        let ran = run_in(&system.data_dir(), &[arguments, &more].concat());
        assert_eq!(ran.code, Some(code), "{command}: {}", ran.text());
        let last = accesses(&system).pop().unwrap_or_else(|| panic!("{command} left no event"));
        let content = &last["content"];
        assert_eq!((&content["command"], &content["reason"]), (&command.into(), &reason.into()));
        assert_eq!(content["by"]["person"], "Ada");
    }
    let recorded = accesses(&system).len();
    for arguments in [&["events", "tail"][..], &["events", "show", "1"], &["view", "verify", "--digest"]] {
        assert_eq!(run_in(&system.data_dir(), arguments).code, Some(0), "{arguments:?}");
    }
    assert_eq!(accesses(&system).len(), recorded);
}
