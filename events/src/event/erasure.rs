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

use crate::envelope::{EventKind, Head};

const PURPOSE: &str = "syncwell.erasure-event.v1";

/// What was destroyed, or could not be, by name: `data_keys`, `connections_revoked` and so on.
pub type ErasedCounts = BTreeMap<String, u64>;

/// What happened to an account on its way out. Version 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureEvent {
    /// Which erasure.
    pub erasure_id: ErasureId,
    /// What happened.
    pub fact: ErasureFact,
}

/// What can happen to an account on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErasureFact {
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

impl ErasureFact {
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
struct Stored {
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
    pub fn store(&self, head: &Head, secret: &Pseudonymizer) -> Vec<u8> {
        assert_eq!(head.kind, self.fact.kind(), "BUG: the head is of another kind");
        let unsigned = self.stored();
        let mac = HEXLOWER.encode(&mac(head, &unsigned, secret));
        head.with_clear(&render(&Stored { mac: Some(mac), ..unsigned }))
    }

    /// For whoever reads the log: what it says, without what vouches for it.
    pub fn to_json(&self) -> serde_json::Value {
        serde_json::to_value(self.stored()).unwrap_or_default()
    }

    fn stored(&self) -> Stored {
        let empty = Stored {
            erasure_id: self.erasure_id,
            due_at: None,
            step: None,
            requested_at: None,
            counts: None,
            mac: None,
        };
        match &self.fact {
            ErasureFact::Requested { due_at } => Stored { due_at: Some(*due_at), ..empty },
            ErasureFact::Cancelled => empty,
            ErasureFact::StepDone { step, counts } => {
                Stored { step: Some(*step), counts: Some(counts.clone()), ..empty }
            }
            ErasureFact::Erased { requested_at, counts } => {
                Stored { requested_at: Some(*requested_at), counts: Some(counts.clone()), ..empty }
            }
        }
    }

    /// There is one spelling. Whether it may be believed is [`ErasureEvent::is_vouched_for`]'s to say.
    pub(super) fn from_v1(kind: EventKind, content: &[u8]) -> Option<Self> {
        let read: Stored = serde_json::from_slice(content).ok()?;
        let known = Stored { mac: None, ..read.clone() };
        let fact = match (kind, read) {
            (EventKind::ErasureRequestedV1, Stored { due_at: Some(due_at), .. }) => {
                ErasureFact::Requested { due_at }
            }
            (EventKind::ErasureCancelledV1, _) => ErasureFact::Cancelled,
            (EventKind::ErasureStepDoneV1, Stored { step: Some(step), counts: Some(counts), .. }) => {
                ErasureFact::StepDone { step, counts }
            }
            (
                EventKind::AccountErasedV1,
                Stored { requested_at: Some(requested_at), counts: Some(counts), .. },
            ) => ErasureFact::Erased { requested_at, counts },
            _ => return None,
        };
        let event = Self { erasure_id: known.erasure_id, fact };
        let mac = signature(content)?;
        let again = Stored { mac: Some(mac), ..event.stored() };
        (event.stored() == known && render(&again) == content).then_some(event)
    }

    /// Whether somebody who holds the pseudonym secret appended it, just so. `content` is the event's, as stored.
    pub(crate) fn is_vouched_for(&self, head: &Head, content: &[u8], secret: &Pseudonymizer) -> bool {
        let stated = signature(content).and_then(|mac| HEXLOWER.decode(mac.as_bytes()).ok());
        stated.is_some_and(|stated| bool::from(stated.ct_eq(&mac(head, &self.stored(), secret))))
    }
}

fn signature(content: &[u8]) -> Option<String> {
    serde_json::from_slice::<Stored>(content).ok()?.mac
}

fn mac(head: &Head, unsigned: &Stored, secret: &Pseudonymizer) -> [u8; 32] {
    secret.keyed_hash(PURPOSE, &[head.render().as_bytes(), &render(unsigned)])
}

fn render(stored: &Stored) -> Vec<u8> {
    serde_json::to_vec(stored).unwrap_or_else(|_| unreachable!("BUG: a step of an erasure is JSON"))
}
