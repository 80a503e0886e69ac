//! How a callback is answered.

use axum::response::{IntoResponse, Response};
use edge::Refusal;
use http::{HeaderValue, StatusCode, header};
use providers::{WebhookRefusal, WebhookReply};
use schemas::Code;

use super::keeping::Kept;

pub(super) fn nothing_here() -> Refusal {
    Refusal::new(Code::NotFound, "There is no such callback here.")
}

pub(super) fn refuse(provider: &str, refusal: &WebhookRefusal) -> Refusal {
    let status = refusal.status();
    match refusal {
        WebhookRefusal::WrongPath => nothing_here(),
        WebhookRefusal::Method => Refusal::new(Code::MethodNotAllowed, "The provider delivers by POST.")
            .with_header(header::ALLOW, "POST"),
        WebhookRefusal::Signature { .. } => {
            Refusal::new(Code::InvalidSignature, "The signature is not the provider's.").with_status(status)
        }
        WebhookRefusal::UnknownKey { .. } => {
            tracing::warn!(provider, "a key that the provider's keyset does not have; fetch it again");
            Refusal::new(Code::InvalidSignature, "The signature's key is not known.").with_status(status)
        }
        WebhookRefusal::VerifyToken { .. } => {
            Refusal::new(Code::InvalidSignature, "The verification token is wrong.").with_status(status)
        }
        WebhookRefusal::Stale => {
            Refusal::new(Code::StaleTimestamp, "The delivery was signed too long ago, or too far ahead.")
        }
        WebhookRefusal::Malformed(what) => {
            Refusal::new(Code::InvalidRequest, format!("The delivery can't be read: {what}."))
        }
        WebhookRefusal::NotConfigured(what) => {
            tracing::warn!(provider, what, "a delivery can't be judged");
            Refusal::new(Code::Internal, "The callback is not set up yet. Send it again later.")
                .with_status(status)
        }
    }
}

pub(super) fn respond(reply: WebhookReply) -> Response {
    let status = StatusCode::from_u16(reply.status)
        .unwrap_or_else(|_| unreachable!("BUG: a table's statuses are from 200 to 299"));
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], reply.body).into_response();
    match reply.content_type {
        Some(content_type) => {
            let content_type = HeaderValue::from_static(content_type);
            response.headers_mut().insert(header::CONTENT_TYPE, content_type)
        }
        None => response.headers_mut().remove(header::CONTENT_TYPE),
    };
    response
}

impl Kept {
    /// The word for metrics and the log.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Replayed => "replayed",
            Self::Nothing => "nothing",
        }
    }
}
