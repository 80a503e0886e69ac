//! The export of the log: one text file, format 1, of lines of JSON (NDJSON).
//!
//! ```text
//! {"syncwell_export":1,"log":"<identity>","first":1,"last":2}
//! {"sequence":1,"subject":"events.v1.7.…","stored_at":"…","event":{…}}
//! {"sequence":2,"subject":"events.v1.9.…","stored_at":"…","bytes_base64":"…"}
//! {"manifest":{"events":2,"sha256":"…","root":"…","checkpoint":"…"}}
//! ```
//!
//! Every line is as [`line`] renders it, byte for byte, and ends in a line feed. What signs the file is the notary's
//! signature in the checkpoint, whose size and root are those of the events.

pub(crate) mod line;
mod reader;
mod writer;

use std::path::Path;

use events::{Log, LogConsumerName, LogError, ReadRangeError, RecordedEvent};
use schemas::Sequence;
use tlog::{CheckpointError, Hash, LogVerifier, TreeHead};

pub use line::ExportedEvent;
pub(crate) use reader::verify_with_digest;
pub use reader::{LogExportReader, ReadLogExportError, verify_log_export};

use crate::hashed_file::FileError;
use crate::staged_path::StagedPath;
use line::ExportHeader;
use runtime::run_blocking;
pub(crate) use writer::LogExportWriter;

/// An export that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogExport {
    /// The identity of the log that it is of.
    pub log: events::LogIdentity,
    /// How many events it holds, from the first.
    pub events: u64,
    /// The root of the tree over their stored bytes.
    pub root: Hash,
    /// The note that signs both.
    pub checkpoint: String,
}

/// Why there is no export. There is no file either.
#[derive(Debug, thiserror::Error)]
pub enum LogExportError {
    /// The checkpoint is not the notary's.
    #[error("the checkpoint does not hold")]
    InvalidCheckpoint(#[from] CheckpointError),
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log can't be read to the end.
    #[error(transparent)]
    ReadRange(#[from] ReadRangeError),
    /// Events that the notary signed are gone.
    #[error(
        "INCIDENT: the log ends at {log_end} and the notary signed {signed} events. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    LogTruncated {
        /// Events that the log holds.
        log_end: u64,
        /// Events that were signed.
        signed: u64,
    },
    /// The stored bytes are not those over which the checkpoint was signed.
    #[error(
        "INCIDENT: the log was changed: its events are not what the notary signed. Stop, keep the broker's files"
    )]
    RootMismatch,
    /// An event is longer than a line may be.
    #[error("event {sequence} is too long for a line of an export")]
    EventTooLong {
        /// Which one.
        sequence: Sequence,
    },
    /// The file can't be written, or there is one of this name already.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Exports the events that a checkpoint signs, from the first on, into the new file `out`.
///
/// The file is written as `<out>.draft` and gets its name when it is whole, on stable storage, and what was signed.
/// Memory does not grow with the log. `on_progress` is told how many events are done, of how many.
pub async fn export_events(
    log: &Log,
    reader: LogConsumerName,
    checkpoint: &str,
    verifier: &LogVerifier,
    out: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<LogExport, LogExportError> {
    let signed = verifier.open_checkpoint(checkpoint)?;
    let state = log.open().await?;
    let held = state.last.map_or(0, Sequence::get);
    if held < signed.size {
        return Err(LogExportError::LogTruncated { log_end: held, signed: signed.size });
    }
    let draft = StagedPath::new(out)?;
    let head = ExportHeader { log: state.identity, last: signed.size };
    let mut writer = run_blocking(move || LogExportWriter::create(draft, head)).await?;
    if let Some(last) = Sequence::new(signed.size) {
        let mut stretch = log.read_range(reader, None, last);
        while let Some(events) = stretch.next().await? {
            writer = run_blocking(move || push_events(writer, &events)).await?;
            on_progress(writer.events(), signed.size);
        }
    }
    let signature = SignedCheckpoint { note: checkpoint.to_owned(), head: signed };
    run_blocking(move || writer.finish(signature)).await
}

/// A checkpoint and what it says.
pub(crate) struct SignedCheckpoint {
    pub(crate) note: String,
    pub(crate) head: TreeHead,
}

fn push_events(
    mut writer: LogExportWriter,
    events: &[RecordedEvent],
) -> Result<LogExportWriter, LogExportError> {
    for event in events {
        writer.push(&event.into())?;
    }
    Ok(writer)
}
