//! One user's day, folded: every value with its clock and the event it came from.

mod codec;
mod document;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemas::{EventId, PerScalar, Quantity, Sequence, WorkoutKey};

pub(crate) use codec::{decode, encode};
pub(crate) use document::{document, sources};

/// A row of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) scalars: PerScalar<Option<Register>>,
    pub(crate) workouts: BTreeMap<WorkoutKey, WorkoutRegisters>,
    /// The latest of all the row's events.
    pub(crate) generated_at: Timestamp,
    /// The row's first event in the log. `history` reads from here …
    pub(crate) first: Sequence,
    /// … to here, the row's last event.
    pub(crate) last: Sequence,
}

/// A value that remembers where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Register {
    pub(crate) value: Quantity,
    pub(crate) origin: Origin,
}

/// The event behind a value, and that value's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) generated_at: Timestamp,
    pub(crate) sequence: Sequence,
    pub(crate) event_id: EventId,
}

/// A workout's values and where it was first heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WorkoutRegisters {
    pub(crate) duration: Register,
    pub(crate) calories: Option<Register>,
    pub(crate) first_reported: Origin,
}
