mod check_order;
mod handshakes;
mod hmac;
mod requirements;
mod tink;
mod unsigned;

use std::sync::{Arc, LazyLock};

use ::http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;

use super::*;
use crate::{Provider, ProviderRegistry};

const NOW: i64 = 1_800_000_000;
const PATH: &str = "a-path-secret-of-22-ch";

static SHIPPED: LazyLock<ProviderRegistry> = LazyLock::new(ProviderRegistry::from_built_in);

fn provider(name: &str) -> Arc<Provider> {
    Arc::clone(SHIPPED.get(name).unwrap())
}

fn secret(text: &str) -> Secret {
    Secret::new(text).unwrap()
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        let name: HeaderName = name.parse().unwrap();
        headers.append(name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

/// A request that a test changes to its liking.
struct TestRequest {
    method: WebhookMethod,
    path: Option<&'static str>,
    query: Option<String>,
    headers: HeaderMap,
    body: Vec<u8>,
    now: Timestamp,
}

impl TestRequest {
    fn post(pairs: &[(&str, &str)], body: &str) -> Self {
        Self {
            method: WebhookMethod::Post,
            path: None,
            query: None,
            headers: headers(pairs),
            body: body.as_bytes().to_vec(),
            now: Timestamp::from_second(NOW).unwrap(),
        }
    }

    fn get(query: &str) -> Self {
        Self { method: WebhookMethod::Get, query: Some(query.to_owned()), ..Self::post(&[], "") }
    }

    fn with_path(self, path: &'static str) -> Self {
        Self { path: Some(path), ..self }
    }

    fn at(self, seconds: i64) -> Self {
        Self { now: Timestamp::from_second(seconds).unwrap(), ..self }
    }

    fn verify_by(
        &self,
        webhook: &ProviderWebhook,
        secrets: &WebhookSecrets,
    ) -> Result<VerifiedWebhook, WebhookError> {
        webhook.verify(
            secrets,
            &WebhookRequest {
                method: self.method,
                path_secret: self.path,
                query: self.query.as_deref(),
                headers: &self.headers,
                body: &self.body,
                now: self.now,
            },
        )
    }
}

fn delivery(received: Result<VerifiedWebhook, WebhookError>) -> Delivery {
    match received.unwrap() {
        VerifiedWebhook::Delivery(delivery) => delivery,
        VerifiedWebhook::Handshake(reply) => panic!("a handshake: {reply:?}"),
    }
}
