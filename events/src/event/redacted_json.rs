//! A decrypted event, for those who may see contents: operators with a reason, and the user.

use serde_json::{Value, json};

use super::Event;

impl Event {
    /// The content without secrets. Each kind lists its fields, so a new secret is not shown by default.
    pub fn to_redacted_json(&self) -> Value {
        match self {
            Self::Summary(request) | Self::DeviceReport(request) => request.to_redacted_json(),
            Self::Device(event) => event.to_redacted_json(),
            Self::Connection(event) => event.to_redacted_json(),
            Self::Webhook(delivery) => json!(delivery),
            Self::Export(event) => event.to_redacted_json(),
            Self::Account(erasure) => erasure.to_json(),
            Self::BreakGlass(step) => step.to_redacted_json(),
            Self::Operator(event) => event.to_redacted_json(),
        }
    }
}
