//! Receivers of webhooks: per provider, what verifies its requests and limits their rate.

use std::collections::BTreeMap;
use std::sync::Arc;

use http_edge::{AddressRateLimit, RefreshingKeySet};
use ipnet::IpNet;
use jetstream::Broker;
use providers::{ProviderWebhook, TinkKeyset, VerifiedWebhook, WebhookError, WebhookRequest, WebhookSecrets};
use runtime::spawn_critical;

use crate::provider_settings::{ProviderSettings, WebhookSource};
use crate::webhook_dedup::DeliveryDedup;

/// The webhook receivers of all configured providers.
pub(crate) struct WebhookReceivers {
    pub(crate) by_provider: BTreeMap<String, WebhookReceiver>,
    pub(crate) dedup: DeliveryDedup,
}

/// The webhook receiver of one provider.
pub(crate) struct WebhookReceiver {
    pub(crate) provider: String,
    webhook: ProviderWebhook,
    secrets: WebhookSecrets,
    /// The provider's public keys, if it signs with such.
    keyset: Option<Arc<RefreshingKeySet<TinkKeyset>>>,
    pub(crate) addresses: Vec<IpNet>,
    /// Limit for each of these addresses.
    pub(crate) rate_limit: Option<Arc<AddressRateLimit>>,
}

impl WebhookReceivers {
    pub(crate) fn start(broker: Broker, settings: &ProviderSettings) -> Self {
        let hooks = settings.webhook_sources().map(WebhookReceiver::start);
        let by_provider = hooks.map(|hook| (hook.provider.clone(), hook)).collect();
        Self { by_provider, dedup: DeliveryDedup::new(broker) }
    }
}

impl WebhookReceiver {
    fn start(sender: WebhookSource<'_>) -> Self {
        let rate = AddressRateLimit::new("per_provider_ip", sender.requests_per_5_minutes).map(Arc::new);
        if let Some(forgetful) = rate.clone() {
            spawn_critical("provider rate limits", async move { forgetful.eviction_loop().await });
        }
        let keys = sender.keyset.cloned().and_then(|source| {
            let name = format!("{}'s key set", sender.name);
            let opened = RefreshingKeySet::open(name, source, |text| Ok(TinkKeyset::parse(text)?));
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
            spawn_critical("provider key sets", async move { followed.refresh_loop().await });
        }
        Self {
            keyset: keys,
            provider: sender.name.to_owned(),
            webhook: sender.webhook.clone(),
            secrets: sender.secrets.clone(),
            addresses: sender.addresses.to_vec(),
            rate_limit: rate,
        }
    }

    /// Verifies a request. If it names an unknown key, fetches the key set and verifies once more.
    pub(crate) async fn verify(&self, request: &WebhookRequest<'_>) -> Result<VerifiedWebhook, WebhookError> {
        let Some(keys) = &self.keyset else { return self.webhook.verify(&self.secrets, request) };
        let judge = || {
            let keyset = keys.current().map(|keyset| (*keyset).clone());
            self.webhook.verify(&WebhookSecrets { keyset, ..self.secrets.clone() }, request)
        };
        match judge() {
            Err(WebhookError::UnknownKey { .. } | WebhookError::NotConfigured(_)) => {
                keys.refresh_for_unknown_key().await;
                judge()
            }
            judged => judged,
        }
    }

    /// Whether deliveries may be unsigned. Then the sender's address is part of the verification.
    pub(crate) fn is_unsigned_allowed(&self) -> bool {
        self.webhook.is_path_secret_required
    }
}
