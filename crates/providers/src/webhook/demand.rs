//! What an operator must configure for a provider's webhook.

use std::fmt;

use super::hmac_scheme::SigningKey;
use super::{Scheme, Webhook, WebhookSecrets};

/// The shortest path secret: 22 characters of base64 are 128 bits.
const PATH_CHARS_MIN: usize = 22;
/// The longest: the callback's whole URL may have 255 characters at Withings.
const PATH_CHARS_MAX: usize = 128;

/// Something that must be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookDemand {
    /// What.
    pub kind: DemandKind,
    /// Whether it must be there at the start. If not, the provider makes it known later: until it is there, deliveries
    /// are refused with [`super::WebhookRefusal::NotConfigured`].
    pub at_start: bool,
}

/// What must be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DemandKind {
    /// The OAuth client's secret, which signs; for [`WebhookSecrets::signing`].
    ClientSecret,
    /// The webhook's own secret, which signs; for [`WebhookSecrets::signing`].
    SigningSecret,
    /// The secret in the callback's path; for [`WebhookSecrets::path`].
    PathSecret,
    /// The code or token of the handshake; for [`WebhookSecrets::verify`].
    VerifyToken,
    /// The whole value of the `Authorization` header; for [`WebhookSecrets::verify`].
    AuthorizationValue,
    /// The OAuth client's id; for [`WebhookSecrets::client_id`].
    ClientId,
    /// The id that the provider gave our subscription; for [`WebhookSecrets::subscriptions`].
    SubscriptionId,
    /// The provider's public keys; for [`WebhookSecrets::keyset`].
    Keyset,
    /// The addresses that the provider sends from. They are no secret: whoever listens checks them.
    Addresses,
}

impl fmt::Display for DemandKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientSecret => "the client secret",
            Self::SigningSecret => "the webhook's signing secret",
            Self::PathSecret => "the secret in the callback's path",
            Self::VerifyToken => "the handshake's verification code or token",
            Self::AuthorizationValue => "the value of the Authorization header",
            Self::ClientId => "the client id",
            Self::SubscriptionId => "the subscription's id",
            Self::Keyset => "the provider's public keys",
            Self::Addresses => "the provider's addresses",
        })
    }
}

pub(super) fn of(webhook: &Webhook) -> Vec<WebhookDemand> {
    let mut demands = Vec::new();
    let mut demand = |kind, at_start| demands.push(WebhookDemand { kind, at_start });
    match &webhook.scheme {
        Scheme::Hmac(scheme) => {
            let kind = match scheme.key() {
                SigningKey::ClientSecret => DemandKind::ClientSecret,
                SigningKey::SigningSecret => DemandKind::SigningSecret,
            };
            demand(kind, !scheme.is_given_after_handshake());
        }
        // It is fetched, and again when a key is unknown.
        Scheme::Tink(_) => demand(DemandKind::Keyset, false),
        Scheme::Unsigned => {}
    }
    if webhook.path_secret {
        demand(DemandKind::PathSecret, true);
    }
    if webhook.handshake.as_ref().is_some_and(|handshake| handshake.has_token()) {
        demand(DemandKind::VerifyToken, true);
    }
    if webhook.authorization {
        demand(DemandKind::AuthorizationValue, true);
    }
    if webhook.client_id_header.is_some() {
        demand(DemandKind::ClientId, true);
    }
    if webhook.subscription.is_some() {
        // The provider tells it in the answer that only comes after the handshake.
        demand(DemandKind::SubscriptionId, false);
    }
    if webhook.addresses_published.is_some() {
        demand(DemandKind::Addresses, true);
    }
    demands
}

pub(super) fn check(webhook: &Webhook, secrets: &WebhookSecrets) -> Result<(), Vec<String>> {
    let is_there = |kind| match kind {
        DemandKind::ClientSecret | DemandKind::SigningSecret => !secrets.signing.is_empty(),
        DemandKind::PathSecret => !secrets.path.is_empty(),
        DemandKind::VerifyToken | DemandKind::AuthorizationValue => !secrets.verify.is_empty(),
        DemandKind::ClientId => secrets.client_id.as_ref().is_some_and(|id| !id.is_empty()),
        DemandKind::SubscriptionId => !secrets.subscriptions.is_empty(),
        DemandKind::Keyset => secrets.keyset.is_some(),
        // Not ours to see.
        DemandKind::Addresses => true,
    };
    let missing = of(webhook).into_iter().filter(|demand| demand.at_start && !is_there(demand.kind));
    let mut problems: Vec<String> = missing.map(|demand| format!("{} is missing", demand.kind)).collect();
    if secrets.path.iter().any(|secret| !is_path_secret(secret.expose())) {
        let form = format!("{PATH_CHARS_MIN} to {PATH_CHARS_MAX} of A-Z, a-z, 0-9, _ and -");
        problems.push(format!("{} must be {form}", DemandKind::PathSecret));
    }
    if let Scheme::Hmac(scheme) = &webhook.scheme
        && secrets.signing.iter().any(|secret| scheme.key_bytes(secret).is_none())
    {
        problems.push(format!("{} must be whsec_ and base64", DemandKind::SigningSecret));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn is_path_secret(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    plain && (PATH_CHARS_MIN..=PATH_CHARS_MAX).contains(&text.len())
}
