//! What must never happen. Each of these stops the projector: nothing may be folded over a doubt.

use events::{BrokenPromise, StretchError};
use keys::UserRef;
use schemas::Sequence;

use crate::view::ViewError;

/// Why the projector stopped.
#[derive(Debug, thiserror::Error)]
pub enum Incident {
    /// The log is not one that can be trusted.
    #[error(transparent)]
    Log(#[from] BrokenPromise),
    /// The log lost events between two that were read.
    #[error(transparent)]
    Hole(#[from] StretchError),
    /// The log was there and is not any more.
    #[error("INCIDENT: the log is gone. Stop, keep the broker's files, restore from a mirror or a backup")]
    LogGone,
    /// The event at the view's position is not the one that was folded there.
    #[error(
        "INCIDENT: the event at sequence {0} is not the one that the view has folded: the log lost its end and grew again, or was replaced. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    OtherEvent(Sequence),
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
    Row(UserRef),
}

/// An error's words with those of its causes, for whoever sees the words alone.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
