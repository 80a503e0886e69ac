//! The contents of events.

mod break_glass;
mod device;
mod operation;

#[cfg(test)]
mod tests;

pub use break_glass::{BreakGlassStep, Statement, StatementKind};
pub use device::{DeviceEnrolled, DeviceRevoked};
pub use operation::{AccessRecorded, Actor, EventDiscarded};

use schemas::EventId;
use serde::{Deserialize, Serialize};
use vault::{DataKey, OpenError, Signature, SigningKeyId};

use crate::envelope::{Envelope, EventKind, Head};

/// A phone's summary was accepted. Everything that it takes to verify the phone's signature again, years later.
#[derive(Clone, PartialEq, Eq)]
pub struct SummaryReceived {
    /// The request's body, byte for byte.
    pub body: String,
    /// The timestamp, as the header spelled it.
    pub timestamp: String,
    /// The signature that was right.
    pub signature: Signature,
    /// The key that it was made with.
    pub signing_key: SigningKeyId,
    /// The token's `jti`, where it had one.
    pub token_id: Option<String>,
}

/// The content as it is sealed: JSON, so that an auditor with the key needs no tool of ours. Version 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SummaryReceivedV1<'b> {
    #[serde(borrow)]
    body: std::borrow::Cow<'b, str>,
    body_bytes: usize,
    #[serde(borrow)]
    timestamp: std::borrow::Cow<'b, str>,
    signature: String,
    key_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl SummaryReceived {
    /// The event's stored bytes.
    pub fn seal(&self, head: &Head, key: &DataKey) -> Vec<u8> {
        assert_eq!(head.kind, EventKind::SummaryReceivedV1, "BUG: the head is of another kind");
        let content = serde_json::to_vec(&SummaryReceivedV1 {
            body: self.body.as_str().into(),
            body_bytes: self.body.len(),
            timestamp: self.timestamp.as_str().into(),
            signature: self.signature.to_string(),
            key_id: self.signing_key.to_string(),
            jti: self.token_id.clone(),
        });
        let content =
            zeroize::Zeroizing::new(content.unwrap_or_else(|_| unreachable!("BUG: strings are JSON")));
        head.seal(key, &content)
    }

    fn from_v1(content: &[u8]) -> Option<Self> {
        let content: SummaryReceivedV1<'_> = serde_json::from_slice(content).ok()?;
        (content.body.len() == content.body_bytes).then_some(())?;
        Some(Self {
            signature: Signature::from_hex(&content.signature)?,
            signing_key: content.key_id.parse().ok()?,
            body: content.body.into_owned(),
            timestamp: content.timestamp.into_owned(),
            token_id: content.jti,
        })
    }
}

/// What happened, opened. Old versions are lifted to the newest one here and nowhere else.
pub enum Event {
    /// A phone's summary was accepted.
    SummaryReceived(SummaryReceived),
    /// A device was given its signing key.
    DeviceEnrolled(DeviceEnrolled),
    /// A device's signing key was revoked.
    DeviceRevoked(DeviceRevoked),
    /// A step of breaking the glass; which one is the event's kind.
    BreakGlass(BreakGlassStep),
    /// An operator or auditor was shown contents.
    AccessRecorded(AccessRecorded),
    /// An operator had an event that can't be folded left out.
    EventDiscarded(EventDiscarded),
}

/// Why an event does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenEventError {
    /// Not sealed under this key, or changed since.
    #[error("event {0} does not open under its user's data key")]
    Sealed(EventId, #[source] OpenError),
    /// It opens, but its content is not that of its kind.
    #[error("the content of event {0} is not that of its kind")]
    Content(EventId),
}

impl Event {
    /// Opens a sealed event.
    pub fn open(envelope: Envelope<'_>, key: &DataKey) -> Result<Self, OpenEventError> {
        let (id, kind) = (envelope.head.id, envelope.head.kind);
        let content = envelope.open(key).map_err(|error| OpenEventError::Sealed(id, error))?;
        let event = match kind {
            EventKind::SummaryReceivedV1 => SummaryReceived::from_v1(&content).map(Self::SummaryReceived),
            EventKind::DeviceEnrolledV1 => DeviceEnrolled::from_v1(&content).map(Self::DeviceEnrolled),
            EventKind::DeviceRevokedV1 => DeviceRevoked::from_v1(&content).map(Self::DeviceRevoked),
            EventKind::BreakGlassRequestedV1
            | EventKind::BreakGlassApprovedV1
            | EventKind::BreakGlassLookedUpV1
            | EventKind::BreakGlassRefusedV1
            | EventKind::AccessRecordedV1
            | EventKind::EventDiscardedV1 => None,
        };
        event.ok_or(OpenEventError::Content(id))
    }

    /// Reads an event whose content is in clear.
    pub fn read_clear(envelope: &Envelope<'_>) -> Result<Self, OpenEventError> {
        let content = envelope.clear();
        let event = match envelope.head.kind {
            EventKind::BreakGlassRequestedV1
            | EventKind::BreakGlassApprovedV1
            | EventKind::BreakGlassLookedUpV1
            | EventKind::BreakGlassRefusedV1 => {
                content.and_then(BreakGlassStep::from_v1).map(Self::BreakGlass)
            }
            EventKind::AccessRecordedV1 => {
                content.and_then(AccessRecorded::from_v1).map(Self::AccessRecorded)
            }
            EventKind::EventDiscardedV1 => {
                content.and_then(EventDiscarded::from_v1).map(Self::EventDiscarded)
            }
            EventKind::SummaryReceivedV1 | EventKind::DeviceEnrolledV1 | EventKind::DeviceRevokedV1 => None,
        };
        event.ok_or(OpenEventError::Content(envelope.head.id))
    }
}
