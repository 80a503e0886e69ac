//! `POST`, `GET` and `HEAD /v1/webhooks/{provider}`, with and without a secret as the last path segment: what providers
//! deliver, and the handshakes by which they verify the callback.
//!
//! Checks, in this order: size → rate per address → provider → address, if the provider signs nothing → content encoding →
//! what the provider's table says ([`providers::ProviderWebhook::verify`]). An unknown provider, a wrong secret and a wrong
//! address get the same answer: not found. A delivery is answered as the provider's table says, once every part of it is on
//! stable storage ([`store`]).
//!
//! The path's secret and the query never appear in a log line: the access log has the route's template.

mod responses;
mod store;

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Method;
use http_edge::{AccessLogFields, ApiError, Verification};
use providers::{VerifiedWebhook, WebhookMethod, WebhookRequest};

use crate::request::{RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;
use crate::webhook_receivers::WebhookReceiver;
use responses::{callback_not_found, to_api_error, to_http_response};

/// Bytes of a delivery.
const BODY_BYTES_MAX: usize = 256 * 1_024;

/// How a callback was called.
struct WebhookRequestLine {
    provider: Option<String>,
    path_secret: Option<String>,
    method: WebhookMethod,
    query: Option<String>,
}

pub(crate) async fn receive_webhook(
    State(door): State<Arc<IngestState>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let provider = path.ok().map(|Path(provider)| provider);
    handle_webhook(&door, provider, None, request).await
}

pub(crate) async fn receive_webhook_with_secret(
    State(door): State<Arc<IngestState>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (provider, secret) = path.ok().map(|Path(path)| path).unzip();
    handle_webhook(&door, provider, secret, request).await
}

async fn handle_webhook(
    door: &IngestState,
    provider: Option<String>,
    path_secret: Option<String>,
    request: Request,
) -> Response {
    let method = match *request.method() {
        Method::GET => WebhookMethod::Get,
        Method::HEAD => WebhookMethod::Head,
        _ => WebhookMethod::Post,
    };
    let call =
        WebhookRequestLine { provider, path_secret, method, query: request.uri().query().map(str::to_owned) };
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let hook = call.provider.as_ref().and_then(|provider| door.webhook_receivers.by_provider.get(provider));
    let answered = door.process_webhook(hook, &asked, &call, &body, &mut observed).await;
    let result = match &answered {
        Ok(_) => observed.outcome.unwrap_or("unknown"),
        Err(refusal) => refusal.code().as_str(),
    };
    // What others make up is nothing to count by.
    let provider = hook.map_or_else(|| "unknown".to_owned(), |hook| hook.provider.clone());
    metrics::counter!("syncwell_provider_webhooks_total", "provider" => provider, "result" => result)
        .increment(1);
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn process_webhook(
        &self,
        hook: Option<&WebhookReceiver>,
        asked: &RequestParts,
        call: &WebhookRequestLine,
        body: &Bytes,
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let hook = self.find_receiver(hook, asked)?;
        request_headers::check_content_encoding(&asked.headers)?;
        let now = (self.clock)();
        let request = WebhookRequest {
            method: call.method,
            path_secret: call.path_secret.as_deref(),
            query: call.query.as_deref(),
            headers: &asked.headers,
            body,
            now,
        };
        let received = hook.verify(&request).await.map_err(|error| to_api_error(&hook.provider, &error))?;
        observed.verification = Verification::Passed;
        match received {
            VerifiedWebhook::Handshake(reply) => {
                observed.outcome = Some("handshake");
                Ok(to_http_response(reply))
            }
            VerifiedWebhook::Delivery(delivery) => {
                let kept = self.store_delivery(&hook.provider, &delivery, body, now).await?;
                observed.outcome = Some(kept.as_str());
                Ok(to_http_response(delivery.response))
            }
        }
    }

    /// The callback that was called, once the caller was counted and may call it.
    fn find_receiver<'h>(
        &self,
        hook: Option<&'h WebhookReceiver>,
        asked: &RequestParts,
    ) -> Result<&'h WebhookReceiver, ApiError> {
        let address = self.authenticator.forwarding.client_ip(asked.peer_address, &asked.headers);
        let is_from_worker =
            hook.is_some_and(|hook| hook.addresses.iter().any(|network| network.contains(&address)));
        match hook.and_then(|hook| hook.rate_limit.as_ref()).filter(|_| is_from_worker) {
            Some(rate) => rate.check(address.into())?,
            None => self.authenticator.rate_limits.check_address(address.into())?,
        }
        let hook = hook.ok_or_else(callback_not_found)?;
        if hook.is_unsigned_allowed() && !hook.addresses.is_empty() && !is_from_worker {
            // An operator whose list is behind must hear of it; the address itself is nobody's business.
            tracing::warn!(provider = hook.provider, "a call from an address that is not the provider's");
            return Err(callback_not_found());
        }
        Ok(hook)
    }
}
