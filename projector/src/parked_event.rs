//! An event that can't be opened, read or folded. It never stops other users, and it is never skipped in silence: it and
//! its user's later events wait, the user's rows stay as they are, until an operator has them tried again or leaves the
//! event out for good.

use events::{EventHeader, MalformedEvent, OpenEventError, RecordedEvent};
use keys::{DataKeyId, UnwrapError, UserRef};
use schemas::Sequence;

/// Why an event can't be folded. The numbers are stored: append, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum ParkReason {
    /// The bytes are no event.
    Malformed = 1,
    /// It stands under another user's subject.
    Misfiled = 2,
    /// Its data key does not exist, and no tombstone says why.
    KeyMissing = 3,
    /// Its data key's record does not open.
    KeyDamaged = 4,
    /// It does not open under its data key, or its content is not its kind's.
    Sealed = 5,
    /// It holds a summary that ingest would never have accepted.
    Summary = 6,
    /// It holds a device's report that ingest would never have accepted.
    Report = 7,
}

impl ParkReason {
    const ALL: [Self; 7] = [
        Self::Malformed,
        Self::Misfiled,
        Self::KeyMissing,
        Self::KeyDamaged,
        Self::Sealed,
        Self::Summary,
        Self::Report,
    ];

    pub(crate) fn from_u8(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == number)
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Misfiled => "misfiled",
            Self::KeyMissing => "key_missing",
            Self::KeyDamaged => "key_damaged",
            Self::Sealed => "sealed",
            Self::Summary => "summary",
            Self::Report => "report",
        }
    }
}

/// An event that can't be folded, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event at sequence {sequence} of user {user} can't be folded: {detail}")]
pub(crate) struct ParkedEvent {
    pub(crate) sequence: Sequence,
    /// Whose events wait: the user under whose subject it stands, or nobody where that is no user's.
    pub(crate) user: UserRef,
    pub(crate) reason: ParkReason,
    pub(crate) detail: String,
}

impl ParkedEvent {
    fn new(event: &RecordedEvent, kind: ParkReason, detail: String) -> Self {
        let user = event.user().unwrap_or(UserRef::SYSTEM);
        Self { sequence: event.sequence(), user, reason: kind, detail }
    }

    pub(crate) fn malformed(event: &RecordedEvent, error: MalformedEvent) -> Self {
        Self::new(event, ParkReason::Malformed, format!("{error}: forged, or damaged"))
    }

    pub(crate) fn misfiled(event: &RecordedEvent, header: &EventHeader) -> Self {
        let detail = format!("it is filed under another user than {}", header.user);
        Self::new(event, ParkReason::Misfiled, detail)
    }

    pub(crate) fn key_missing(event: &RecordedEvent, key: DataKeyId) -> Self {
        let detail = format!(
            "its data key {key} is missing, and no tombstone says that the user was erased: restore the keys' stream"
        );
        Self::new(event, ParkReason::KeyMissing, detail)
    }

    pub(crate) fn key_damaged(event: &RecordedEvent, error: UnwrapError) -> Self {
        Self::new(event, ParkReason::KeyDamaged, error.to_string())
    }

    pub(crate) fn undecryptable(event: &RecordedEvent, error: OpenEventError) -> Self {
        Self::new(event, ParkReason::Sealed, format!("{error}: forged, moved or changed"))
    }

    /// The event opens, but what it is to be folded into does not.
    pub(crate) fn entry_key_failed(sequence: Sequence, user: UserRef, why: &str) -> Self {
        let detail = format!("the data key of the entry that it belongs to {why}: restore the keys' stream");
        Self { sequence, user, reason: ParkReason::KeyMissing, detail }
    }

    pub(crate) fn unreadable_summary(event: &RecordedEvent) -> Self {
        Self::new(event, ParkReason::Summary, "its summary can't be read".to_owned())
    }

    pub(crate) fn unreadable_report(event: &RecordedEvent) -> Self {
        Self::new(event, ParkReason::Report, "its report can't be read".to_owned())
    }
}
