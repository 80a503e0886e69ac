//! What operators and auditors did, in clear and under the user ref of zeros: who was shown contents, which event was left
//! out of the view, and which years were destroyed.

use jiff::Timestamp;
use keys::UserRef;
use schemas::{EventId, Sequence};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

/// Who did it: the role whose credentials were used, and what the person's command said of the person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// The role, as `nats.conf` has it.
    pub role: String,
    /// The person, by their own word.
    pub person: String,
}

/// Somebody was shown contents. Stored before anything is shown. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessRecorded {
    /// Who.
    pub by: Actor,
    /// With which command.
    pub command: String,
    /// What was shown: a user ref, an event id, a range of sequences, or all.
    pub of: String,
    /// Why, by the person's own word; empty where they gave none.
    pub reason: String,
}

/// An event that can't be folded is left out of every view from here on. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventDiscarded {
    /// Who.
    pub by: Actor,
    /// Which event.
    pub sequence: Sequence,
    /// Whose events it kept waiting.
    pub user_ref: String,
    /// Why. Never empty.
    pub reason: String,
}

/// An operator had the data keys of every user's years before this one destroyed, and views drop their rows. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionApplied {
    /// Who.
    pub by: Actor,
    /// The first year that is kept.
    pub before_year: i16,
    /// Why, by the person's own word; empty where they gave none.
    pub reason: String,
}

/// An operator's or auditor's action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperatorEvent {
    /// Contents were shown.
    AccessRecorded(AccessRecorded),
    /// An event is excluded from every view.
    EventDiscarded(EventDiscarded),
    /// The data of past years is destroyed.
    RetentionApplied(RetentionApplied),
}

impl OperatorEvent {
    pub(super) fn to_redacted_json(&self) -> Value {
        match self {
            Self::AccessRecorded(access) => json!(access),
            Self::EventDiscarded(discarded) => json!(discarded),
            Self::RetentionApplied(applied) => json!(applied),
        }
    }
}

impl RetentionApplied {
    /// The event's stored bytes.
    pub fn encode(&self, id: EventId, time: Timestamp) -> Vec<u8> {
        encode_event(self, id, EventKind::RetentionAppliedV1, time)
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        decode_canonical(content)
    }
}

impl AccessRecorded {
    /// The event's stored bytes.
    pub fn encode(&self, id: EventId, time: Timestamp) -> Vec<u8> {
        encode_event(self, id, EventKind::AccessRecordedV1, time)
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        decode_canonical(content)
    }
}

impl EventDiscarded {
    /// The event's stored bytes.
    pub fn encode(&self, id: EventId, time: Timestamp) -> Vec<u8> {
        encode_event(self, id, EventKind::EventDiscardedV1, time)
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        decode_canonical(content).filter(|discarded: &Self| !discarded.reason.trim().is_empty())
    }
}

fn encode_event(content: &impl Serialize, id: EventId, kind: EventKind, time: Timestamp) -> Vec<u8> {
    let content = serde_json::to_vec(content).unwrap_or_else(|_| unreachable!("BUG: strings are JSON"));
    EventHeader { id, kind, user: UserRef::SYSTEM, time, key_id: None }.encode_plaintext(&content)
}

/// There is one spelling.
fn decode_canonical<T: Serialize + DeserializeOwned>(content: &[u8]) -> Option<T> {
    let read: T = serde_json::from_slice(content).ok()?;
    (serde_json::to_vec(&read).ok()? == content).then_some(read)
}
