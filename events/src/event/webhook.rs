//! What a provider delivered.

use serde::{Deserialize, Serialize};

use super::sealed_content::SealedContent;
use crate::event_kind::EventKind;

/// A provider's delivery was accepted, or the part of it that is about one of the provider's users. Version 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebhookReceived {
    /// Whose delivery.
    pub provider: String,
    /// The provider's own name for the delivery, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery_id: Option<String>,
    /// The provider's name for the user, where it names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_user: Option<String>,
    /// The headers that it takes to verify the delivery again: name and value.
    pub headers: Vec<(String, String)>,
    /// Whether the body is all of what was delivered, so that its signature holds for it.
    pub whole: bool,
    /// The body as it was sent, base64.
    pub body_base64: String,
}

impl SealedContent for WebhookReceived {
    const KIND: EventKind = EventKind::WebhookReceivedV1;
}
