//! `POST`, `GET` and `HEAD /v1/webhooks/{provider}`, with and without a secret behind it: what providers deliver, and
//! the handshakes by which they find out that the callback is ours.
//!
//! Checked in this order: size → rate per address → provider → address, where the provider signs nothing → content
//! encoding → what the provider's table says ([`providers::Webhook::receive`]). Whoever knocks at a provider that is not
//! configured, with a wrong secret, or from an address that is not the provider's is told the same: there is nothing here.
//! A delivery is answered as the provider wants it, once every part of it is on stable storage ([`keeping`]).
//!
//! The path's secret and the query stand in no log line: the access log has the route's template, and nothing of either
//! is passed on.

mod answers;
mod keeping;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::Method;
use http_edge::{AddressRate, Observed, Published, Refusal, Verification};
use ipnet::IpNet;
use jetstream::{Broker, spawn_critical};
use providers::{
    Received, TinkKeyset, Webhook, WebhookMethod, WebhookRefusal, WebhookRequest, WebhookSecrets,
};

use crate::append::{Asked, answer};
use crate::deliveries::Deliveries;
use crate::door::Door;
use crate::headers;
use crate::provider_settings::{ProviderSettings, Sender};
use answers::{nothing_here, refuse, respond};

/// Bytes of a delivery.
const BODY_BYTES_MAX: usize = 256 * 1_024;

/// The callbacks of all providers that send here.
pub(crate) struct Hooks {
    by_provider: BTreeMap<String, Hook>,
    deliveries: Deliveries,
}

/// The callback of one provider.
struct Hook {
    provider: String,
    webhook: Webhook,
    secrets: WebhookSecrets,
    /// The provider's public keys, where it signs with such.
    keys: Option<Arc<Published<TinkKeyset>>>,
    addresses: Vec<IpNet>,
    /// For each of these addresses.
    rate: Option<Arc<AddressRate>>,
}

impl Hooks {
    pub(crate) fn start(broker: Broker, settings: &ProviderSettings) -> Self {
        let hooks = settings.senders().map(Hook::start);
        let by_provider = hooks.map(|hook| (hook.provider.clone(), hook)).collect();
        Self { by_provider, deliveries: Deliveries::over(broker) }
    }
}

impl Hook {
    fn start(sender: Sender<'_>) -> Self {
        let rate = AddressRate::new("per_provider_ip", sender.requests_per_5_minutes).map(Arc::new);
        if let Some(forgetful) = rate.clone() {
            spawn_critical("provider rates", async move { forgetful.forget().await });
        }
        let keys = sender.keyset.cloned().and_then(|source| {
            let name = format!("{}'s key set", sender.name);
            let opened = Published::open(name, source, |text| Ok(TinkKeyset::parse(text)?));
            // What was wrong with a file was said when the configuration was read.
            opened
                .map(Arc::new)
                .map_err(|error| {
                    tracing::error!(
                        provider = sender.name,
                        error = &error as &dyn std::error::Error,
                        "no keys can be had"
                    );
                })
                .ok()
        });
        if let Some(followed) = keys.clone() {
            spawn_critical("provider keys", async move { followed.follow().await });
        }
        Self {
            keys,
            provider: sender.name.to_owned(),
            webhook: sender.webhook.clone(),
            secrets: sender.secrets.clone(),
            addresses: sender.addresses.to_vec(),
            rate,
        }
    }

    /// Judges a request, once more where it names a key that was published since the keys were fetched.
    async fn judge(&self, request: &WebhookRequest<'_>) -> Result<Received, WebhookRefusal> {
        let Some(keys) = &self.keys else { return self.webhook.receive(&self.secrets, request) };
        let judge = || {
            let keyset = keys.held().map(|keyset| (*keyset).clone());
            self.webhook.receive(&WebhookSecrets { keyset, ..self.secrets.clone() }, request)
        };
        match judge() {
            Err(WebhookRefusal::UnknownKey { .. } | WebhookRefusal::NotConfigured(_)) => {
                keys.refresh_for_unknown_key().await;
                judge()
            }
            judged => judged,
        }
    }

    /// Whether a delivery may come unsigned, so that where it comes from is part of what vouches for it.
    fn is_unsigned(&self) -> bool {
        self.webhook.path_secret
    }
}

/// How a callback was called.
struct Call {
    provider: Option<String>,
    path_secret: Option<String>,
    method: WebhookMethod,
    query: Option<String>,
}

pub(crate) async fn webhook(
    State(door): State<Arc<Door>>,
    path: Result<Path<String>, PathRejection>,
    request: Request,
) -> Response {
    let provider = path.ok().map(|Path(provider)| provider);
    call(&door, provider, None, request).await
}

pub(crate) async fn webhook_with_secret(
    State(door): State<Arc<Door>>,
    path: Result<Path<(String, String)>, PathRejection>,
    request: Request,
) -> Response {
    let (provider, secret) = path.ok().map(|Path(path)| path).unzip();
    call(&door, provider, secret, request).await
}

async fn call(
    door: &Door,
    provider: Option<String>,
    path_secret: Option<String>,
    request: Request,
) -> Response {
    let method = match *request.method() {
        Method::GET => WebhookMethod::Get,
        Method::HEAD => WebhookMethod::Head,
        _ => WebhookMethod::Post,
    };
    let call = Call { provider, path_secret, method, query: request.uri().query().map(str::to_owned) };
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let hook = call.provider.as_ref().and_then(|provider| door.hooks.by_provider.get(provider));
    let answered = door.receive(hook, &asked, &call, &body, &mut observed).await;
    let result = match &answered {
        Ok(_) => observed.outcome.unwrap_or("unknown"),
        Err(refusal) => refusal.code().as_str(),
    };
    // What others make up is nothing to count by.
    let provider = hook.map_or_else(|| "unknown".to_owned(), |hook| hook.provider.clone());
    metrics::counter!("syncwell_webhooks_total", "provider" => provider, "result" => result).increment(1);
    answer(answered, observed)
}

impl Door {
    async fn receive(
        &self,
        hook: Option<&Hook>,
        asked: &Asked,
        call: &Call,
        body: &Bytes,
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let hook = self.find(hook, asked)?;
        headers::content_encoding(&asked.headers)?;
        let now = (self.gate.clock)();
        let request = WebhookRequest {
            method: call.method,
            path_secret: call.path_secret.as_deref(),
            query: call.query.as_deref(),
            headers: &asked.headers,
            body,
            now,
        };
        let received = hook.judge(&request).await.map_err(|error| refuse(&hook.provider, &error))?;
        observed.verification = Verification::Passed;
        match received {
            Received::Handshake(reply) => {
                observed.outcome = Some("handshake");
                Ok(respond(reply))
            }
            Received::Delivery(delivery) => {
                let kept = self.keep(&hook.provider, &delivery, body, now).await?;
                observed.outcome = Some(kept.as_str());
                Ok(respond(delivery.reply))
            }
        }
    }

    /// The callback that was called, once the caller was counted and may call it.
    fn find<'h>(&self, hook: Option<&'h Hook>, asked: &Asked) -> Result<&'h Hook, Refusal> {
        let address = self.gate.forwarding.address(asked.peer, &asked.headers);
        let is_own = hook.is_some_and(|hook| hook.addresses.iter().any(|network| network.contains(&address)));
        match hook.and_then(|hook| hook.rate.as_ref()).filter(|_| is_own) {
            Some(rate) => rate.count(address.into())?,
            None => self.gate.rates.count_address(address.into())?,
        }
        let hook = hook.ok_or_else(nothing_here)?;
        if hook.is_unsigned() && !hook.addresses.is_empty() && !is_own {
            // An operator whose list is behind must hear of it; the address itself is nobody's business.
            tracing::warn!(provider = hook.provider, "a call from an address that is not the provider's");
            return Err(nothing_here());
        }
        Ok(hook)
    }
}
