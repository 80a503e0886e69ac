//! What must never happen. Each of these stops the projector: nothing may be folded over a doubt.

use events::{LogVerificationError, ReadRangeError};
use jetstream::INCIDENT_ADVICE;
use keys::UserRef;
use schemas::Sequence;

use crate::view::ViewError;

/// Why the projector stopped.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorIncident {
    /// The log is not one that can be trusted.
    #[error(transparent)]
    Log(#[from] LogVerificationError),
    /// The log lost events between two that were read.
    #[error(transparent)]
    LogGap(#[from] ReadRangeError),
    /// The log was there and is not any more.
    #[error("INCIDENT: the log is gone. {advice}", advice = INCIDENT_ADVICE)]
    LogMissing,
    /// The event at the view's position is not the one that was folded there.
    #[error(
        "INCIDENT: the event at sequence {0} is not the one that the view has folded: the log lost its end and grew again, or was replaced. {advice}",
        advice = INCIDENT_ADVICE
    )]
    TipMismatch(Sequence),
    /// What the notary signed does not go on from what the view has folded.
    #[error(
        "INCIDENT: the log does not go on from the {position} events that the view has folded: {why}. It was truncated, restored from an older backup or replaced. Stop, keep the broker's files; `syncwell audit verify` tells where. If the log is right, `syncwell view rebuild --fresh` folds the view anew"
    )]
    Inconsistent {
        /// The view's position.
        position: u64,
        /// What does not hold.
        why: String,
    },
    /// The view can't be used with this log.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A row of the view does not open or decode.
    #[error(
        "INCIDENT: a row of user {0} can't be read: the view is damaged. `syncwell view rebuild --fresh` folds it anew"
    )]
    DamagedEntry(UserRef),
}
