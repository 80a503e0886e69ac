//! The export of the log: one text file, format 1, of lines of JSON (NDJSON).
//!
//! ```text
//! {"syncwell_export":1,"log":"<identity>","first":1,"last":2}
//! {"sequence":1,"subject":"events.v1.7.…","stored_at":"…","event":{…}}
//! {"sequence":2,"subject":"events.v1.9.…","stored_at":"…","bytes_base64":"…"}
//! {"manifest":{"events":2,"sha256":"…","root":"…","checkpoint":"…"}}
//! ```
//!
//! Every line is as [`mod@line`] renders it, byte for byte, and ends in a line feed. What signs the file is the notary's
//! signature in the checkpoint, whose size and root are those of the events.

mod error;
pub(crate) mod line;
mod reader;
mod summary;
mod writer;

use std::path::Path;

use events::{Log, LogConsumerName, RecordedEvent};
use schemas::Sequence;
use tlog::LogVerifier;

pub use error::LogExportError;
pub use line::ExportedEvent;
pub(crate) use reader::verify_with_digest;
pub use reader::{LogExportReader, ReadLogExportError, verify_log_export};

use crate::staged_path::StagedPath;
use line::ExportHeader;
use runtime::run_blocking;
pub use summary::LogExport;
pub(crate) use summary::SignedCheckpoint;
pub(crate) use writer::LogExportWriter;

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

fn push_events(
    mut writer: LogExportWriter,
    events: &[RecordedEvent],
) -> Result<LogExportWriter, LogExportError> {
    for event in events {
        writer.push(&event.into())?;
    }
    Ok(writer)
}
