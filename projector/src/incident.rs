//! What must never happen. Each of these stops the projector: nothing may be folded over a doubt.

use events::{BrokenPromise, MalformedEvent, OpenEventError};
use schemas::Sequence;
use vault::{DataKeyId, UnwrapError, UserRef};

use crate::view::ViewError;

/// Why the projector stopped.
#[derive(Debug, thiserror::Error)]
pub enum Incident {
    /// The log is not one that can be trusted.
    #[error(transparent)]
    Log(#[from] BrokenPromise),
    /// The log lost events between two that were read.
    #[error(
        "INCIDENT: the log has a hole: sequence {expected} is missing, {found} follows. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    Hole {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
    /// The log was there and is not any more.
    #[error("INCIDENT: the log is gone. Stop, keep the broker's files, restore from a mirror or a backup")]
    LogGone,
    /// The event at the view's position is not the one that was folded there.
    #[error(
        "INCIDENT: the event at sequence {0} is not the one that the view has folded: the log lost its end and grew again. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    OtherEvent(Sequence),
    /// The view can't be used with this log.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The bytes are no event.
    #[error(
        "INCIDENT: the bytes at sequence {0} are not an event: somebody else can write to the log, or it is damaged"
    )]
    Malformed(Sequence, #[source] MalformedEvent),
    /// The event stands under another user's subject.
    #[error("INCIDENT: the event at sequence {0} is filed under another user")]
    Misfiled(Sequence),
    /// The event's key does not exist, and no tombstone says why.
    #[error(
        "INCIDENT: the data key {key} of user {user} for sequence {sequence} is missing, and no tombstone says that the user was erased. Restore the keys' stream"
    )]
    KeyMissing {
        /// Which event.
        sequence: Sequence,
        /// Whose.
        user: UserRef,
        /// Which key.
        key: DataKeyId,
    },
    /// A key's record does not open.
    #[error("INCIDENT: a data key of user {0} does not open")]
    KeyDamaged(UserRef, #[source] UnwrapError),
    /// The event does not open under its key.
    #[error("INCIDENT: the event at sequence {0} does not open: it was forged, moved or changed")]
    Sealed(Sequence, #[source] OpenEventError),
    /// The event holds a summary that ingest would never have accepted.
    #[error("INCIDENT: the summary at sequence {0} can't be read")]
    Summary(Sequence),
    /// A row of the view does not open or decode.
    #[error(
        "INCIDENT: a row of user {0} can't be read. Move the view's folder away and start again: it is folded anew from the log"
    )]
    Row(UserRef),
}
