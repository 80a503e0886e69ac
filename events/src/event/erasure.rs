//! The steps of an erasure, in clear under the user's own pseudonym: they must be read when no key of the user is left.
//!
//! Nothing of them is about health, and each carries a keyed hash over all of it: only who holds the pseudonym secret can
//! have a user erased, or say that one was.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use keys::{ErasureId, Pseudonymizer};
use schemas::ErasureStep;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

const PURPOSE: &str = "syncwell.erasure-event.v1";

/// What was destroyed, or could not be, by name: `data_keys`, `connections_revoked` and so on.
pub type ErasedCounts = BTreeMap<String, u64>;

/// What happened to an account on its way out. Version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureEvent {
    /// Which erasure.
    pub erasure_id: ErasureId,
    /// What happened.
    pub change: ErasureChange,
}

/// What can happen to an account on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureChange {
    /// The user asked for it. It begins then, and can be taken back until it does.
    Requested {
        /// When it begins.
        due_at: Timestamp,
    },
    /// The user took it back in time.
    Cancelled,
    /// A step was done; doing it again does nothing more.
    StepDone {
        /// Which.
        step: ErasureStep,
        /// What it destroyed.
        counts: ErasedCounts,
    },
    /// Every step was done. The last event of this account.
    Erased {
        /// When the user asked for it.
        requested_at: Timestamp,
        /// What all steps destroyed.
        counts: ErasedCounts,
    },
}

impl ErasureChange {
    /// The kind of events that say so.
    pub const fn kind(&self) -> EventKind {
        match self {
            Self::Requested { .. } => EventKind::ErasureRequestedV1,
            Self::Cancelled => EventKind::ErasureCancelledV1,
            Self::StepDone { .. } => EventKind::ErasureStepDoneV1,
            Self::Erased { .. } => EventKind::AccountErasedV1,
        }
    }
}

/// As it is stored. Which fields stand there is the kind's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredErasureEvent {
    erasure_id: ErasureId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    step: Option<ErasureStep>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requested_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counts: Option<ErasedCounts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    mac: Option<String>,
}

impl ErasureEvent {
    /// The event's stored bytes. The head must be of the fact's kind.
    pub fn encode(&self, head: &EventHeader, secret: &Pseudonymizer) -> Vec<u8> {
        assert_eq!(head.kind, self.change.kind(), "BUG: the head is of another kind");
        let unsigned = self.to_stored();
        let mac = HEXLOWER.encode(&compute_mac(head, &unsigned, secret));
        head.encode_plaintext(&render(&StoredErasureEvent { mac: Some(mac), ..unsigned }))
    }

    /// For whoever reads the log: what it says, without what vouches for it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.to_stored()).unwrap_or_default()
    }

    fn to_stored(&self) -> StoredErasureEvent {
        let empty = StoredErasureEvent {
            erasure_id: self.erasure_id,
            due_at: None,
            step: None,
            requested_at: None,
            counts: None,
            mac: None,
        };
        match &self.change {
            ErasureChange::Requested { due_at } => StoredErasureEvent { due_at: Some(*due_at), ..empty },
            ErasureChange::Cancelled => empty,
            ErasureChange::StepDone { step, counts } => {
                StoredErasureEvent { step: Some(*step), counts: Some(counts.clone()), ..empty }
            }
            ErasureChange::Erased { requested_at, counts } => StoredErasureEvent {
                requested_at: Some(*requested_at),
                counts: Some(counts.clone()),
                ..empty
            },
        }
    }

    /// There is one spelling. Whether it may be believed is [`ErasureEvent::has_valid_mac`]'s to say.
    pub(super) fn decode(kind: EventKind, content: &[u8]) -> Option<Self> {
        let read: StoredErasureEvent = serde_json::from_slice(content).ok()?;
        let known = StoredErasureEvent { mac: None, ..read.clone() };
        let mac = read.mac.clone()?;
        let fact = match (kind, read) {
            (EventKind::ErasureRequestedV1, StoredErasureEvent { due_at: Some(due_at), .. }) => {
                ErasureChange::Requested { due_at }
            }
            (EventKind::ErasureCancelledV1, _) => ErasureChange::Cancelled,
            (
                EventKind::ErasureStepDoneV1,
                StoredErasureEvent { step: Some(step), counts: Some(counts), .. },
            ) => ErasureChange::StepDone { step, counts },
            (
                EventKind::AccountErasedV1,
                StoredErasureEvent { requested_at: Some(requested_at), counts: Some(counts), .. },
            ) => ErasureChange::Erased { requested_at, counts },
            _ => return None,
        };
        let event = Self { erasure_id: known.erasure_id, change: fact };
        let again = StoredErasureEvent { mac: Some(mac), ..event.to_stored() };
        (event.to_stored() == known && render(&again) == content).then_some(event)
    }

    /// Whether somebody who holds the pseudonym secret appended it, just so. `content` is the event's, as stored.
    pub(crate) fn has_valid_mac(&self, head: &EventHeader, content: &[u8], secret: &Pseudonymizer) -> bool {
        let stated = read_mac(content).and_then(|mac| HEXLOWER.decode(mac.as_bytes()).ok());
        stated.is_some_and(|stated| bool::from(stated.ct_eq(&compute_mac(head, &self.to_stored(), secret))))
    }
}

fn read_mac(content: &[u8]) -> Option<String> {
    serde_json::from_slice::<StoredErasureEvent>(content).ok()?.mac
}

fn compute_mac(head: &EventHeader, unsigned: &StoredErasureEvent, secret: &Pseudonymizer) -> [u8; 32] {
    secret.keyed_hash(PURPOSE, &[head.render().as_bytes(), &render(unsigned)])
}

fn render(stored: &StoredErasureEvent) -> Vec<u8> {
    serde_json::to_vec(stored).unwrap_or_else(|_| unreachable!("BUG: a step of an erasure is JSON"))
}
