//! A row as the view keeps it ([`aggregates::row`] says what it is).

mod codec;
mod field_values;

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use aggregates::row::{Row, ValueOrigin};
use events::{ChangeKind, ChangeTarget};
use keys::UserRef;
use schemas::{Outcome, Summary};
use serde_json::Value;

use crate::view::RowKey;
use crate::view_entry::ViewEntry;

/// Provenance that the row's values store.
pub(crate) fn value_origin(summary: &Summary, event: &EventMetadata) -> ValueOrigin {
    let generated_at = summary.generated_at;
    ValueOrigin { generated_at, sequence: event.sequence, event_id: event.event_id }
}

impl ViewEntry for Row {
    type Key = RowKey;
    type Payload = Summary;

    fn key(user: UserRef, summary: &Summary) -> RowKey {
        RowKey { user, date: summary.date }
    }

    fn fold(before: Option<Self>, summary: &Self::Payload, event: &EventMetadata) -> (Option<Self>, Outcome) {
        let (row, outcome) = aggregates::fold(before, summary, value_origin(summary, event));
        (Some(row), outcome)
    }

    fn change_subject(summary: &Summary) -> Option<(ChangeKind, ChangeTarget)> {
        Some((ChangeKind::SummaryChanged, ChangeTarget { date: Some(summary.date), id: None }))
    }

    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes).ok()
    }

    fn field_values(&self) -> BTreeMap<String, Value> {
        field_values::field_values(self)
    }
}
