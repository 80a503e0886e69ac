//! Filling a log from an export.
//!
//! What the log holds already must be the export's own first events; then it goes on behind them, batch by batch, each
//! of which is stored whole or not at all. So an import that was killed is simply run again.

use std::path::Path;

use events::{CopiedEvent, Envelope, Log, LogError};
use jetstream::{AppendError, ReadError, ScanFrom};
use schemas::Sequence;
use tlog::LogVerifier;

use crate::chunks::{ChunkBounds, Chunks};
use crate::export::{ExportReader, ExportedEvent, ReadExportError, verify_export};
use crate::limits::{BATCH_BYTES_MAX, BATCH_EVENTS_MAX};
use crate::offload::offload_told;
use crate::stage::Stage;
use crate::tries::Tries;

/// "batch publish contains duplicate message id": a name stands twice, in this batch or within the duplicate window.
const ERR_DUPLICATE_ID: u64 = 10_201;

/// Why the log is not filled. What was appended stays: the same import goes on behind it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The export does not hold. Nothing was appended, unless it changed while it was read.
    #[error(transparent)]
    Export(#[from] ReadExportError),
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log holds other events.
    #[error("the log holds another event {sequence} than the export: it is another log, or one that went on")]
    OtherLog {
        /// The first event that differs.
        sequence: Sequence,
    },
    /// Events can't be appended.
    #[error("the log can't be filled")]
    Append(#[from] AppendError),
}

impl ImportError {
    /// Whether another try may do.
    fn is_passing(&self) -> bool {
        match self {
            Self::Append(AppendError::Unavailable | AppendError::Unknown | AppendError::Conflict)
            | Self::Log(LogError::Read(ReadError::Unavailable)) => true,
            Self::Export(_)
            | Self::OtherLog { .. }
            | Self::Append(AppendError::Refused { .. })
            | Self::Log(
                LogError::Missing
                | LogError::Broken(_)
                | LogError::Read(ReadError::Refused { .. } | ReadError::Malformed),
            ) => false,
        }
    }
}

/// A log that holds an export's events.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Events that were there already.
    pub held: u64,
    /// Events that were appended.
    pub appended: u64,
}

/// Verifies a whole export and then appends its events to the log, which the owner alone may do. Nothing else may be
/// appended meanwhile.
///
/// A log that holds the first of these events is filled up; one that holds all of them, and maybe more, is left as it
/// is. `on_progress` is told how many events hold ([`Stage::Verifying`]), and then how many the log holds
/// ([`Stage::Events`]), of how many.
pub async fn import_events(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(Stage, u64, u64),
) -> Result<Imported, ImportError> {
    let (path, by) = (file.to_owned(), verifier.clone());
    let verified = offload_told(
        move |on_progress| verify_export(&path, &by, on_progress),
        |done, of| on_progress(Stage::Verifying, done, of),
    );
    verified.await?;
    fill(log, file, verifier, |done, of| on_progress(Stage::Events, done, of)).await
}

/// Appends the events of an export that was verified.
pub(crate) async fn fill(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<Imported, ImportError> {
    let mut filling = Filling::begin(log).await?;
    let mut batches = batches(file, verifier)?;
    let mut imported = Imported::default();
    while let Some(batch) = batches.chunks.next().await? {
        let held = filling.held(&batch) as u64;
        filling.settle(&batch).await?;
        imported.held += held;
        imported.appended += batch.len() as u64 - held;
        on_progress(imported.held + imported.appended, batches.events);
    }
    Ok(imported)
}

/// Holds what the log holds against an export that was verified. Appends nothing.
pub(crate) async fn compare(
    log: &Log,
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<(), ImportError> {
    let filling = Filling::begin(log).await?;
    let mut batches = batches(file, verifier)?;
    let of = filling.last.min(batches.events);
    while let Some(batch) = batches.chunks.next().await? {
        let held = &batch[..filling.held(&batch)];
        let Some(last) = held.last() else { break };
        filling.compare(held).await?;
        on_progress(last.sequence.get(), of);
    }
    Ok(())
}

struct Batches {
    events: u64,
    chunks: Chunks<ExportedEvent, ReadExportError>,
}

fn batches(file: &Path, verifier: &LogVerifier) -> Result<Batches, ReadExportError> {
    // One short line is read here; the rest is read by a thread that may block.
    let reader = ExportReader::open(file, verifier)?;
    let bounds = ChunkBounds {
        items_max: BATCH_EVENTS_MAX,
        bytes_max: BATCH_BYTES_MAX,
        bytes_of: |event: &ExportedEvent| event.bytes.len(),
    };
    Ok(Batches { events: reader.events(), chunks: Chunks::read(move || Ok(reader), bounds) })
}

/// A log being filled.
struct Filling<'l> {
    log: &'l Log,
    /// The last event that it was known to hold.
    last: u64,
}

impl<'l> Filling<'l> {
    async fn begin(log: &'l Log) -> Result<Self, ImportError> {
        Ok(Self { log, last: last(log).await? })
    }

    /// How many of these events the log was known to hold.
    fn held(&self, batch: &[ExportedEvent]) -> usize {
        batch.partition_point(|event| event.sequence.get() <= self.last)
    }

    /// Sees that the log holds these events.
    async fn settle(&mut self, batch: &[ExportedEvent]) -> Result<(), ImportError> {
        let mut tries = Tries::new();
        let mut names = Names::Kept;
        loop {
            let trouble = match self.attempt(batch, names).await {
                Ok(()) => return Ok(()),
                Err(ImportError::Append(AppendError::Refused { code: ERR_DUPLICATE_ID, .. }))
                    if names == Names::Kept =>
                {
                    names = Names::Left;
                    continue;
                }
                Err(error) if error.is_passing() => error,
                Err(error) => return Err(error),
            };
            // The batch may have been stored, and may still be under way: the log itself will tell.
            if !tries.again().await {
                return Err(trouble);
            }
            match last(self.log).await {
                Ok(last) => self.last = last,
                Err(error) if error.is_passing() => {}
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(&mut self, batch: &[ExportedEvent], names: Names) -> Result<(), ImportError> {
        let (held, rest) = batch.split_at(self.held(batch));
        self.compare(held).await?;
        let Some(end) = rest.last() else { return Ok(()) };
        let copies: Vec<_> = rest.iter().map(|event| copy(event, names)).collect();
        self.log.append_copies(Sequence::new(self.last), &copies).await?;
        self.last = end.sequence.get();
        Ok(())
    }

    async fn compare(&self, mut held: &[ExportedEvent]) -> Result<(), ImportError> {
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
                    return Err(ImportError::OtherLog { sequence: event.sequence });
                }
            }
            held = &held[found.len().min(held.len())..];
        }
        Ok(())
    }
}

/// Whether copies go by their names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Names {
    Kept,
    Left,
}

fn copy(event: &ExportedEvent, names: Names) -> CopiedEvent {
    let id = match names {
        Names::Kept => Envelope::read_head(&event.bytes).ok().map(|head| head.id),
        Names::Left => None,
    };
    CopiedEvent { subject: event.subject.clone(), id, bytes: event.bytes.clone() }
}

async fn last(log: &Log) -> Result<u64, ImportError> {
    Ok(log.open().await?.last.map_or(0, Sequence::get))
}
