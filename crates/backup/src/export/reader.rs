//! Reading an export, and holding it against what was signed.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use tlog::{CheckpointError, Frontier, Hash, LogVerifier, TreeHead};

use super::Exported;
use super::line::{BadHead, ExportHead, ExportedEvent, MANIFEST_BEGINS, Manifest, NotInForm};
use crate::limits::{LINE_BYTES_MAX, PROGRESS_EVENTS};
use crate::lines::{LineError, LineReader};
use crate::written::FileSum;

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum ReadExportError {
    /// It can't be read at all.
    #[error("the export can't be read")]
    File(#[from] io::Error),
    /// Its end is missing.
    #[error("the export was cut short: its manifest, the last line, is missing or not whole")]
    CutShort,
    /// Something follows its end.
    #[error("the export goes on behind its manifest, which is the last line")]
    GoesOn,
    /// A line is not one that an export has.
    #[error("line {line} is not in the form of an export")]
    NotInForm {
        /// Which line, from 1.
        line: u64,
    },
    /// A line is longer than any that is written.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    TooLong {
        /// Which line, from 1.
        line: u64,
    },
    /// An event is not where it should be.
    #[error("event {sequence} is missing")]
    Missing {
        /// Which one; the first, where there are more.
        sequence: u64,
    },
    /// An event is there again, or stands behind a later one.
    #[error("event {sequence} is there twice, or behind a later one")]
    Repeated {
        /// Which one.
        sequence: u64,
    },
    /// Another version wrote it.
    #[error("the export is of format {found}, which is not known here")]
    Version {
        /// The format that it says it is of.
        found: u64,
    },
    /// It is not what was written.
    #[error("the export was damaged: its SHA-256 is not the manifest's")]
    Damaged,
    /// Somebody changed it and made its sums anew.
    #[error("the export was changed: its events are not what the notary signed")]
    NotWhatWasSigned,
    /// What should sign it is forged, or another log's.
    #[error("the export's checkpoint does not hold")]
    Checkpoint(#[source] CheckpointError),
}

impl From<LineError> for ReadExportError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::File(error) => Self::File(error),
            LineError::CutShort => Self::CutShort,
            LineError::TooLong { line } => Self::TooLong { line },
        }
    }
}

/// The events of an export, in order.
///
/// Nobody has vouched for any of them before the end was reached without an error: use [`verify_export`] first. This
/// verifies again on the way.
pub struct ExportReader {
    lines: LineReader<BufReader<File>>,
    verifier: LogVerifier,
    head: ExportHead,
    tree: Frontier,
    verified: Option<(Exported, FileSum)>,
    is_over: bool,
}

impl ExportReader {
    /// Opens an export of the log whose public key this is.
    pub fn open(file: &Path, verifier: &LogVerifier) -> Result<Self, ReadExportError> {
        let mut lines = LineReader::new(BufReader::new(File::open(file)?));
        if !lines.advance()? {
            return Err(ReadExportError::CutShort);
        }
        let head = ExportHead::parse(lines.line()).map_err(|error| match error {
            BadHead::NotInForm => ReadExportError::NotInForm { line: 1 },
            BadHead::Version(found) => ReadExportError::Version { found },
        })?;
        let (verifier, tree) = (verifier.clone(), Frontier::default());
        Ok(Self { lines, verifier, head, tree, verified: None, is_over: false })
    }

    /// How many events there are, as the first line says.
    pub fn events(&self) -> u64 {
        self.head.last
    }

    /// What the export is: behind its last event, where everything holds.
    pub fn verified(&self) -> Option<&Exported> {
        self.verified.as_ref().map(|(exported, _)| exported)
    }

    /// The next event; `None` at the end, where everything holds.
    pub fn next_event(&mut self) -> Result<Option<ExportedEvent>, ReadExportError> {
        if self.verified.is_some() {
            return Ok(None);
        }
        if !self.lines.advance()? {
            return Err(ReadExportError::CutShort);
        }
        if self.lines.line().starts_with(MANIFEST_BEGINS) {
            self.verified = Some(self.end()?);
            return Ok(None);
        }
        let not_in_form = ReadExportError::NotInForm { line: self.lines.number() };
        let Ok(event) = ExportedEvent::parse(self.lines.line()) else { return Err(not_in_form) };
        let (found, expected) = (event.sequence.get(), self.tree.size() + 1);
        match found.cmp(&expected) {
            Ordering::Greater => return Err(ReadExportError::Missing { sequence: expected }),
            Ordering::Less => return Err(ReadExportError::Repeated { sequence: found }),
            Ordering::Equal if found > self.head.last => return Err(not_in_form),
            Ordering::Equal => self.tree.push(Hash::of_leaf(&event.bytes)),
        }
        Ok(Some(event))
    }

    /// What the whole file holds; at the end only.
    pub(crate) fn into_verified(self) -> Option<(Exported, FileSum)> {
        self.verified
    }

    fn end(&mut self) -> Result<(Exported, FileSum), ReadExportError> {
        let not_in_form = |line| move |NotInForm| ReadExportError::NotInForm { line };
        let manifest = Manifest::parse(self.lines.line()).map_err(not_in_form(self.lines.number()))?;
        let sha256 = self.lines.sha256_before();
        match self.lines.advance() {
            Ok(false) => {}
            Ok(true) | Err(LineError::CutShort | LineError::TooLong { .. }) => {
                return Err(ReadExportError::GoesOn);
            }
            Err(LineError::File(error)) => return Err(error.into()),
        }
        if self.tree.size() < self.head.last {
            return Err(ReadExportError::Missing { sequence: self.tree.size() + 1 });
        }
        if manifest.sha256 != sha256 {
            return Err(ReadExportError::Damaged);
        }
        let signed = self.verifier.open(&manifest.checkpoint).map_err(ReadExportError::Checkpoint)?;
        let found = TreeHead { size: self.tree.size(), root: self.tree.root() };
        let claimed = TreeHead { size: manifest.events, root: manifest.root };
        if found != signed || claimed != signed {
            return Err(ReadExportError::NotWhatWasSigned);
        }
        let exported = Exported {
            log: self.head.log.clone(),
            events: signed.size,
            root: signed.root,
            checkpoint: manifest.checkpoint,
        };
        Ok((exported, self.lines.sum()))
    }
}

impl Iterator for ExportReader {
    type Item = Result<ExportedEvent, ReadExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        let next = self.next_event().transpose();
        self.is_over = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Verifies a whole export by the public key of the log's notary. Memory does not grow with the file.
///
/// `on_progress` is told how many events hold, of how many. Blocks for as long as reading takes.
pub fn verify_export(
    file: &Path,
    verifier: &LogVerifier,
    on_progress: impl FnMut(u64, u64),
) -> Result<Exported, ReadExportError> {
    verify_summed(file, verifier, on_progress).map(|(exported, _)| exported)
}

/// The same, with what the file holds.
pub(crate) fn verify_summed(
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<(Exported, FileSum), ReadExportError> {
    let mut reader = ExportReader::open(file, verifier)?;
    while let Some(event) = reader.next_event()? {
        let done = event.sequence.get();
        if done.is_multiple_of(PROGRESS_EVENTS) || done == reader.events() {
            on_progress(done, reader.events());
        }
    }
    Ok(reader
        .into_verified()
        .unwrap_or_else(|| unreachable!("BUG: the end was reached, and nothing verified")))
}
