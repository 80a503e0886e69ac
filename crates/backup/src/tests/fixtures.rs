//! Exports and backups for tests, written by the same code, and signed by a key of their own.

use std::fs;
use std::path::{Path, PathBuf};

use events::LogIdentity;
use schemas::Sequence;
use tempfile::TempDir;
use tlog::{Frontier, Hash, LogSigner, LogVerifier, TreeHead};

use crate::log_export::line::ExportHeader;
use crate::log_export::{ExportedEvent, LogExport, LogExportError, LogExportWriter, SignedCheckpoint};
use crate::staged_path::StagedPath;

pub(crate) const ORIGIN: &str = "log.example/syncwell";
pub(crate) const LOG: &str = "2026-01-01T00:00:00Z";

pub(crate) fn signer() -> LogSigner {
    LogSigner::new(ORIGIN, &[7; 32]).unwrap()
}

pub(crate) fn verifier() -> LogVerifier {
    LogVerifier::parse(&signer().vkey()).unwrap()
}

/// The events of a small log, one of them no JSON.
pub(crate) fn events() -> Vec<ExportedEvent> {
    [&br#"{"specversion":"1.0","id":"1"}"#[..], b"null", b"no JSON\n", br#""quoted""#]
        .into_iter()
        .zip(1..)
        .map(|(bytes, sequence)| ExportedEvent {
            sequence: Sequence::new(sequence).unwrap(),
            subject: format!("events.v1.{sequence}.gaytemzugu3doobzmfrggzdfmy"),
            stored_at: "2026-02-17T00:00:01Z".parse().unwrap(),
            bytes: bytes.to_vec(),
        })
        .collect()
}

pub(crate) fn tree_head(events: &[ExportedEvent]) -> TreeHead {
    let mut tree = Frontier::default();
    events.iter().for_each(|event| tree.push(Hash::from_leaf(&event.bytes)));
    TreeHead { size: tree.size(), root: tree.root() }
}

/// Writes an export of these events whose checkpoint is this note, signed or not, of this head.
pub(crate) fn write_export(
    path: &Path,
    events: &[ExportedEvent],
    head: TreeHead,
    note: String,
) -> Result<LogExport, LogExportError> {
    let first = ExportHeader { log: LogIdentity::from(LOG), last: head.size };
    let mut writer = LogExportWriter::create(StagedPath::new(path)?, first)?;
    for event in events {
        writer.push(event)?;
    }
    writer.finish(SignedCheckpoint { note, head })
}

/// A whole export in a folder of its own.
pub(crate) fn complete_export() -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.ndjson");
    let (events, head) = (events(), tree_head(&events()));
    write_export(&path, &events, head, signer().sign_checkpoint(head)).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    (folder, path, text)
}
