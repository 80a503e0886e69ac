//! Failure to export the log.

use events::{LogError, ReadRangeError};
use jetstream::INCIDENT_ADVICE;
use schemas::Sequence;
use tlog::CheckpointError;

use crate::hashed_file::FileError;

/// Failure to export the log. No file is left.
#[derive(Debug, thiserror::Error)]
pub enum LogExportError {
    /// The checkpoint is not signed by the log's key.
    #[error("the checkpoint does not hold")]
    InvalidCheckpoint(#[from] CheckpointError),
    /// The log can't be used.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The log can't be read to the end.
    #[error(transparent)]
    ReadRange(#[from] ReadRangeError),
    /// Signed events are missing.
    #[error(
        "INCIDENT: the log ends at {log_end} and the notary signed {signed} events. {advice}",
        advice = INCIDENT_ADVICE
    )]
    LogTruncated {
        /// Events that the log holds.
        log_end: u64,
        /// Events that were signed.
        signed: u64,
    },
    /// The stored bytes are not those over which the checkpoint was signed.
    #[error(
        "INCIDENT: the log was changed: its events are not what the notary signed. Stop, keep the broker's files"
    )]
    RootMismatch,
    /// An event is longer than a line may be.
    #[error("event {sequence} is too long for a line of an export")]
    EventTooLong {
        /// Its sequence.
        sequence: Sequence,
    },
    /// The file can't be written, or there is one of this name already.
    #[error(transparent)]
    File(#[from] FileError),
}
