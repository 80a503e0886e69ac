//! What an operator must configure for a provider's webhook.

use std::fmt;

use super::hmac_scheme::SigningSecretKind;
use super::{ProviderWebhook, SignatureScheme, WebhookSecrets};

/// The shortest path secret: 22 characters of base64 are 128 bits.
const PATH_SECRET_CHARS_MIN: usize = 22;
/// The longest: the callback's whole URL may have 255 characters at Withings.
const PATH_SECRET_CHARS_MAX: usize = 128;

/// Something that must be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WebhookRequirement {
    /// What.
    pub kind: WebhookRequirementKind,
    /// Whether it must be there at the start. If not, the provider makes it known later: until it is there, deliveries
    /// are refused with [`super::WebhookError::NotConfigured`].
    pub is_required_at_start: bool,
}

/// What must be configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WebhookRequirementKind {
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

impl fmt::Display for WebhookRequirementKind {
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

pub(super) fn requirements_of(webhook: &ProviderWebhook) -> Vec<WebhookRequirement> {
    let mut demands = Vec::new();
    let mut demand =
        |kind, at_start| demands.push(WebhookRequirement { kind, is_required_at_start: at_start });
    match &webhook.signature_scheme {
        SignatureScheme::Hmac(scheme) => {
            let kind = match scheme.secret_kind() {
                SigningSecretKind::ClientSecret => WebhookRequirementKind::ClientSecret,
                SigningSecretKind::SigningSecret => WebhookRequirementKind::SigningSecret,
            };
            demand(kind, !scheme.is_key_issued_after_handshake());
        }
        // It is fetched, and again when a key is unknown.
        SignatureScheme::Tink(_) => demand(WebhookRequirementKind::Keyset, false),
        SignatureScheme::Unsigned => {}
    }
    if webhook.is_path_secret_required {
        demand(WebhookRequirementKind::PathSecret, true);
    }
    if webhook.handshake.as_ref().is_some_and(|handshake| handshake.has_verify_token()) {
        demand(WebhookRequirementKind::VerifyToken, true);
    }
    if webhook.is_authorization_required {
        demand(WebhookRequirementKind::AuthorizationValue, true);
    }
    if webhook.client_id_header.is_some() {
        demand(WebhookRequirementKind::ClientId, true);
    }
    if webhook.subscription_pointer.is_some() {
        // The provider tells it in the answer that only comes after the handshake.
        demand(WebhookRequirementKind::SubscriptionId, false);
    }
    if webhook.addresses_published.is_some() {
        demand(WebhookRequirementKind::Addresses, true);
    }
    demands
}

pub(super) fn check_secrets(webhook: &ProviderWebhook, secrets: &WebhookSecrets) -> Result<(), Vec<String>> {
    let is_there = |kind| match kind {
        WebhookRequirementKind::ClientSecret | WebhookRequirementKind::SigningSecret => {
            !secrets.signing.is_empty()
        }
        WebhookRequirementKind::PathSecret => !secrets.path.is_empty(),
        WebhookRequirementKind::VerifyToken | WebhookRequirementKind::AuthorizationValue => {
            !secrets.verify.is_empty()
        }
        WebhookRequirementKind::ClientId => secrets.client_id.as_ref().is_some_and(|id| !id.is_empty()),
        WebhookRequirementKind::SubscriptionId => !secrets.subscriptions.is_empty(),
        WebhookRequirementKind::Keyset => secrets.keyset.is_some(),
        // Not ours to see.
        WebhookRequirementKind::Addresses => true,
    };
    let missing = requirements_of(webhook)
        .into_iter()
        .filter(|demand| demand.is_required_at_start && !is_there(demand.kind));
    let mut problems: Vec<String> = missing.map(|demand| format!("{} is missing", demand.kind)).collect();
    if secrets.path.iter().any(|secret| !is_valid_path_secret(secret.expose())) {
        let form = format!("{PATH_SECRET_CHARS_MIN} to {PATH_SECRET_CHARS_MAX} of A-Z, a-z, 0-9, _ and -");
        problems.push(format!("{} must be {form}", WebhookRequirementKind::PathSecret));
    }
    if let SignatureScheme::Hmac(scheme) = &webhook.signature_scheme
        && secrets.signing.iter().any(|secret| scheme.key_bytes(secret).is_none())
    {
        problems.push(format!("{} must be whsec_ and base64", WebhookRequirementKind::SigningSecret));
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

fn is_valid_path_secret(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    plain && (PATH_SECRET_CHARS_MIN..=PATH_SECRET_CHARS_MAX).contains(&text.len())
}
