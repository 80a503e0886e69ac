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

use events::{Log, LogError, LogReader, RecordedEvent, StretchError};
use schemas::Sequence;
use tlog::{CheckpointError, Hash, LogVerifier, TreeHead};

pub use line::ExportedEvent;
pub(crate) use reader::verify_summed;
pub use reader::{ExportReader, ReadExportError, verify_export};

use crate::draft::Draft;
use crate::offload::offload;
use crate::written::FileError;
use line::ExportHead;
pub(crate) use writer::ExportWriter;

/// An export that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
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
pub enum ExportError {
    /// The checkpoint is not the notary's.
    #[error("the checkpoint does not hold")]
    Checkpoint(#[from] CheckpointError),
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log can't be read to the end.
    #[error(transparent)]
    Stretch(#[from] StretchError),
    /// Events that the notary signed are gone.
    #[error(
        "INCIDENT: the log ends at {held} and the notary signed {signed} events. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    Shorter {
        /// Events that the log holds.
        held: u64,
        /// Events that were signed.
        signed: u64,
    },
    /// The stored bytes are not those over which the checkpoint was signed.
    #[error(
        "INCIDENT: the log was changed: its events are not what the notary signed. Stop, keep the broker's files"
    )]
    NotWhatWasSigned,
    /// An event is longer than a line may be.
    #[error("event {sequence} is too long for a line of an export")]
    TooLong {
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
    reader: LogReader,
    checkpoint: &str,
    verifier: &LogVerifier,
    out: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<Exported, ExportError> {
    let signed = verifier.open(checkpoint)?;
    let state = log.open().await?;
    let held = state.last.map_or(0, Sequence::get);
    if held < signed.size {
        return Err(ExportError::Shorter { held, signed: signed.size });
    }
    let draft = Draft::beside(out)?;
    let head = ExportHead { log: state.identity, last: signed.size };
    let mut writer = offload(move || ExportWriter::create(draft, head)).await?;
    if let Some(last) = Sequence::new(signed.size) {
        let mut stretch = log.stretch(reader, None, last);
        while let Some(events) = stretch.next().await? {
            writer = offload(move || push(writer, &events)).await?;
            on_progress(writer.events(), signed.size);
        }
    }
    let signature = Signature { note: checkpoint.to_owned(), head: signed };
    offload(move || writer.finish(signature)).await
}

/// A checkpoint and what it says.
pub(crate) struct Signature {
    pub(crate) note: String,
    pub(crate) head: TreeHead,
}

fn push(mut writer: ExportWriter, events: &[RecordedEvent]) -> Result<ExportWriter, ExportError> {
    for event in events {
        writer.push(&event.into())?;
    }
    Ok(writer)
}
