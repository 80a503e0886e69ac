//! An opened event, for whoever may see contents: operators with a reason, and the person whose event it is.

use serde_json::{Value, json};

use super::Event;

impl Event {
    /// What it says, but for what is nobody's to see.
    pub fn to_redacted_json(&self) -> Value {
        match self {
            Self::SummaryReceived(content) | Self::DeviceReported(content) => json!({
                "body": content.body, "timestamp": content.timestamp, "signature": content.signature.to_string(),
                "key_id": content.signing_key_id.to_string(), "jti": content.token_id,
            }),
            Self::DeviceEnrolled(content) => json!({
                "device_id": content.device.to_string(), "key_id": content.key_id.to_string(), "jti": content.token_id,
            }),
            Self::DeviceRevoked(content) => {
                json!({ "device_id": content.device.to_string(), "jti": content.token_id })
            }
            Self::ConnectionRequested(content) => json!(content),
            // A code is good for nothing once it was exchanged, and is nobody's to see before.
            Self::ConnectionAuthorized(content) => json!({
                "connection_id": content.connection_id, "code": "[redacted]", "jti": content.jti,
            }),
            Self::ConnectionReauthRequested(content) => json!(content),
            Self::ConnectionRevocationRequested(content) => json!(content),
            Self::ConnectionActivated(content) => json!(content),
            Self::ConnectionReauthNeeded(content) => json!(content),
            Self::ConnectionRevoked(content) => json!(content),
            Self::WebhookReceived(content) => json!(content),
            Self::BreakGlass(step) => json!({
                "person": step.person, "statement": step.statement, "signature": step.signature,
                "refusal": step.refusal,
            }),
            Self::AccessRecorded(access) => json!(access),
            Self::EventDiscarded(discarded) => json!(discarded),
            Self::RetentionApplied(applied) => json!(applied),
            Self::ExportRequested(content) => json!(content),
            Self::ExportReady(content) => json!(content),
            Self::ExportFailed(content) => json!(content),
            Self::Erasure(erasure) => erasure.to_json(),
        }
    }
}
