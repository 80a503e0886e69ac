//! A provider's callbacks: is it them, is it fresh, and whom is it about.
//!
//! One order for all, so that nothing is answered before it is earned: the path's secret, then the signature (or what
//! stands in for one), then the timestamp, and only then the parts of the body that are read. Handshakes are the
//! exception that providers force: some are sent before there is a secret. They answer nothing but what was sent and
//! change nothing.
//!
//! The bytes that count are those that came. Nothing is decoded and encoded again, neither for the signature nor for
//! what is kept.

mod delivery;
mod error;
mod form_parameter;
mod handshake;
mod hmac_scheme;
mod protobuf;
mod request;
mod requirements;
mod secrets;
mod signed_content;
mod single_header;
mod table_section;
mod timestamp;
mod tink_keyset;
mod tink_scheme;
mod user_split;

use http::HeaderName;
use subtle::{Choice, ConstantTimeEq};

pub use delivery::{Delivery, DeliveryPart, VerifiedWebhook, WebhookResponse};
pub use error::WebhookError;
pub use hmac_scheme::SigningSecretKind;
pub use request::{WebhookMethod, WebhookRequest};
pub use requirements::{WebhookRequirement, WebhookRequirementKind};
pub use secrets::{InvalidSecret, Secret, WebhookSecrets};
pub use tink_keyset::{TinkKeyset, TinkKeysetError};

pub(crate) use single_header::single_header;
pub(crate) use timestamp::parse_decimal;

use crate::JsonPointer;
use handshake::Handshake;
use hmac_scheme::HmacScheme;
use tink_scheme::TinkScheme;
use user_split::UserLocation;

/// A provider's webhook scheme.
#[derive(Debug, Clone)]
pub struct ProviderWebhook {
    /// The callback's path must have a secret in it.
    pub is_path_secret_required: bool,
    /// What an accepted delivery is answered with.
    pub reply_status: u16,
    /// What a wrong signature is answered with.
    pub refused_status: u16,
    /// Where the provider publishes the addresses that it sends from. If it does, an operator must configure them.
    pub addresses_published: Option<String>,
    /// The limit for each of the configured addresses: a provider sends for all of its users from a few.
    pub requests_per_5_minutes: Option<u32>,
    signature_scheme: SignatureScheme,
    /// The `Authorization` header must be one of the verify values.
    is_authorization_required: bool,
    /// A header that must be the client id. It is no secret, but costs who guesses one more thing.
    client_id_header: Option<HeaderName>,
    /// Where the subscription's id stands, which must be ours if nothing signed the body.
    subscription_pointer: Option<JsonPointer>,
    user_location: UserLocation,
    handshake: Option<Handshake>,
}

/// How a delivery is signed.
#[derive(Debug, Clone)]
enum SignatureScheme {
    Hmac(HmacScheme),
    Tink(TinkScheme),
    /// Not at all: the path's secret is all there is.
    Unsigned,
}

/// What a right signature vouches for.
#[derive(Debug)]
struct SignatureEvidence {
    id: Option<String>,
    evidence_headers: Vec<(String, String)>,
}

impl ProviderWebhook {
    /// What must be configured for it.
    pub fn requirements(&self) -> Vec<WebhookRequirement> {
        requirements::requirements_of(self)
    }

    /// Says what is missing or unfit among the secrets that must be there when the installation starts.
    pub fn check_secrets(&self, secrets: &WebhookSecrets) -> Result<(), Vec<String>> {
        requirements::check_secrets(self, secrets)
    }

    /// Which of the configured secrets signs, if one does: what [`WebhookSecrets::signing`] is to be filled with.
    pub fn signing_secret_kind(&self) -> Option<SigningSecretKind> {
        match &self.signature_scheme {
            SignatureScheme::Hmac(scheme) => Some(scheme.secret_kind()),
            SignatureScheme::Tink(_) | SignatureScheme::Unsigned => None,
        }
    }

    /// Where the provider publishes the keys that it signs with, if it signs with such: what
    /// [`WebhookSecrets::keyset`] is to be fetched from.
    pub fn keyset_url(&self) -> Option<&url::Url> {
        match &self.signature_scheme {
            SignatureScheme::Tink(scheme) => Some(scheme.keyset_url()),
            SignatureScheme::Hmac(_) | SignatureScheme::Unsigned => None,
        }
    }

    /// Judges one request.
    pub fn verify(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<VerifiedWebhook, WebhookError> {
        self.check_path_secret(secrets, request)?;
        if let Some(answer) =
            self.handshake.as_ref().and_then(|handshake| handshake.respond(secrets, request))
        {
            return answer.map(VerifiedWebhook::Handshake);
        }
        if request.method != WebhookMethod::Post {
            return Err(WebhookError::MethodNotAllowed);
        }
        let signature = WebhookError::InvalidSignature { status: self.refused_status };
        if !self.has_authorization(secrets, request) || !self.has_client_id(secrets, request)? {
            return Err(signature);
        }
        if self.handshake.as_ref().is_some_and(|handshake| handshake.is_authorized_probe(request.body)) {
            return Ok(VerifiedWebhook::Handshake(WebhookResponse::empty(200)));
        }
        let vouched = match &self.signature_scheme {
            SignatureScheme::Hmac(scheme) => scheme.verify(secrets, request, self.refused_status)?,
            SignatureScheme::Tink(scheme) => Some(scheme.verify(secrets, request, self.refused_status)?),
            SignatureScheme::Unsigned => None,
        };
        let vouched = match vouched {
            Some(vouched) => vouched,
            None => {
                self.check_subscription(secrets, request.body)?;
                SignatureEvidence { id: None, evidence_headers: Vec::new() }
            }
        };
        let parts = self.user_location.split_by_user(request.body)?;
        let SignatureEvidence { id, evidence_headers } = vouched;
        Ok(VerifiedWebhook::Delivery(Delivery {
            id,
            parts,
            evidence_headers,
            response: WebhookResponse::empty(self.reply_status),
        }))
    }

    fn check_path_secret(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<(), WebhookError> {
        let right = match request.path_secret {
            Some(claimed) => is_one_of(claimed.as_bytes(), &secrets.path),
            // Once there is a secret nobody comes in without it, whether the table demands one or not.
            None => !self.is_path_secret_required && secrets.path.is_empty(),
        };
        if right { Ok(()) } else { Err(WebhookError::InvalidPathSecret) }
    }

    fn has_authorization(&self, secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> bool {
        let claimed =
            || single_header::try_single_header(request.headers, &http::header::AUTHORIZATION).ok().flatten();
        !self.is_authorization_required
            || claimed().is_some_and(|claimed| is_one_of(claimed.as_bytes(), &secrets.verify))
    }

    fn has_client_id(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<bool, WebhookError> {
        let Some(name) = &self.client_id_header else { return Ok(true) };
        let id = secrets.client_id.as_ref().ok_or(WebhookError::NotConfigured("the client id"))?;
        let claimed = single_header::try_single_header(request.headers, name).ok().flatten();
        Ok(claimed.is_some_and(|claimed| claimed.as_bytes().ct_eq(id.as_bytes()).into()))
    }

    fn check_subscription(&self, secrets: &WebhookSecrets, body: &[u8]) -> Result<(), WebhookError> {
        let Some(pointer) = &self.subscription_pointer else { return Ok(()) };
        if secrets.subscriptions.is_empty() {
            return Err(WebhookError::NotConfigured("the subscription's id"));
        }
        let body =
            serde_json::from_slice(body).map_err(|_| WebhookError::Malformed("the body is not JSON"))?;
        let claimed = pointer.resolve_id(&body).ok().flatten();
        let claimed = claimed.ok_or(WebhookError::Malformed("the body has no subscription id"))?;
        if secrets.subscriptions.contains(&claimed) {
            Ok(())
        } else {
            Err(WebhookError::InvalidSignature { status: self.refused_status })
        }
    }
}

/// Whether it is one of the secrets. All of them are compared, so that the time tells nothing of which.
fn is_one_of(claimed: &[u8], secrets: &[Secret]) -> bool {
    let found = secrets.iter().fold(Choice::from(0), |found, secret| found | secret.bytes().ct_eq(claimed));
    found.into()
}

#[cfg(test)]
mod tests;
