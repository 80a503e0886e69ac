//! The lines of a backup's files.

use std::fs::File;
use std::io::{self, BufReader};
use std::marker::PhantomData;
use std::path::Path;

use super::checkpoints;
use super::error::ReadBackupError;
use super::keys::KeyRecord;
use super::layout::{CHECKPOINTS_FILE, KEYS_FILE};
use crate::hashed_file::FileDigest;
use crate::line_reader::{LineError, LineReader};

/// What a file is made of, line by line.
pub(crate) trait BackupLine: Sized {
    const FILE: &'static str;

    /// `None` for a line that is not in form.
    fn parse(line: &[u8]) -> Option<Self>;
}

impl BackupLine for KeyRecord {
    const FILE: &'static str = KEYS_FILE;

    fn parse(line: &[u8]) -> Option<Self> {
        Self::parse(line)
    }
}

/// A signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SignedNote(pub(crate) String);

impl BackupLine for SignedNote {
    const FILE: &'static str = CHECKPOINTS_FILE;

    fn parse(line: &[u8]) -> Option<Self> {
        checkpoints::parse_checkpoint(line).map(Self)
    }
}

/// A file of such lines, read.
pub(crate) struct BackupLines<L> {
    lines: LineReader<BufReader<File>>,
    line_type: PhantomData<fn() -> L>,
}

impl<L: BackupLine> BackupLines<L> {
    pub(crate) fn open(folder: &Path) -> Result<Self, ReadBackupError> {
        Ok(Self { lines: open_lines(folder, L::FILE)?, line_type: PhantomData })
    }

    /// Shows every line with its number, and returns what the whole file holds.
    pub(super) fn read_all(
        mut self,
        mut show: impl FnMut(u64, L) -> Result<(), ReadBackupError>,
    ) -> Result<FileDigest, ReadBackupError> {
        while let Some(line) = self.next_line()? {
            show(self.lines.number(), line)?;
        }
        Ok(self.lines.digest())
    }

    fn next_line(&mut self) -> Result<Option<L>, ReadBackupError> {
        if !advance_line(&mut self.lines, L::FILE)? {
            return Ok(None);
        }
        let not_in_form = ReadBackupError::MalformedLine { file: L::FILE, line: self.lines.number() };
        L::parse(self.lines.line()).map(Some).ok_or(not_in_form)
    }
}

impl<L: BackupLine> Iterator for BackupLines<L> {
    type Item = Result<L, ReadBackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

pub(super) fn open_lines(
    folder: &Path,
    file: &'static str,
) -> Result<LineReader<BufReader<File>>, ReadBackupError> {
    let opened = File::open(folder.join(file)).map_err(|source| file_error(file, source))?;
    Ok(LineReader::new(BufReader::new(opened)))
}

pub(super) fn advance_line(
    lines: &mut LineReader<BufReader<File>>,
    file: &'static str,
) -> Result<bool, ReadBackupError> {
    lines.advance().map_err(|error| match error {
        LineError::File(source) => ReadBackupError::File { file, source },
        LineError::Truncated => ReadBackupError::Truncated { file },
        LineError::LineTooLong { line } => ReadBackupError::MalformedLine { file, line },
    })
}

pub(super) fn file_error(file: &'static str, source: io::Error) -> ReadBackupError {
    if source.kind() == io::ErrorKind::NotFound {
        ReadBackupError::MissingFile { file }
    } else {
        ReadBackupError::File { file, source }
    }
}
