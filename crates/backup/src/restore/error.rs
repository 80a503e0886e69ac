//! Failure to restore a backup.

use jetstream::{AppendError, ReadError};

use crate::backup_folder::ReadBackupError;
use crate::log_import::ImportError;

/// Failure to restore a backup. What was restored stays; a second run continues after it.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The backup is invalid. Nothing was restored, unless it changed while it was read.
    #[error(transparent)]
    Backup(#[from] ReadBackupError),
    /// The log is another one, or can't be filled.
    #[error(transparent)]
    Events(#[from] ImportError),
    /// The keys' stream can't be read.
    #[error("the keys' stream can't be read")]
    ReadKeys(#[source] ReadError),
    /// A record can't be appended.
    #[error("the keys' stream can't be filled")]
    AppendKeys(#[source] AppendError),
    /// The target has another record.
    #[error("{subject} is there with another record than in the backup")]
    KeyConflict {
        /// Subject of the record.
        subject: String,
    },
    /// The stream of checkpoints can't be read.
    #[error("the checkpoints can't be read")]
    ReadCheckpoints(#[source] ReadError),
    /// A checkpoint can't be appended.
    #[error("the stream of checkpoints can't be filled")]
    AppendCheckpoints(#[source] AppendError),
    /// The target has other checkpoints.
    #[error("checkpoint {number} is there and is another one than in the backup")]
    CheckpointConflict {
        /// The first that differs, from 1.
        number: u64,
    },
}
