//! A provider's callbacks: is it them, is it fresh, and whom is it about.
//!
//! One order for all, so that nothing is answered before it is earned: the path's secret, then the signature (or what
//! stands in for one), then the timestamp, and only then the parts of the body that are read. Handshakes are the
//! exception that providers force: some are sent before there is a secret. They answer nothing but what was sent and
//! change nothing.
//!
//! The bytes that count are those that came. Nothing is decoded and encoded again, neither for the signature nor for
//! what is kept.

mod demand;
mod handshake;
mod header;
mod hmac_scheme;
mod keyset;
mod parameter;
mod protobuf;
mod received;
mod refusal;
mod request;
mod secrets;
mod table;
mod template;
mod timestamp;
mod tink_scheme;
mod users;

use http::HeaderName;
use subtle::{Choice, ConstantTimeEq};

pub use demand::{DemandKind, WebhookDemand};
pub use hmac_scheme::SigningKey;
pub use keyset::{TinkKeyset, TinkKeysetError};
pub use received::{Delivery, DeliveryPart, Received, WebhookReply};
pub use refusal::WebhookRefusal;
pub use request::{WebhookMethod, WebhookRequest};
pub use secrets::{NotASecret, Secret, WebhookSecrets};

pub(crate) use header::single_header;
pub(crate) use timestamp::digits;

use crate::JsonPointer;
use handshake::Handshake;
use hmac_scheme::HmacScheme;
use tink_scheme::TinkScheme;
use users::Users;

/// A provider's webhook scheme.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// The callback's path must have a secret in it.
    pub path_secret: bool,
    /// What an accepted delivery is answered with.
    pub reply_status: u16,
    /// What a wrong signature is answered with.
    pub refused_status: u16,
    /// Where the provider publishes the addresses that it sends from. If it does, an operator must configure them.
    pub addresses_published: Option<String>,
    /// The limit for each of the configured addresses: a provider sends for all of its users from a few.
    pub requests_per_5_minutes: Option<u32>,
    scheme: Scheme,
    /// The `Authorization` header must be one of the verify values.
    authorization: bool,
    /// A header that must be the client id. It is no secret, but costs who guesses one more thing.
    client_id_header: Option<HeaderName>,
    /// Where the subscription's id stands, which must be ours if nothing signed the body.
    subscription: Option<JsonPointer>,
    users: Users,
    handshake: Option<Handshake>,
}

/// How a delivery is signed.
#[derive(Debug, Clone)]
enum Scheme {
    Hmac(HmacScheme),
    Tink(TinkScheme),
    /// Not at all: the path's secret is all there is.
    Unsigned,
}

/// What a right signature vouches for.
#[derive(Debug)]
struct Vouched {
    id: Option<String>,
    evidence_headers: Vec<(String, String)>,
}

impl Webhook {
    /// What must be configured for it.
    pub fn demands(&self) -> Vec<WebhookDemand> {
        demand::of(self)
    }

    /// Says what is missing or unfit among the secrets that must be there when the installation starts.
    pub fn check(&self, secrets: &WebhookSecrets) -> Result<(), Vec<String>> {
        demand::check(self, secrets)
    }

    /// Which of the configured secrets signs, if one does: what [`WebhookSecrets::signing`] is to be filled with.
    pub fn signing_key(&self) -> Option<SigningKey> {
        match &self.scheme {
            Scheme::Hmac(scheme) => Some(scheme.key()),
            Scheme::Tink(_) | Scheme::Unsigned => None,
        }
    }

    /// Where the provider publishes the keys that it signs with, if it signs with such: what
    /// [`WebhookSecrets::keyset`] is to be fetched from.
    pub fn keyset_url(&self) -> Option<&url::Url> {
        match &self.scheme {
            Scheme::Tink(scheme) => Some(scheme.keyset_url()),
            Scheme::Hmac(_) | Scheme::Unsigned => None,
        }
    }

    /// Judges one request.
    pub fn receive(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<Received, WebhookRefusal> {
        self.check_path(secrets, request)?;
        if let Some(answer) = self.handshake.as_ref().and_then(|handshake| handshake.answer(secrets, request))
        {
            return answer.map(Received::Handshake);
        }
        if request.method != WebhookMethod::Post {
            return Err(WebhookRefusal::Method);
        }
        let signature = WebhookRefusal::Signature { status: self.refused_status };
        if !self.has_authorization(secrets, request) || !self.has_client_id(secrets, request)? {
            return Err(signature);
        }
        if self.handshake.as_ref().is_some_and(|handshake| handshake.is_authorized_probe(request.body)) {
            return Ok(Received::Handshake(WebhookReply::empty(200)));
        }
        let vouched = match &self.scheme {
            Scheme::Hmac(scheme) => scheme.verify(secrets, request, self.refused_status)?,
            Scheme::Tink(scheme) => Some(scheme.verify(secrets, request, self.refused_status)?),
            Scheme::Unsigned => None,
        };
        let vouched = match vouched {
            Some(vouched) => vouched,
            None => {
                self.check_subscription(secrets, request.body)?;
                Vouched { id: None, evidence_headers: Vec::new() }
            }
        };
        let parts = self.users.split(request.body)?;
        let Vouched { id, evidence_headers } = vouched;
        Ok(Received::Delivery(Delivery {
            id,
            parts,
            evidence_headers,
            reply: WebhookReply::empty(self.reply_status),
        }))
    }

    fn check_path(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<(), WebhookRefusal> {
        let right = match request.path_secret {
            Some(claimed) => is_one_of(claimed.as_bytes(), &secrets.path),
            // Once there is a secret nobody comes in without it, whether the table demands one or not.
            None => !self.path_secret && secrets.path.is_empty(),
        };
        if right { Ok(()) } else { Err(WebhookRefusal::WrongPath) }
    }

    fn has_authorization(&self, secrets: &WebhookSecrets, request: &WebhookRequest<'_>) -> bool {
        let claimed = || header::single(request.headers, &http::header::AUTHORIZATION).ok().flatten();
        !self.authorization || claimed().is_some_and(|claimed| is_one_of(claimed.as_bytes(), &secrets.verify))
    }

    fn has_client_id(
        &self,
        secrets: &WebhookSecrets,
        request: &WebhookRequest<'_>,
    ) -> Result<bool, WebhookRefusal> {
        let Some(name) = &self.client_id_header else { return Ok(true) };
        let id = secrets.client_id.as_ref().ok_or(WebhookRefusal::NotConfigured("the client id"))?;
        let claimed = header::single(request.headers, name).ok().flatten();
        Ok(claimed.is_some_and(|claimed| claimed.as_bytes().ct_eq(id.as_bytes()).into()))
    }

    fn check_subscription(&self, secrets: &WebhookSecrets, body: &[u8]) -> Result<(), WebhookRefusal> {
        let Some(pointer) = &self.subscription else { return Ok(()) };
        if secrets.subscriptions.is_empty() {
            return Err(WebhookRefusal::NotConfigured("the subscription's id"));
        }
        let body =
            serde_json::from_slice(body).map_err(|_| WebhookRefusal::Malformed("the body is not JSON"))?;
        let claimed = pointer.id(&body).ok().flatten();
        let claimed = claimed.ok_or(WebhookRefusal::Malformed("the body has no subscription id"))?;
        if secrets.subscriptions.contains(&claimed) {
            Ok(())
        } else {
            Err(WebhookRefusal::Signature { status: self.refused_status })
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
