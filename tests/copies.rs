//! Copies of what is stored: whole or refused by name, and put back whole, whenever that was killed.

mod backups;
mod exports;
mod restores;

use std::path::Path;

use events::RecordedEvent;
use serde_json::Value;

use crate::harness::{run_in, until};

/// Runs a command that must do what it says, and returns its JSON.
fn done(data_dir: &Path, arguments: &[&str]) -> Value {
    let ran = run_in(data_dir, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.output, ran.complaint);
    ran.json()
}

/// What makes two logs the same: the subjects and the stored bytes, in their order.
fn same(events: &[RecordedEvent]) -> Vec<(u64, &str, &[u8])> {
    events.iter().map(|event| (event.sequence().get(), event.subject(), event.bytes())).collect()
}

/// Waits until the tiles say that so many events are signed.
async fn signed(data_dir: &Path, size: u64) {
    until(&format!("{size} events are signed"), async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        (note.lines().nth(1)?.parse::<u64>().unwrap() >= size).then_some(())
    })
    .await;
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
