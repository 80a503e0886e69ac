//! What a phone signed and the door accepted, with everything that it takes to verify the signature again, years later.

use keys::{DataKey, RequestSignature, SigningKeyId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

/// A signed request: a summary, or a device's report; which one is the event's kind.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    /// The request's body, byte for byte.
    pub body: String,
    /// The timestamp, as the header spelled it.
    pub timestamp: String,
    /// The signature that was right.
    pub signature: RequestSignature,
    /// The key that it was made with.
    pub signing_key_id: SigningKeyId,
    /// The token's `jti`, where it had one.
    pub token_id: Option<String>,
}

/// The content as it is sealed: JSON, so that an auditor with the key needs no tool of ours. Version 1.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SignedRequestV1<'b> {
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

impl SignedRequest {
    /// The event's stored bytes.
    pub fn seal(&self, head: &EventHeader, key: &DataKey) -> Vec<u8> {
        let is_signed = matches!(head.kind, EventKind::SummaryReceivedV1 | EventKind::DeviceReportedV1);
        assert!(is_signed, "BUG: the head is of another kind");
        let content = serde_json::to_vec(&SignedRequestV1 {
            body: self.body.as_str().into(),
            body_bytes: self.body.len(),
            timestamp: self.timestamp.as_str().into(),
            signature: self.signature.to_string(),
            key_id: self.signing_key_id.to_string(),
            jti: self.token_id.clone(),
        });
        let content =
            zeroize::Zeroizing::new(content.unwrap_or_else(|_| unreachable!("BUG: strings are JSON")));
        head.seal(key, &content)
    }

    pub(super) fn to_redacted_json(&self) -> Value {
        json!({
            "body": self.body, "timestamp": self.timestamp, "signature": self.signature.to_string(),
            "key_id": self.signing_key_id.to_string(), "jti": self.token_id,
        })
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let content: SignedRequestV1<'_> = serde_json::from_slice(content).ok()?;
        (content.body.len() == content.body_bytes).then_some(())?;
        Some(Self {
            signature: RequestSignature::from_hex(&content.signature)?,
            signing_key_id: content.key_id.parse().ok()?,
            body: content.body.into_owned(),
            timestamp: content.timestamp.into_owned(),
            token_id: content.jti,
        })
    }
}
