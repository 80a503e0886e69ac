//! Incidents that stop the notary, and how failures of one round of the signer become one or a retry.

use events::{LogError, LogVerificationError, ReadRangeError};
use jetstream::{INCIDENT_ADVICE, VerifyStreamError};
use notary_client::CheckpointsError;
use tlog::TileError;

/// Incident after which the notary signs nothing.
#[derive(Debug, thiserror::Error)]
pub enum NotaryIncident {
    /// The log's stream has an unsafe configuration.
    #[error(transparent)]
    LogConfigMismatch(#[from] LogVerificationError),
    /// The stream of checkpoints is invalid for this log and key.
    #[error("INCIDENT: what was signed does not hold, so nothing is signed behind it")]
    InvalidCheckpoints(#[source] CheckpointsError),
    /// The log ends before the newest checkpoint.
    #[error(
        "INCIDENT: the log ends at {last}, but {signed} events were signed: it was truncated, or restored from an older backup. {advice}. If the log is right (it was restored on purpose), remove the tiles (`[audit] tiles`, else `tiles` in the data folder) and start again",
        advice = INCIDENT_ADVICE
    )]
    Truncated {
        /// The log's last sequence.
        last: u64,
        /// The size of the newest checkpoint.
        signed: u64,
    },
    /// The log's events differ from the signed ones.
    #[error(
        "INCIDENT: the log's first {size} events are not those that {checkpoint} was signed for: it was replaced or changed. Stop, keep the broker's files; `syncwell audit verify` tells where. If the log is right (it was restored from an older backup on purpose), remove the tiles (`[audit] tiles`, else `tiles` in the data folder) and start again"
    )]
    LogMismatch {
        /// Size of the first checkpoint that the log contradicts.
        size: u64,
        /// The checkpoint, as text.
        checkpoint: String,
    },
    /// The log lost events.
    #[error(transparent)]
    Hole(ReadRangeError),
}

/// End of one round of the signer.
pub(crate) enum LoopExit {
    /// The signer starts another round. The text is the reason.
    Interrupted(String),
    /// The signer stops.
    Incident(NotaryIncident),
}

impl From<NotaryIncident> for LoopExit {
    fn from(incident: NotaryIncident) -> Self {
        Self::Incident(incident)
    }
}

impl From<TileError> for LoopExit {
    fn from(error: TileError) -> Self {
        Self::Interrupted(format!("the tiles can't be written: {error}"))
    }
}

impl From<LogError> for LoopExit {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Invalid(broken) => Self::Incident(broken.into()),
            LogError::Read(_) | LogError::Missing => Self::Interrupted(error.to_string()),
        }
    }
}

impl From<CheckpointsError> for LoopExit {
    fn from(error: CheckpointsError) -> Self {
        match error {
            CheckpointsError::Read(_)
            | CheckpointsError::Stream(VerifyStreamError::Read { .. } | VerifyStreamError::Missing(_)) => {
                Self::Interrupted(error.to_string())
            }
            CheckpointsError::Stream(VerifyStreamError::Mismatch(_))
            | CheckpointsError::InvalidCheckpoint { .. } => {
                Self::Incident(NotaryIncident::InvalidCheckpoints(error))
            }
        }
    }
}

impl From<ReadRangeError> for LoopExit {
    fn from(error: ReadRangeError) -> Self {
        match error {
            ReadRangeError::Unavailable(_) => Self::Interrupted(error.to_string()),
            ReadRangeError::Gap { .. } => Self::Incident(NotaryIncident::Hole(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use events::LogVerificationError;
    use jetstream::{FollowError, ReadError, StreamConfigMismatch};
    use tlog::CheckpointError;

    use super::*;

    fn stops(exit: LoopExit) -> bool {
        match exit {
            LoopExit::Incident(_) => true,
            LoopExit::Interrupted(_) => false,
        }
    }

    #[test]
    fn a_failure_that_may_pass_is_retried() {
        assert!(!stops(CheckpointsError::from(VerifyStreamError::Missing("CHECKPOINTS")).into()));
        assert!(!stops(CheckpointsError::Read(ReadError::Unavailable).into()));
        assert!(!stops(ReadRangeError::Unavailable(FollowError::Interrupted(None)).into()));
        assert!(!stops(LogError::Missing.into()));
        assert!(!stops(LogError::Read(ReadError::Unavailable).into()));
        assert!(!stops(TileError::OutOfRange.into()));
    }

    #[test]
    fn what_contradicts_the_checkpoints_stops_the_notary() {
        let mismatch = StreamConfigMismatch {
            stream: "CHECKPOINTS",
            key: "discard",
            expected: "new".to_owned(),
            found: "old".to_owned(),
            why: "checkpoints would be dropped",
        };
        assert!(stops(CheckpointsError::from(VerifyStreamError::Mismatch(mismatch)).into()));
        let forged = CheckpointsError::InvalidCheckpoint { number: 1, source: CheckpointError::Forged };
        assert!(stops(forged.into()));
        assert!(stops(ReadRangeError::Gap { expected: 1, found: 2 }.into()));
        let lost = LogVerificationError::MissingEvents("1 to 3".to_owned());
        assert!(stops(LogError::Invalid(lost).into()));
    }
}
