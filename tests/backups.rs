//! Copies of what is stored: whole or refused by name, and put back whole, whenever that was killed.

mod backup_and_restore;
mod log_export_import;
mod restore_failures;

use std::path::Path;

use events::RecordedEvent;
use serde_json::Value;

use crate::harness::{run_cli, wait_until};

/// Runs a command that must do what it says, and returns its JSON.
fn run_ok(data_dir: &Path, arguments: &[&str]) -> Value {
    let ran = run_cli(data_dir, &[arguments, &["--json"]].concat());
    assert_eq!(ran.exit_code, Some(0), "{arguments:?}: {}{}", ran.stdout, ran.stderr);
    ran.json()
}

/// What makes two logs the same: the subjects and the stored bytes, in their order.
fn comparable_events(events: &[RecordedEvent]) -> Vec<(u64, &str, &[u8])> {
    events.iter().map(|event| (event.sequence().get(), event.subject(), event.bytes())).collect()
}

/// Waits until the tiles say that so many events are signed.
async fn wait_until_signed(data_dir: &Path, size: u64) {
    wait_until(&format!("{size} events are signed"), async || {
        let note = std::fs::read_to_string(data_dir.join("tiles/checkpoint")).ok()?;
        (note.lines().nth(1)?.parse::<u64>().unwrap() >= size).then_some(())
    })
    .await;
}

fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}
