//! A row as the view keeps it ([`aggregates::row`] says what it is).

mod codec;
mod values;

use std::collections::BTreeMap;

use events::{ChangeKind, ChangeSubject};
use keys::UserRef;
use schemas::{Outcome, Summary};
use serde_json::Value;

pub(crate) use aggregates::row::{Origin, Register, Row, WorkoutRegisters, document, sources};

use crate::entry::Entry;
use crate::open::OpenedEvent;
use crate::view::RowKey;

impl Entry for Row {
    type Key = RowKey;
    type Said = Summary;

    fn key(user: UserRef, summary: &Summary) -> RowKey {
        RowKey { user, date: summary.date }
    }

    fn fold(before: Option<Self>, event: &OpenedEvent<Summary>) -> (Option<Self>, Outcome) {
        let (row, outcome) = aggregates::fold(before, &event.said, event.origin());
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
