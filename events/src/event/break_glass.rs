//! The steps of breaking the glass. In clear, for every auditor; each carries the signature (Ed25519, RFC 8032) of the
//! person who took it, over the statement exactly as it stands there.

use jiff::Timestamp;
use keys::UserRef;
use schemas::EventId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

/// A step as it is stored, version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassStep {
    /// The signed text: a [`BreakGlassStatement`] as JSON.
    pub statement: String,
    /// Who signed, by the name that the configuration gives to the public key.
    pub person: String,
    /// 128 characters of lowercase hex.
    pub signature: String,
    /// Why the step was refused, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<String>,
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreakGlassStatementKind {
    /// To have a user's requests looked up.
    Request,
    /// To agree with somebody else's request.
    Approve,
    /// To be told.
    LookUp,
}

/// What a person signs. Field order and spelling are the signer's: it is the text that counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BreakGlassStatement {
    /// Which step.
    pub step: BreakGlassStatementKind,
    /// The request's name: the id of its event.
    pub request: EventId,
    /// Whose requests: the user ref; in a request, which must not tell it before it is in the log, that ref sealed by
    /// the break-glass service.
    pub user_ref: String,
    /// When it was signed.
    pub time: Timestamp,
    /// Why; of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The ticket that it is about; of a request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ticket: Option<String>,
}

impl BreakGlassStep {
    /// The event's stored bytes.
    pub fn encode(&self, id: EventId, kind: EventKind, user: UserRef, time: Timestamp) -> Vec<u8> {
        let content = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: strings are JSON"));
        EventHeader { id, kind, user, time, key_id: None }.encode_plaintext(&content)
    }

    pub(super) fn to_redacted_json(&self) -> Value {
        json!({
            "person": self.person, "statement": self.statement, "signature": self.signature,
            "refusal": self.refusal,
        })
    }

    /// There is one spelling.
    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let step: Self = serde_json::from_slice(content).ok()?;
        (serde_json::to_vec(&step).ok()? == content).then_some(step)
    }
}
