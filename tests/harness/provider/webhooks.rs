//! Webhooks as each provider sends them, signed by an implementation of our own from the facts, not from the tables.

mod sample_bodies;
mod tink;

use std::path::Path;
use std::sync::Arc;

use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use serde_json::json;
use sha1::Sha1;
use sha2::Sha256;
use uuid::Uuid;

use super::user_agent::bare_request;
use crate::harness::now;
use crate::harness::raw_http::RawRequest;
use tink::TinkKey;

/// The table of [`Scheme::StandardWebhooks`], as `standard.toml` in a folder of providers.
pub(crate) const STANDARD_TABLE: &str = include_str!("webhooks/standard.toml");

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scheme {
    Fitbit,
    GoogleHealth,
    Oura,
    Whoop,
    Withings,
    Polar,
    Garmin,
    Strava,
    Suunto,
    Terra,
    Junction,
    /// No provider's: what anybody's table can say; [`STANDARD_TABLE`] does.
    StandardWebhooks,
}

impl Scheme {
    pub(crate) const ALL: [Self; 12] = [
        Self::Fitbit,
        Self::GoogleHealth,
        Self::Oura,
        Self::Whoop,
        Self::Withings,
        Self::Polar,
        Self::Garmin,
        Self::Strava,
        Self::Suunto,
        Self::Terra,
        Self::Junction,
        Self::StandardWebhooks,
    ];
    /// Nothing proves who sent it but a secret in the path.
    pub(crate) const UNSIGNED: [Self; 2] = [Self::Withings, Self::Garmin];
    /// It says when it was signed.
    pub(crate) const WITH_TIMESTAMP: [Self; 6] =
        [Self::Oura, Self::Whoop, Self::Strava, Self::Terra, Self::Junction, Self::StandardWebhooks];

    fn provider(self) -> &'static str {
        match self {
            Self::Fitbit => "fitbit",
            Self::GoogleHealth => "google_health",
            Self::Oura => "oura",
            Self::Whoop => "whoop",
            Self::Withings => "withings",
            Self::Polar => "polar",
            Self::Garmin => "garmin",
            Self::Strava => "strava",
            Self::Suunto => "suunto",
            Self::Terra => "terra",
            Self::Junction => "junction",
            Self::StandardWebhooks => "standard",
        }
    }
}

/// One thing that a provider tells. Sent twice, it is the same delivery again.
#[derive(Debug, Clone)]
pub(crate) struct ProviderDelivery {
    pub(crate) body: Vec<u8>,
    /// When it is signed.
    pub(crate) signed_at: Timestamp,
    /// The delivery's id, where the scheme has one.
    pub(crate) id: String,
}

impl ProviderDelivery {
    /// Of now, with an id of its own.
    pub(crate) fn new(body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), signed_at: now(), id: format!("msg_{}", Uuid::new_v4().simple()) }
    }

    pub(crate) fn with_signed_at(self, at: Timestamp) -> Self {
        Self { signed_at: at, ..self }
    }

    pub(crate) fn with_id(self, id: &str) -> Self {
        Self { id: id.to_owned(), ..self }
    }
}

/// A provider that sends webhooks, with the secrets that it and we know. Change one, and it is somebody else.
#[derive(Debug, Clone)]
pub(crate) struct WebhookSender {
    pub(crate) scheme: Scheme,
    /// In our path.
    pub(crate) provider: String,
    /// Signs: the client secret or the webhook's own, as the provider has it.
    pub(crate) secret: String,
    /// Fitbit's verify code, Oura's and Strava's verify token, Google's Authorization.
    pub(crate) verify_token: String,
    pub(crate) client_id: String,
    pub(crate) path_secret: Option<String>,
    /// Strava is said to sign by some and not to by others: without, it doesn't.
    pub(crate) has_signature: bool,
    tink_key: Arc<TinkKey>,
}

impl WebhookSender {
    pub(crate) fn new(scheme: Scheme) -> Self {
        let made_up = |kind: &str| format!("{kind}-{}", Uuid::new_v4().simple());
        let in_path = [Scheme::Withings, Scheme::Garmin, Scheme::Strava].contains(&scheme);
        let is_standard = [Scheme::Junction, Scheme::StandardWebhooks].contains(&scheme);
        Self {
            scheme,
            provider: scheme.provider().to_owned(),
            secret: if is_standard {
                format!("whsec_{}", BASE64.encode(Uuid::new_v4().simple().to_string().as_bytes()))
            } else {
                made_up("secret")
            },
            verify_token: if scheme == Scheme::GoogleHealth {
                made_up("Bearer verify")
            } else {
                made_up("verify")
            },
            client_id: made_up("client"),
            path_secret: in_path.then(|| made_up("path")),
            has_signature: true,
            tink_key: Arc::new(TinkKey::generate(0x2a07_c0de)),
        }
    }

    /// The request that carries a notice, as the provider sends it.
    pub(crate) fn request(&self, notice: &ProviderDelivery) -> RawRequest {
        let content_type = if self.scheme == Scheme::Withings {
            "application/x-www-form-urlencoded"
        } else {
            "application/json"
        };
        let mut request = RawRequest { body: notice.body.clone(), ..bare_request("POST", &self.path()) }
            .header("content-type", content_type);
        if self.has_signature {
            for (name, value) in self.signature_headers(notice) {
                request = request.header(name, value);
            }
        }
        request
    }

    /// A notice about a provider's user, made up, of now.
    pub(crate) fn delivery_about(&self, users: &[&str]) -> ProviderDelivery {
        ProviderDelivery::new(sample_bodies::sample_body(self.scheme, users))
    }

    /// What the provider asks before it sends anything, or instead of it; none for those that just send.
    /// `challenge` is what Oura and Strava want to hear again.
    pub(crate) fn handshake(&self, challenge: &str) -> Option<RawRequest> {
        let path = self.path();
        let get = |query: String| Some(bare_request("GET", &format!("{path}?{query}")));
        let post = |body: serde_json::Value| {
            let request = RawRequest { body: body.to_string().into_bytes(), ..bare_request("POST", &path) };
            request.header("content-type", "application/json")
        };
        let verify = &self.verify_token;
        match self.scheme {
            Scheme::Fitbit => get(format!("verify={verify}")),
            Scheme::Oura => get(format!("verification_token={verify}&challenge={challenge}")),
            Scheme::Strava => {
                get(format!("hub.mode=subscribe&hub.verify_token={verify}&hub.challenge={challenge}"))
            }
            Scheme::GoogleHealth => {
                Some(post(json!({ "type": "verification" })).header("authorization", verify.as_str()))
            }
            Scheme::Polar => Some(post(json!({ "event": "PING" }))),
            Scheme::Withings => Some(bare_request("HEAD", &path)),
            Scheme::Whoop
            | Scheme::Garmin
            | Scheme::Suunto
            | Scheme::Terra
            | Scheme::Junction
            | Scheme::StandardWebhooks => None,
        }
    }

    /// With another secret, as in a rotation.
    pub(crate) fn with_secret(&self, secret: &str) -> Self {
        Self { secret: secret.to_owned(), ..self.clone() }
    }

    /// Google's keys, as Google publishes them.
    pub(crate) fn keyset(&self) -> String {
        self.tink_key.keyset()
    }

    /// With another key of Google's kind, of the same id, which no keyset names.
    pub(crate) fn with_other_tink_key(&self) -> Self {
        Self { tink_key: Arc::new(TinkKey::generate(self.tink_key.id)), ..self.clone() }
    }

    /// Writes the secrets into the folder, and returns what SyncWell must be told to know this sender.
    pub(crate) fn environment(&self, folder: &Path) -> Vec<(String, String)> {
        let prefix = format!("SYNCWELL_PROVIDERS__{}", self.provider.to_ascii_uppercase());
        let file = |kind: &str, text: &str| {
            let file = folder.join(format!("{}-{kind}", self.provider));
            std::fs::write(&file, text).unwrap();
            file.to_str().unwrap().to_owned()
        };
        let files = |kind: &str, text: &str| json!([file(kind, text)]).to_string();
        let mut told = Vec::new();
        match self.scheme {
            Scheme::Fitbit | Scheme::Oura | Scheme::Whoop | Scheme::Strava | Scheme::Garmin => {
                told.push(("CLIENT_ID", self.client_id.clone()));
                told.push(("CLIENT_SECRET", self.secret.clone()));
            }
            Scheme::GoogleHealth => told.push(("WEBHOOK_KEYSET_FILE", file("keyset", &self.keyset()))),
            Scheme::Withings => told.push(("WEBHOOK_ADDRESSES", r#"["127.0.0.0/8"]"#.to_owned())),
            Scheme::Polar | Scheme::Suunto | Scheme::Terra | Scheme::Junction | Scheme::StandardWebhooks => {
                told.push(("WEBHOOK_SECRET_FILES", files("secret", &self.secret)));
            }
        }
        if [Scheme::Fitbit, Scheme::Oura, Scheme::Strava, Scheme::GoogleHealth].contains(&self.scheme) {
            told.push(("WEBHOOK_VERIFY_FILES", files("verify", &self.verify_token)));
        }
        if let Some(secret) = &self.path_secret {
            told.push(("WEBHOOK_PATH_SECRET_FILES", files("path", secret)));
        }
        told.into_iter().map(|(key, value)| (format!("{prefix}__{key}"), value)).collect()
    }

    fn path(&self) -> String {
        let secret = self.path_secret.as_ref().map(|secret| format!("/{secret}")).unwrap_or_default();
        format!("/v1/webhooks/{}{secret}", self.provider)
    }

    /// The headers by which the provider shows that it is the provider.
    fn signature_headers(&self, notice: &ProviderDelivery) -> Vec<(&'static str, String)> {
        let body = notice.body.as_slice();
        let (seconds, milliseconds) =
            (notice.signed_at.as_second().to_string(), notice.signed_at.as_millisecond().to_string());
        let key = self.secret.as_bytes();
        match self.scheme {
            Scheme::Fitbit => {
                let mut mac = Hmac::<Sha1>::new_from_slice(format!("{}&", self.secret).as_bytes()).unwrap();
                mac.update(body);
                vec![("x-fitbit-signature", BASE64.encode(&mac.finalize().into_bytes()))]
            }
            Scheme::GoogleHealth => vec![
                ("authorization", self.verify_token.clone()),
                ("x-healthapi-signature", BASE64.encode(&self.tink_key.sign(body))),
            ],
            Scheme::Oura => vec![
                ("x-oura-signature", HEXUPPER.encode(&hmac_sha256(key, &[seconds.as_bytes(), body]))),
                ("x-oura-timestamp", seconds),
            ],
            Scheme::Whoop => vec![
                ("x-whoop-signature", BASE64.encode(&hmac_sha256(key, &[milliseconds.as_bytes(), body]))),
                ("x-whoop-signature-timestamp", milliseconds),
            ],
            Scheme::Polar => vec![
                ("polar-webhook-event", "EXERCISE".to_owned()),
                ("polar-webhook-signature", HEXLOWER.encode(&hmac_sha256(key, &[body]))),
            ],
            Scheme::Suunto => {
                vec![("x-hmac-sha256-signature", HEXLOWER.encode(&hmac_sha256(key, &[body])))]
            }
            Scheme::Strava | Scheme::Terra => {
                let name =
                    if self.scheme == Scheme::Strava { "x-strava-signature" } else { "terra-signature" };
                let signed = HEXLOWER.encode(&hmac_sha256(key, &[seconds.as_bytes(), b".", body]));
                vec![(name, format!("t={seconds},v1={signed}"))]
            }
            Scheme::Junction => standard_webhooks_headers(
                ["svix-id", "svix-timestamp", "svix-signature"],
                &self.secret,
                notice,
            ),
            Scheme::StandardWebhooks => standard_webhooks_headers(
                ["webhook-id", "webhook-timestamp", "webhook-signature"],
                &self.secret,
                notice,
            ),
            Scheme::Garmin => vec![("garmin-client-id", self.client_id.clone())],
            Scheme::Withings => Vec::new(),
        }
    }
}

fn hmac_sha256(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

/// Standard Webhooks, under the names of its headers: id, timestamp, signature.
fn standard_webhooks_headers(
    names: [&'static str; 3],
    secret: &str,
    notice: &ProviderDelivery,
) -> Vec<(&'static str, String)> {
    let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap_or(secret).as_bytes()).unwrap();
    let (id, seconds) = (&notice.id, notice.signed_at.as_second().to_string());
    let signed = hmac_sha256(&key, &[format!("{id}.{seconds}.").as_bytes(), &notice.body]);
    let values = [id.clone(), seconds, format!("v1,{}", BASE64.encode(&signed))];
    names.into_iter().zip(values).collect()
}
