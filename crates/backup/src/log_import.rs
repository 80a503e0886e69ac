//! Filling a log from an export.
//!
//! What the log holds already must be the export's own first events; then it goes on behind them, batch by batch, each
//! of which is stored whole or not at all. So an import that was killed is simply run again.

use std::path::Path;

use events::{CopiedEvent, Envelope, Log, LogError};
use jetstream::{AppendError, ReadError, ScanFrom};
use schemas::Sequence;
use tlog::LogVerifier;

use crate::blocking_progress::run_blocking_with_progress;
use crate::chunk_reader::{ChunkBounds, ChunkReader};
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::log_export::{ExportedEvent, LogExportReader, ReadLogExportError, verify_log_export};
use crate::progress_stage::ProgressStage;
use crate::retry::BoundedRetry;

/// "batch publish contains duplicate message id": a name stands twice, in this batch or within the duplicate window.
const ERR_DUPLICATE_ID: u64 = 10_201;

/// Why the log is not filled. What was appended stays: the same import goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export does not hold. Nothing was appended, unless it changed while it was read.
    #[error(transparent)]
    Export(#[from] ReadLogExportError),
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log holds other events.
    #[error("the log holds another event {sequence} than the export: it is another log, or one that went on")]
    LogMismatch {
        /// The first event that differs.
        sequence: Sequence,
    },
    /// Events can't be appended.
    #[error("the log can't be filled")]
    Append(#[from] AppendError),
}

impl ImportError {
    /// Whether another try may do.
    fn is_transient(&self) -> bool {
        match self {
            Self::Append(AppendError::Unavailable | AppendError::Unknown | AppendError::Conflict)
            | Self::Log(LogError::Read(ReadError::Unavailable)) => true,
            Self::Export(_)
            | Self::LogMismatch { .. }
            | Self::Append(AppendError::Refused { .. })
            | Self::Log(
                LogError::Missing
                | LogError::Invalid(_)
                | LogError::Read(ReadError::Refused { .. } | ReadError::Malformed),
            ) => false,
        }
    }
}

/// A log that holds an export's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Events that were there already.
    pub already_present: u64,
    /// Events that were appended.
    pub appended: u64,
}

/// Verifies a whole export and then appends its events to the log, which the owner alone may do. Nothing else may be
/// appended meanwhile.
///
/// A log that holds the first of these events is filled up; one that holds all of them, and maybe more, is left as it
/// is. `on_progress` is told how many events hold ([`ProgressStage::Verifying`]), and then how many the log holds
/// ([`ProgressStage::Events`]), of how many.
pub async fn import_events(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(ProgressStage, u64, u64),
) -> Result<ImportReport, ImportError> {
    let (path, by) = (file.to_owned(), verifier.clone());
    let verified = run_blocking_with_progress(
        move |on_progress| verify_log_export(&path, &by, on_progress),
        |done, of| on_progress(ProgressStage::Verifying, done, of),
    );
    verified.await?;
    append_missing(log, file, verifier, |done, of| on_progress(ProgressStage::Events, done, of)).await
}

/// Appends the events of an export that was verified.
pub(crate) async fn append_missing(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<ImportReport, ImportError> {
    let mut filling = LogImporter::start(log).await?;
    let mut batches = open_batches(file, verifier)?;
    let mut imported = ImportReport::default();
    while let Some(batch) = batches.chunks.next_chunk().await? {
        let held = filling.present_count(&batch) as u64;
        filling.ensure_stored(&batch).await?;
        imported.already_present += held;
        imported.appended += batch.len() as u64 - held;
        on_progress(imported.already_present + imported.appended, batches.events);
    }
    Ok(imported)
}

/// Holds what the log holds against an export that was verified. Appends nothing.
pub(crate) async fn compare_events(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<(), ImportError> {
    let filling = LogImporter::start(log).await?;
    let mut batches = open_batches(file, verifier)?;
    let of = filling.last.min(batches.events);
    while let Some(batch) = batches.chunks.next_chunk().await? {
        let held = &batch[..filling.present_count(&batch)];
        let Some(last) = held.last() else { break };
        filling.compare_batch(held).await?;
        on_progress(last.sequence.get(), of);
    }
    Ok(())
}

struct Batches {
    events: u64,
    chunks: ChunkReader<ExportedEvent, ReadLogExportError>,
}

fn open_batches(file: &Path, verifier: &LogVerifier) -> Result<Batches, ReadLogExportError> {
    // One short line is read here; the rest is read by a thread that may block.
    let reader = LogExportReader::open(file, verifier)?;
    let bounds = ChunkBounds {
        items_max: BATCH_EVENTS_MAX,
        bytes_max: BATCH_BYTES_MAX,
        item_bytes: |event: &ExportedEvent| event.bytes.len(),
    };
    Ok(Batches { events: reader.events(), chunks: ChunkReader::start(move || Ok(reader), bounds) })
}

/// A log being filled.
struct LogImporter<'l> {
    log: &'l Log,
    /// The last event that it was known to hold.
    last: u64,
}

impl<'l> LogImporter<'l> {
    async fn start(log: &'l Log) -> Result<Self, ImportError> {
        Ok(Self { log, last: last_sequence(log).await? })
    }

    /// How many of these events the log was known to hold.
    fn present_count(&self, batch: &[ExportedEvent]) -> usize {
        batch.partition_point(|event| event.sequence.get() <= self.last)
    }

    /// Sees that the log holds these events.
    async fn ensure_stored(&mut self, batch: &[ExportedEvent]) -> Result<(), ImportError> {
        let mut tries = BoundedRetry::new();
        let mut names = MessageIds::Keep;
        loop {
            let trouble = match self.try_append(batch, names).await {
                Ok(()) => return Ok(()),
                Err(ImportError::Append(AppendError::Refused { code: ERR_DUPLICATE_ID, .. }))
                    if names == MessageIds::Keep =>
                {
                    names = MessageIds::Omit;
                    continue;
                }
                Err(error) if error.is_transient() => error,
                Err(error) => return Err(error),
            };
            // The batch may have been stored, and may still be under way: the log itself will tell.
            if !tries.wait_for_next().await {
                return Err(trouble);
            }
            match last_sequence(self.log).await {
                Ok(last) => self.last = last,
                Err(error) if error.is_transient() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn try_append(&mut self, batch: &[ExportedEvent], names: MessageIds) -> Result<(), ImportError> {
        let (held, rest) = batch.split_at(self.present_count(batch));
        self.compare_batch(held).await?;
        let Some(end) = rest.last() else { return Ok(()) };
        let copies: Vec<_> = rest.iter().map(|event| to_copied_event(event, names)).collect();
        self.log.append_copies(Sequence::new(self.last), &copies).await?;
        self.last = end.sequence.get();
        Ok(())
    }

    async fn compare_batch(&self, mut held: &[ExportedEvent]) -> Result<(), ImportError> {
        while let Some(first) = held.first() {
            let found = self.log.scan(ScanFrom::Sequence(first.sequence.get()), None).await?;
            // It says that it holds them: whoever answered is behind.
            if found.is_empty() {
                return Err(LogError::Read(ReadError::Unavailable).into());
            }
            for (event, found) in held.iter().zip(&found) {
                let is_same = found.sequence() == event.sequence
                    && found.subject() == event.subject
                    && found.bytes() == event.bytes;
                if !is_same {
                    return Err(ImportError::LogMismatch { sequence: event.sequence });
                }
            }
            held = &held[found.len().min(held.len())..];
        }
        Ok(())
    }
}

/// Whether copies go by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum MessageIds {
    Keep,
    Omit,
}

fn to_copied_event(event: &ExportedEvent, names: MessageIds) -> CopiedEvent {
    let id = match names {
        MessageIds::Keep => Envelope::read_header(&event.bytes).ok().map(|head| head.id),
        MessageIds::Omit => None,
    };
    CopiedEvent { subject: event.subject.clone(), id, bytes: event.bytes.clone() }
}

async fn last_sequence(log: &Log) -> Result<u64, ImportError> {
    Ok(log.open().await?.last.map_or(0, Sequence::get))
}
