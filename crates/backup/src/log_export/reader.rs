//! Reading an export, and holding it against what was signed.

use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use tlog::{CheckpointError, Frontier, Hash, LogVerifier, TreeHead};

use super::line::{
    ExportHeader, ExportManifest, ExportedEvent, MANIFEST_PREFIX, MalformedLine, ParseHeaderError,
};
use super::summary::LogExport;
use crate::hashed_file::FileDigest;
use crate::limits::{LINE_BYTES_MAX, PROGRESS_INTERVAL_EVENTS};
use crate::line_reader::{LineError, LineReader};

/// What is wrong with an export.
#[derive(Debug, thiserror::Error)]
pub enum ReadLogExportError {
    /// It can't be read at all.
    #[error("the export can't be read")]
    File(#[from] io::Error),
    /// Its end is missing.
    #[error("the export was cut short: its manifest, the last line, is missing or not whole")]
    Truncated,
    /// Something follows its end.
    #[error("the export goes on behind its manifest, which is the last line")]
    TrailingData,
    /// A line is not one that an export has.
    #[error("line {line} is not in the form of an export")]
    MalformedLine {
        /// Which line, from 1.
        line: u64,
    },
    /// A line is longer than any that is written.
    #[error("line {line} is longer than {LINE_BYTES_MAX} bytes")]
    LineTooLong {
        /// Which line, from 1.
        line: u64,
    },
    /// An event is not where it should be.
    #[error("event {sequence} is missing")]
    MissingEvent {
        /// Which one; the first, where there are more.
        sequence: u64,
    },
    /// An event is there again, or stands behind a later one.
    #[error("event {sequence} is there twice, or behind a later one")]
    RepeatedEvent {
        /// Which one.
        sequence: u64,
    },
    /// Another version wrote it.
    #[error("the export is of format {found}, which is not known here")]
    UnsupportedVersion {
        /// The format that it says it is of.
        found: u64,
    },
    /// It is not what was written.
    #[error("the export was damaged: its SHA-256 is not the manifest's")]
    DigestMismatch,
    /// Somebody changed it and made its sums anew.
    #[error("the export was changed: its events are not what the notary signed")]
    RootMismatch,
    /// What should sign it is forged, or another log's.
    #[error("the export's checkpoint does not hold")]
    InvalidCheckpoint(#[source] CheckpointError),
}

impl From<LineError> for ReadLogExportError {
    fn from(error: LineError) -> Self {
        match error {
            LineError::File(error) => Self::File(error),
            LineError::Truncated => Self::Truncated,
            LineError::LineTooLong { line } => Self::LineTooLong { line },
        }
    }
}

/// The events of an export, in order.
///
/// Nobody has vouched for any of them before the end was reached without an error: use [`verify_log_export`] first. This
/// verifies again on the way.
pub struct LogExportReader {
    lines: LineReader<BufReader<File>>,
    verifier: LogVerifier,
    head: ExportHeader,
    tree: Frontier,
    verified: Option<(LogExport, FileDigest)>,
    is_finished: bool,
}

impl LogExportReader {
    /// Opens an export of the log whose public key this is.
    pub fn open(file: &Path, verifier: &LogVerifier) -> Result<Self, ReadLogExportError> {
        let mut lines = LineReader::new(BufReader::new(File::open(file)?));
        if !lines.advance()? {
            return Err(ReadLogExportError::Truncated);
        }
        let head = ExportHeader::parse(lines.line()).map_err(|error| match error {
            ParseHeaderError::Malformed => ReadLogExportError::MalformedLine { line: 1 },
            ParseHeaderError::UnsupportedVersion(found) => ReadLogExportError::UnsupportedVersion { found },
        })?;
        let (verifier, tree) = (verifier.clone(), Frontier::default());
        Ok(Self { lines, verifier, head, tree, verified: None, is_finished: false })
    }

    /// How many events there are, as the first line says.
    pub fn events(&self) -> u64 {
        self.head.last
    }

    /// What the export is: behind its last event, where everything holds.
    pub fn verified(&self) -> Option<&LogExport> {
        self.verified.as_ref().map(|(exported, _)| exported)
    }

    /// The next event; `None` at the end, where everything holds.
    pub fn next_event(&mut self) -> Result<Option<ExportedEvent>, ReadLogExportError> {
        if self.verified.is_some() {
            return Ok(None);
        }
        if !self.lines.advance()? {
            return Err(ReadLogExportError::Truncated);
        }
        if self.lines.line().starts_with(MANIFEST_PREFIX) {
            self.verified = Some(self.verify_end()?);
            return Ok(None);
        }
        let not_in_form = ReadLogExportError::MalformedLine { line: self.lines.number() };
        let Ok(event) = ExportedEvent::parse(self.lines.line()) else { return Err(not_in_form) };
        let (found, expected) = (event.sequence.get(), self.tree.size() + 1);
        match found.cmp(&expected) {
            Ordering::Greater => return Err(ReadLogExportError::MissingEvent { sequence: expected }),
            Ordering::Less => return Err(ReadLogExportError::RepeatedEvent { sequence: found }),
            Ordering::Equal if found > self.head.last => return Err(not_in_form),
            Ordering::Equal => self.tree.push(Hash::from_leaf(&event.bytes)),
        }
        Ok(Some(event))
    }

    /// What the whole file holds; at the end only.
    pub(crate) fn into_verified(self) -> Option<(LogExport, FileDigest)> {
        self.verified
    }

    fn verify_end(&mut self) -> Result<(LogExport, FileDigest), ReadLogExportError> {
        let not_in_form = |line| move |MalformedLine| ReadLogExportError::MalformedLine { line };
        let manifest = ExportManifest::parse(self.lines.line()).map_err(not_in_form(self.lines.number()))?;
        let sha256 = self.lines.sha256_before();
        match self.lines.advance() {
            Ok(false) => {}
            Ok(true) | Err(LineError::Truncated | LineError::LineTooLong { .. }) => {
                return Err(ReadLogExportError::TrailingData);
            }
            Err(LineError::File(error)) => return Err(error.into()),
        }
        if self.tree.size() < self.head.last {
            return Err(ReadLogExportError::MissingEvent { sequence: self.tree.size() + 1 });
        }
        if manifest.sha256 != sha256 {
            return Err(ReadLogExportError::DigestMismatch);
        }
        let signed = self
            .verifier
            .open_checkpoint(&manifest.checkpoint)
            .map_err(ReadLogExportError::InvalidCheckpoint)?;
        let found = TreeHead { size: self.tree.size(), root: self.tree.root() };
        let claimed = TreeHead { size: manifest.events, root: manifest.root };
        if found != signed || claimed != signed {
            return Err(ReadLogExportError::RootMismatch);
        }
        let exported = LogExport {
            log: self.head.log.clone(),
            events: signed.size,
            root: signed.root,
            checkpoint: manifest.checkpoint,
        };
        Ok((exported, self.lines.digest()))
    }
}

impl Iterator for LogExportReader {
    type Item = Result<ExportedEvent, ReadLogExportError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_finished {
            return None;
        }
        let next = self.next_event().transpose();
        self.is_finished = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Verifies a whole export by the public key of the log's notary. Memory does not grow with the file.
///
/// `on_progress` is told how many events hold, of how many. Blocks for as long as reading takes.
pub fn verify_log_export(
    file: &Path,
    verifier: &LogVerifier,
    on_progress: impl FnMut(u64, u64),
) -> Result<LogExport, ReadLogExportError> {
    verify_with_digest(file, verifier, on_progress).map(|(exported, _)| exported)
}

/// The same, with what the file holds.
pub(crate) fn verify_with_digest(
    file: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<(LogExport, FileDigest), ReadLogExportError> {
    let mut reader = LogExportReader::open(file, verifier)?;
    while let Some(event) = reader.next_event()? {
        let done = event.sequence.get();
        if done.is_multiple_of(PROGRESS_INTERVAL_EVENTS) || done == reader.events() {
            on_progress(done, reader.events());
        }
    }
    Ok(reader
        .into_verified()
        .unwrap_or_else(|| unreachable!("BUG: the end was reached, and nothing verified")))
}
