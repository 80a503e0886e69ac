//! Failures of making and of reading a backup.

use std::io;

use jetstream::ReadError;
use tlog::CheckpointError;

use super::layout::{CHECKPOINTS_FILE, EVENTS_FILE, MANIFEST_FILE};
use crate::hashed_file::FileError;
use crate::log_export::{LogExportError, ReadLogExportError};

/// Failure to make a backup. The files written so far are left as `<folder>.draft`; the next backup is written over it.
#[derive(Debug, thiserror::Error)]
pub enum CreateBackupError {
    /// The events can't be exported.
    #[error(transparent)]
    Export(#[from] LogExportError),
    /// The export was written, and reading it back failed.
    #[error("the export that was just written does not hold")]
    ReadBack(#[from] ReadLogExportError),
    /// The keys' stream can't be read.
    #[error("the keys' stream can't be read")]
    ReadKeys(#[source] ReadError),
    /// There is no keys' stream.
    #[error("there is no stream of keys here")]
    KeysStreamMissing,
    /// A record stands under a subject that no message can be put back under.
    #[error("record {sequence} of the keys' stream is not one that can be put back")]
    UnrestorableKey {
        /// Its sequence.
        sequence: u64,
    },
    /// The keys' stream does not come to rest, or a replica stays behind.
    #[error("the keys' stream changes faster than it can be copied, or a replica of it is behind; try again")]
    KeysUnstable,
    /// The stream of checkpoints can't be read.
    #[error("the checkpoints can't be read")]
    ReadCheckpoints(#[source] ReadError),
    /// A checkpoint in the stream is not the notary's.
    #[error("checkpoint {number} does not hold")]
    InvalidCheckpoint {
        /// Its sequence in the stream.
        number: u64,
        /// Why.
        source: CheckpointError,
    },
    /// The checkpoint that signs the events is not in the stream.
    #[error("the checkpoint that signs the events is not in the stream of checkpoints")]
    CheckpointMissing,
    /// A file can't be written, or there is a folder of this name already.
    #[error(transparent)]
    File(#[from] FileError),
}

/// Failure to read or verify a backup.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackupError {
    /// A file is not there.
    #[error("{file} is missing")]
    MissingFile {
        /// Name of the file.
        file: &'static str,
    },
    /// A file can't be read.
    #[error("{file} can't be read")]
    File {
        /// Name of the file.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file's end is missing.
    #[error("{file} was cut short")]
    Truncated {
        /// Name of the file.
        file: &'static str,
    },
    /// A line has not the form that is written.
    #[error("line {line} of {file} is not in form")]
    MalformedLine {
        /// Name of the file.
        file: &'static str,
        /// Number of the line, from 1.
        line: u64,
    },
    /// A file differs from the one that was written.
    #[error("{file} was changed: its SHA-256 or its number of lines is not the one in {MANIFEST_FILE}")]
    DigestMismatch {
        /// Name of the file.
        file: &'static str,
    },
    /// Another version wrote the backup.
    #[error("the backup is of format {found}, which is not known here")]
    UnsupportedVersion {
        /// The format that it names.
        found: u64,
    },
    /// The export of the events is invalid.
    #[error("{EVENTS_FILE} does not hold")]
    InvalidExport(#[source] ReadLogExportError),
    /// A checkpoint is forged, or of another log.
    #[error("the checkpoint in line {line} of {CHECKPOINTS_FILE} does not hold")]
    InvalidCheckpoint {
        /// Number of the line, from 1.
        line: u64,
        /// Why.
        source: CheckpointError,
    },
    /// The files are of different backups.
    #[error("{file} is of another backup than the rest")]
    BackupMismatch {
        /// The file that does not belong.
        file: &'static str,
    },
}
