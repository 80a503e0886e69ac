//! One user's day, folded: every value with its clock and the event it came from.

mod document;
mod fold;
mod history_event;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemas::{EventId, PerScalar, Quantity, Sequence, WorkoutKey};

pub use document::{document, sources};
pub use fold::{FOLD_VERSION, fold};
pub use history_event::history_event;

/// A row of the view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Each of them a register of its own.
    pub scalars: PerScalar<Option<Register>>,
    /// By type and start.
    pub workouts: BTreeMap<WorkoutKey, WorkoutRegisters>,
    /// The latest of all the row's events.
    pub generated_at: Timestamp,
    /// The row's first event in the log. `history` reads from here …
    pub first_sequence: Sequence,
    /// … to here, the row's last event.
    pub last_sequence: Sequence,
}

/// A value that remembers where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// The value.
    pub value: Quantity,
    /// Where it came from.
    pub origin: ValueOrigin,
}

/// The event behind a value, and that value's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueOrigin {
    /// The value's clock.
    pub generated_at: Timestamp,
    /// Where the event stands.
    pub sequence: Sequence,
    /// The event's name.
    pub event_id: EventId,
}

/// A workout's values and where it was first heard of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkoutRegisters {
    /// Minutes.
    pub duration: Register,
    /// Kilocalories.
    pub calories: Option<Register>,
    /// The earliest event that reported it.
    pub first_reported: ValueOrigin,
}
