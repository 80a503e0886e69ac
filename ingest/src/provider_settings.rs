//! Which providers this installation has to do with: their tables, and what the operator has from each of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use http_edge::KeySetSource;
use ipnet::IpNet;
use providers::{
    OAuthSettings, Provider, ProviderRegistry, ProviderWebhook, WebhookRequirementKind, WebhookSecrets,
};
use url::{Host, Url};

/// What an operator has from one provider.
#[derive(Debug, Clone, Default)]
pub struct ProviderClient {
    /// The OAuth client's id. With it, and where the provider's table has `[oauth]`, users can connect to it.
    pub client_id: Option<String>,
    /// What is asked for, instead of the table's scopes.
    pub scopes: Option<Vec<String>>,
    /// With them the provider's deliveries are taken in. `None` where the operator wants none.
    pub webhook: Option<WebhookSecrets>,
    /// Where the provider's public keys are, where it signs with such; instead of where its table says.
    pub keyset: Option<KeySetSource>,
    /// Where the provider sends from. A provider that signs nothing is heard from nowhere else once they are given.
    pub addresses: Vec<IpNet>,
    /// The limit for each of these addresses, instead of the table's.
    pub requests_per_5_minutes: Option<u32>,
}

/// The providers, as the door needs them.
#[derive(Debug, Clone)]
pub struct ProviderSettings {
    redirect_uris: BTreeSet<String>,
    clients: BTreeMap<String, (Arc<Provider>, ProviderClient)>,
}

/// Everything that is wrong with any of the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.join("\n"))]
pub struct ProviderSettingsErrors(pub Vec<String>);

/// A provider that users can connect to.
pub(crate) struct ConnectableProvider<'s> {
    pub(crate) oauth: &'s OAuthSettings,
    pub(crate) client_id: &'s str,
    pub(crate) scopes: &'s [String],
}

/// A provider that sends here.
pub(crate) struct WebhookSource<'s> {
    pub(crate) name: &'s str,
    pub(crate) webhook: &'s ProviderWebhook,
    pub(crate) secrets: &'s WebhookSecrets,
    pub(crate) keyset: Option<&'s KeySetSource>,
    pub(crate) addresses: &'s [IpNet],
    pub(crate) requests_per_5_minutes: u32,
}

impl ProviderSettings {
    /// No providers.
    pub fn none() -> Self {
        Self { redirect_uris: BTreeSet::new(), clients: BTreeMap::new() }
    }

    /// Holds what the operator set against the providers' tables.
    ///
    /// # Errors
    ///
    /// Every one at once.
    pub fn new(
        providers: &ProviderRegistry,
        redirect_uris: Vec<String>,
        clients: BTreeMap<String, ProviderClient>,
    ) -> Result<Self, ProviderSettingsErrors> {
        let mut errors = Vec::new();
        for uri in &redirect_uris {
            if let Err(problem) = check_redirect_uri(uri) {
                errors.push(format!("providers.redirect_uris: {uri:?} {problem}"));
            }
        }
        let mut known = BTreeMap::new();
        for (name, client) in clients {
            match providers.get(&name) {
                Some(provider) => {
                    let problems = check_client(provider, &client).into_iter();
                    errors.extend(problems.map(|problem| format!("providers.{name}: {problem}")));
                    known.insert(name, (provider.clone(), client));
                }
                None => errors.push(format!(
                    "providers.{name}: there is no such provider; a table {name}.toml in providers.folder would be one"
                )),
            }
        }
        if errors.is_empty() {
            Ok(Self { redirect_uris: redirect_uris.into_iter().collect(), clients: known })
        } else {
            Err(ProviderSettingsErrors(errors))
        }
    }

    /// Compared letter by letter (RFC 9700, section 2.1).
    pub(crate) fn allows_redirect_to(&self, uri: &str) -> bool {
        self.redirect_uris.contains(uri)
    }

    pub(crate) fn connectable_provider(&self, name: &str) -> Option<ConnectableProvider<'_>> {
        let (provider, client) = self.clients.get(name)?;
        let oauth = provider.oauth.as_ref()?;
        let scopes = client.scopes.as_ref().unwrap_or(&oauth.scopes);
        Some(ConnectableProvider { oauth, client_id: client.client_id.as_ref()?, scopes })
    }

    pub(crate) fn webhook_sources(&self) -> impl Iterator<Item = WebhookSource<'_>> {
        self.clients.iter().filter_map(|(name, (provider, client))| {
            let webhook = provider.webhook.as_ref()?;
            let own = client.requests_per_5_minutes.or(webhook.requests_per_5_minutes);
            Some(WebhookSource {
                name,
                webhook,
                secrets: client.webhook.as_ref()?,
                keyset: client.keyset.as_ref(),
                addresses: &client.addresses,
                requests_per_5_minutes: own.unwrap_or(0),
            })
        })
    }
}

fn check_client(provider: &Provider, client: &ProviderClient) -> Vec<String> {
    let mut problems = unused_settings(provider, client);
    let ProviderClient { client_id, scopes, webhook, keyset: _, addresses, requests_per_5_minutes } = client;
    let mut refuse = |problem: &str| problems.push(problem.to_owned());
    if client_id.is_none() && webhook.is_none() {
        refuse("has neither a client_id nor secrets for its webhook");
    }
    if client_id.as_ref().is_some_and(|id| id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_graphic())) {
        refuse("client_id must be visible ASCII characters");
    }
    match &provider.oauth {
        None if scopes.is_some() => refuse("scopes are there, but its table has no [oauth]"),
        Some(oauth)
            if scopes.iter().flatten().any(|scope| !is_valid_scope(scope, &oauth.scope_separator)) =>
        {
            refuse("scopes must not be empty, and have no separator in them");
        }
        None | Some(_) => {}
    }
    match (&provider.webhook, webhook) {
        (None, Some(_)) => refuse("has secrets for a webhook, but its table has no [webhook]"),
        (Some(webhook), Some(secrets)) => {
            if let Some(published) = &webhook.addresses_published
                && addresses.is_empty()
            {
                problems.push(format!("webhook_addresses is missing: they are published ({published})"));
            }
            problems.extend(webhook.check_secrets(secrets).err().into_iter().flatten());
        }
        (None | Some(_), None) => {}
    }
    if requests_per_5_minutes.is_some() && addresses.is_empty() {
        problems
            .push("webhook_requests_per_5_minutes is for webhook_addresses, and there are none".to_owned());
    }
    problems
}

/// What its table has no use for: most likely it was meant for another provider, or is spelled for another scheme.
fn unused_settings(provider: &Provider, client: &ProviderClient) -> Vec<String> {
    let demands: Vec<_> =
        provider.webhook.iter().flat_map(ProviderWebhook::requirements).map(|demand| demand.kind).collect();
    let mut problems = Vec::new();
    if client.client_id.is_some()
        && provider.oauth.is_none()
        && !demands.contains(&WebhookRequirementKind::ClientId)
    {
        problems.push("has a client_id, and its table has no use for one".to_owned());
    }
    let Some(secrets) = client.webhook.as_ref().filter(|_| provider.webhook.is_some()) else {
        return problems;
    };
    let asked = |kinds: &[WebhookRequirementKind]| kinds.iter().any(|kind| demands.contains(kind));
    let signing = asked(&[WebhookRequirementKind::ClientSecret, WebhookRequirementKind::SigningSecret]);
    let verify = asked(&[WebhookRequirementKind::VerifyToken, WebhookRequirementKind::AuthorizationValue]);
    let subscriptions = asked(&[WebhookRequirementKind::SubscriptionId]);
    for (named, is_given, is_asked) in [
        ("webhook_secret_files", !secrets.signing.is_empty(), signing),
        ("webhook_verify_files", !secrets.verify.is_empty(), verify),
        ("webhook_subscriptions", !secrets.subscriptions.is_empty(), subscriptions),
    ] {
        if is_given && !is_asked {
            problems.push(format!("{named} are of no use: its table asks for none"));
        }
    }
    problems
}

fn is_valid_scope(scope: &str, separator: &str) -> bool {
    !scope.is_empty() && !scope.contains(separator)
}

/// An absolute URI without a fragment (RFC 6749, section 3.1.2). A code must not go over the network in clear.
fn check_redirect_uri(uri: &str) -> Result<(), &'static str> {
    let parsed = Url::parse(uri).map_err(|_| "must be an absolute URI")?;
    if parsed.fragment().is_some() {
        return Err("must have no fragment");
    }
    let is_loopback = match parsed.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match parsed.scheme() {
        "http" if !is_loopback => Err("must be https, the app's own scheme, or http on the device itself"),
        "javascript" | "data" | "file" | "blob" => Err("has a scheme that no app can hear"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
