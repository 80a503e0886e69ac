//! The lines of a backup's files.

use std::fs::File;
use std::io::{self, BufReader};
use std::marker::PhantomData;
use std::path::Path;

use super::{CHECKPOINTS_FILE, KEYS_FILE, KeyRecord, ReadBackupError, checkpoints};
use crate::lines::{LineError, LineReader};
use crate::written::FileSum;

/// What a file is made of, line by line.
pub(crate) trait LineOf: Sized {
    const FILE: &'static str;

    /// `None` for a line that is not in form.
    fn parse(line: &[u8]) -> Option<Self>;
}

impl LineOf for KeyRecord {
    const FILE: &'static str = KEYS_FILE;

    fn parse(line: &[u8]) -> Option<Self> {
        Self::parse(line)
    }
}

/// A signed note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note(pub(crate) String);

impl LineOf for Note {
    const FILE: &'static str = CHECKPOINTS_FILE;

    fn parse(line: &[u8]) -> Option<Self> {
        checkpoints::parse(line).map(Self)
    }
}

/// A file of such lines, read.
pub(crate) struct FileLines<L> {
    lines: LineReader<BufReader<File>>,
    made_of: PhantomData<fn() -> L>,
}

impl<L: LineOf> FileLines<L> {
    pub(crate) fn open(folder: &Path) -> Result<Self, ReadBackupError> {
        Ok(Self { lines: open(folder, L::FILE)?, made_of: PhantomData })
    }

    /// Shows every line with its number, and returns what the whole file holds.
    pub(super) fn read_all(
        mut self,
        mut show: impl FnMut(u64, L) -> Result<(), ReadBackupError>,
    ) -> Result<FileSum, ReadBackupError> {
        while let Some(line) = self.next_line()? {
            show(self.lines.number(), line)?;
        }
        Ok(self.lines.sum())
    }

    fn next_line(&mut self) -> Result<Option<L>, ReadBackupError> {
        if !advance(&mut self.lines, L::FILE)? {
            return Ok(None);
        }
        let not_in_form = ReadBackupError::NotInForm { file: L::FILE, line: self.lines.number() };
        L::parse(self.lines.line()).map(Some).ok_or(not_in_form)
    }
}

impl<L: LineOf> Iterator for FileLines<L> {
    type Item = Result<L, ReadBackupError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

pub(super) fn open(
    folder: &Path,
    file: &'static str,
) -> Result<LineReader<BufReader<File>>, ReadBackupError> {
    let opened = File::open(folder.join(file)).map_err(|source| unreadable(file, source))?;
    Ok(LineReader::new(BufReader::new(opened)))
}

pub(super) fn advance(
    lines: &mut LineReader<BufReader<File>>,
    file: &'static str,
) -> Result<bool, ReadBackupError> {
    lines.advance().map_err(|error| match error {
        LineError::File(source) => ReadBackupError::File { file, source },
        LineError::CutShort => ReadBackupError::CutShort { file },
        LineError::TooLong { line } => ReadBackupError::NotInForm { file, line },
    })
}

pub(super) fn unreadable(file: &'static str, source: io::Error) -> ReadBackupError {
    if source.kind() == io::ErrorKind::NotFound {
        ReadBackupError::Missing { file }
    } else {
        ReadBackupError::File { file, source }
    }
}
