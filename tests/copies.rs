//! Copies of what is stored: whole or refused by name, and put back whole, whenever that was killed.

mod backups;
mod exports;
mod restores;

use std::path::Path;

use broker::Role;
use events::{Log, RecordedEvent};
use serde_json::Value;
use stream::{Broker, BrokerAddress, ScanFrom};

use crate::harness::{System, command_in, until};

/// What a command came to.
struct Ran {
    code: Option<i32>,
    output: String,
    complaint: String,
}

impl Ran {
    fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|_| panic!("{}{}", self.output, self.complaint))
    }
}

fn run_in(data_dir: &Path, arguments: &[&str]) -> Ran {
    let output = command_in(data_dir, arguments);
    Ran {
        code: output.status.code(),
        output: String::from_utf8(output.stdout).unwrap(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs a command that must do what it says, and returns its JSON.
fn done(data_dir: &Path, arguments: &[&str]) -> Value {
    let ran = run_in(data_dir, &[arguments, &["--json"]].concat());
    assert_eq!(ran.code, Some(0), "{arguments:?}: {}{}", ran.output, ran.complaint);
    ran.json()
}

fn text_of(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A connection to a running system with a role's own credentials.
async fn connect(system: &System, role: Role) -> Broker {
    let running: Value = serde_json::from_str(&text_of(&system.data_dir().join("running.json"))).unwrap();
    let seed = text_of(&system.data_dir().join(format!("keys/{}.nk", role.name()))).trim().to_owned();
    let url = running["nats"].as_str().unwrap().to_owned();
    let address = BrokerAddress { url, seed, ca_file: None, role: role.name() };
    Broker::connect(address).await.unwrap()
}

/// Every event, in order.
async fn events(broker: Broker) -> Vec<RecordedEvent> {
    let log = Log::over(broker);
    let mut events: Vec<RecordedEvent> = Vec::new();
    loop {
        let more = log.scan(ScanFrom::Sequence(events.len() as u64 + 1), None).await.unwrap();
        if more.is_empty() {
            return events;
        }
        events.extend(more);
    }
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
