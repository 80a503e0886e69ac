//! A file being written line by line, with its sum.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

/// A file can't be written or read.
#[derive(Debug, thiserror::Error)]
#[error("{} can't be written or read", path.display())]
pub struct FileError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

impl FileError {
    /// To be mapped over what can fail at this path.
    pub(crate) fn with_path(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self { path: path.to_owned(), source }
    }
}

/// What a file of lines holds, in short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FileDigest {
    pub(crate) lines: u64,
    /// Over all bytes, in lowercase hexadecimal digits.
    pub(crate) sha256: String,
}

/// The sum as text.
pub(crate) fn hex_digest(sum: &Sha256) -> String {
    HEXLOWER.encode(&sum.clone().finalize())
}

/// A file of mode 0600 being written.
pub(crate) struct HashedFileWriter {
    file: BufWriter<File>,
    path: PathBuf,
    hasher: Sha256,
    lines: u64,
}

impl HashedFileWriter {
    /// Begins, over whatever is there.
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(FileError::with_path(path))?;
        Ok(Self { file: BufWriter::new(file), path: path.to_owned(), hasher: Sha256::new(), lines: 0 })
    }

    /// Appends a line, which holds no line feed.
    pub(crate) fn line(&mut self, line: &[u8]) -> Result<(), FileError> {
        let written = self.file.write_all(line).and_then(|()| self.file.write_all(b"\n"));
        written.map_err(FileError::with_path(&self.path))?;
        self.hasher.update(line);
        self.hasher.update(b"\n");
        self.lines += 1;
        Ok(())
    }

    /// The sum over what was written until now.
    pub(crate) fn sha256(&self) -> String {
        hex_digest(&self.hasher)
    }

    /// Returns when the file is on stable storage.
    pub(crate) fn finish(mut self) -> Result<FileDigest, FileError> {
        let synced = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        synced.map_err(FileError::with_path(&self.path))?;
        Ok(FileDigest { lines: self.lines, sha256: hex_digest(&self.hasher) })
    }
}

/// Makes what was created or renamed in this folder outlive a loss of power.
pub(crate) fn sync_directory(folder: &Path) -> Result<(), FileError> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::with_path(folder))
}
