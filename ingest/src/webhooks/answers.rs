//! How a callback is answered.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use http_edge::Refusal;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_status_that_the_provider_wants() {
        for (refusal, code, status) in [
            (WebhookRefusal::WrongPath, Code::NotFound, 404),
            (WebhookRefusal::Method, Code::MethodNotAllowed, 405),
            (WebhookRefusal::Signature { status: 404 }, Code::InvalidSignature, 404),
            (WebhookRefusal::Signature { status: 401 }, Code::InvalidSignature, 401),
            (WebhookRefusal::UnknownKey { status: 401 }, Code::InvalidSignature, 401),
            (WebhookRefusal::VerifyToken { status: 403 }, Code::InvalidSignature, 403),
            (WebhookRefusal::Stale, Code::StaleTimestamp, 401),
            (WebhookRefusal::Malformed("the challenge"), Code::InvalidRequest, 422),
            (WebhookRefusal::NotConfigured("the client id"), Code::Internal, 503),
        ] {
            let refused = refuse("fitbit", &refusal);
            assert_eq!((refused.code(), refused.into_response().status().as_u16()), (code, status));
        }
    }

    #[test]
    fn a_reply_is_the_providers_own() {
        let reply = WebhookReply { status: 204, content_type: None, body: String::new() };
        let response = respond(reply);
        assert_eq!(
            (response.status(), response.headers().get(header::CONTENT_TYPE)),
            (StatusCode::NO_CONTENT, None)
        );
        let reply =
            WebhookReply { status: 200, content_type: Some("application/json"), body: "{}".to_owned() };
        assert_eq!(respond(reply).headers()[header::CONTENT_TYPE], "application/json");
    }
}
