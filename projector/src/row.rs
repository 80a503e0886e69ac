//! One user's day, folded: every value with its clock and the event it came from.

mod codec;
mod document;
mod values;

use std::collections::BTreeMap;

use events::{ChangeKind, ChangeSubject};
use jiff::Timestamp;
use schemas::{EventId, Outcome, PerScalar, Quantity, Sequence, Summary, WorkoutKey};
use serde_json::Value;
use vault::UserRef;

pub(crate) use document::{document, sources};

use crate::entry::Entry;
use crate::fold::fold;
use crate::open::OpenedEvent;
use crate::view::RowKey;

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

impl Entry for Row {
    type Key = RowKey;
    type Said = Summary;

    fn key(user: UserRef, summary: &Summary) -> RowKey {
        RowKey { user, date: summary.date }
    }

    fn fold(before: Option<Self>, event: &OpenedEvent<Summary>) -> (Option<Self>, Outcome) {
        let (row, outcome) = fold(before, &event.said, event.origin());
        (Some(row), outcome)
    }

    fn change(summary: &Summary) -> Option<(ChangeKind, ChangeSubject)> {
        Some((ChangeKind::SummaryChanged, ChangeSubject { date: Some(summary.date), id: None }))
    }

    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes).ok()
    }

    fn values(&self) -> BTreeMap<String, Value> {
        values::values(self)
    }
}
