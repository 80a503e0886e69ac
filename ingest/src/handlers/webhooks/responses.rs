//! How a callback is answered.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use http_edge::ApiError;
use providers::{WebhookError, WebhookResponse};
use schemas::ProblemCode;

pub(super) fn callback_not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "There is no such callback here.")
}

pub(super) fn to_api_error(provider: &str, refusal: &WebhookError) -> ApiError {
    let status = refusal.status();
    match refusal {
        WebhookError::InvalidPathSecret => callback_not_found(),
        WebhookError::MethodNotAllowed => {
            ApiError::new(ProblemCode::MethodNotAllowed, "The provider delivers by POST.")
                .with_header(header::ALLOW, "POST")
        }
        WebhookError::InvalidSignature { .. } => {
            ApiError::new(ProblemCode::InvalidSignature, "The signature is not the provider's.")
                .with_status(status)
        }
        WebhookError::UnknownKey { .. } => {
            tracing::warn!(provider, "a key that the provider's keyset does not have; fetch it again");
            ApiError::new(ProblemCode::InvalidSignature, "The signature's key is not known.")
                .with_status(status)
        }
        WebhookError::InvalidVerifyToken { .. } => {
            ApiError::new(ProblemCode::InvalidSignature, "The verification token is wrong.")
                .with_status(status)
        }
        WebhookError::StaleTimestamp => ApiError::new(
            ProblemCode::StaleTimestamp,
            "The delivery was signed too long ago, or too far ahead.",
        ),
        WebhookError::Malformed(what) => {
            ApiError::new(ProblemCode::InvalidRequest, format!("The delivery can't be read: {what}."))
        }
        WebhookError::NotConfigured(what) => {
            tracing::warn!(provider, what, "a delivery can't be judged");
            ApiError::new(ProblemCode::Internal, "The callback is not set up yet. Send it again later.")
                .with_status(status)
        }
    }
}

pub(super) fn to_http_response(reply: WebhookResponse) -> Response {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_has_the_status_that_the_provider_wants() {
        for (refusal, code, status) in [
            (WebhookError::InvalidPathSecret, ProblemCode::NotFound, 404),
            (WebhookError::MethodNotAllowed, ProblemCode::MethodNotAllowed, 405),
            (WebhookError::InvalidSignature { status: 404 }, ProblemCode::InvalidSignature, 404),
            (WebhookError::InvalidSignature { status: 401 }, ProblemCode::InvalidSignature, 401),
            (WebhookError::UnknownKey { status: 401 }, ProblemCode::InvalidSignature, 401),
            (WebhookError::InvalidVerifyToken { status: 403 }, ProblemCode::InvalidSignature, 403),
            (WebhookError::StaleTimestamp, ProblemCode::StaleTimestamp, 401),
            (WebhookError::Malformed("the challenge"), ProblemCode::InvalidRequest, 422),
            (WebhookError::NotConfigured("the client id"), ProblemCode::Internal, 503),
        ] {
            let refused = to_api_error("fitbit", &refusal);
            assert_eq!((refused.code(), refused.into_response().status().as_u16()), (code, status));
        }
    }

    #[test]
    fn a_reply_is_the_providers_own() {
        let reply = WebhookResponse { status: 204, content_type: None, body: String::new() };
        let response = to_http_response(reply);
        assert_eq!(
            (response.status(), response.headers().get(header::CONTENT_TYPE)),
            (StatusCode::NO_CONTENT, None)
        );
        let reply =
            WebhookResponse { status: 200, content_type: Some("application/json"), body: "{}".to_owned() };
        assert_eq!(to_http_response(reply).headers()[header::CONTENT_TYPE], "application/json");
    }
}
