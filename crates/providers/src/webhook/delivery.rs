//! What a request turned out to be, and how it is answered.

/// A request that was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedWebhook {
    /// The provider wanted to see that the callback is ours. There is nothing to keep.
    Handshake(WebhookResponse),
    /// The provider has something to say.
    Delivery(Delivery),
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookResponse {
    /// The HTTP status.
    pub status: u16,
    /// The body's type, if there is a body.
    pub content_type: Option<&'static str>,
    /// The body.
    pub body: String,
}

impl WebhookResponse {
    pub(super) fn empty(status: u16) -> Self {
        Self { status, content_type: None, body: String::new() }
    }

    pub(super) fn json(status: u16, body: String) -> Self {
        Self { status, content_type: Some("application/json"), body }
    }
}

/// Something that a provider said.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The id that the provider gave it, if it signs one. It is the same when the same is sent again.
    pub id: Option<String>,
    /// What each of its users is told, in the order in which they come up. There can be none.
    pub parts: Vec<DeliveryPart>,
    /// The headers that the signature needs, by their names in small letters: with them, the body and the secret it
    /// can be verified again years later. None if nothing signed it.
    pub evidence_headers: Vec<(String, String)>,
    /// The answer once it is kept.
    pub response: WebhookResponse,
}

/// What one of a provider's users is told.
#[derive(Clone, PartialEq, Eq)]
pub struct DeliveryPart {
    /// The provider's id of the user. `None`: the body is about nobody.
    pub provider_user: Option<String>,
    /// The body's bytes: all of them if it is `whole`, otherwise the elements about this user, each as it was sent.
    pub body: Vec<u8>,
    /// Whether these are all bytes that came. Only then can the signature be verified again over them.
    pub is_whole_body: bool,
}

/// Without contents and ids: they are about somebody's health.
impl std::fmt::Debug for Delivery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("parts", &self.parts)
            .field("reply", &self.response)
            .finish_non_exhaustive()
    }
}

/// Without contents and ids.
impl std::fmt::Debug for DeliveryPart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DeliveryPart")
            .field("body_bytes", &self.body.len())
            .field("whole", &self.is_whole_body)
            .finish_non_exhaustive()
    }
}
