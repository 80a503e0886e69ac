//! The development issuer: tokens and signing keys without an identity provider. For one machine, never for production:
//! whoever holds its key is every user.

use anyhow::Context;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use client::Credentials;
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use keys::{KeyHolder, Pseudonymizer, SigningKeys, UserId, VersionedSecrets, create_private_file};
use runtime::system_clock;
use serde_json::json;
use uuid::Uuid;

use crate::data_dir::{DataDir, ignore_already_exists};
use crate::exit_code::UsageError;

/// The `iss` of development tokens.
pub(crate) const DEV_ISSUER: &str = "syncwell-development";
/// The `aud` that is expected unless the configuration says otherwise.
pub(crate) const DEV_AUDIENCE: &str = "syncwell";
const DEV_KEY_ID: &str = "development";

/// Signs development tokens.
pub(crate) struct DevIssuer {
    pkcs8: Vec<u8>,
}

impl DevIssuer {
    /// Makes the issuer's key, unless it is there, and publishes its key set.
    pub(crate) fn create(home: &DataDir) -> anyhow::Result<()> {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new())
            .context("an issuer's key could not be made")?;
        ignore_already_exists(create_private_file(&home.secret_file("issuer.pk8"), pkcs8.as_ref()))?;
        std::fs::write(home.path("jwks.json"), Self::read(home)?.jwks())
            .context("jwks.json could not be written")
    }

    fn read(home: &DataDir) -> anyhow::Result<Self> {
        let file = home.secret_file("issuer.pk8");
        let pkcs8 = std::fs::read(&file).with_context(|| {
            format!("{} can't be read; `syncwell up` makes development keys on first use", file.display())
        })?;
        Ok(Self { pkcs8 })
    }

    /// The public key set.
    fn jwks(&self) -> String {
        let public = Ed25519KeyPair::from_pkcs8(&self.pkcs8)
            .map(|pair| BASE64URL_NOPAD.encode(pair.public_key().as_ref()));
        let key = json!({
            "kty": "OKP", "crv": "Ed25519", "kid": DEV_KEY_ID, "alg": "EdDSA", "use": "sig", "x": public.unwrap_or_default(),
        });
        json!({ "keys": [key] }).to_string()
    }

    fn token(
        &self,
        user: &UserId,
        scope: &str,
        device: Option<&str>,
        ttl_seconds: i64,
        issued_ago_seconds: i64,
    ) -> anyhow::Result<String> {
        let now = system_clock().as_second() - issued_ago_seconds;
        let mut claims = json!({
            "iss": DEV_ISSUER, "aud": DEV_AUDIENCE, "sub": user.reveal(), "iat": now, "exp": now + ttl_seconds,
            "scope": scope, "jti": Uuid::new_v4().simple().to_string(),
        });
        if let Some(device) = device {
            claims["did"] = device.into();
        }
        let header = Header { kid: Some(DEV_KEY_ID.to_owned()), ..Header::new(Algorithm::EdDSA) };
        Ok(encode(&header, &claims, &EncodingKey::from_ed_der(&self.pkcs8))?)
    }
}

/// Gives out credentials for any user.
pub(crate) struct CredentialIssuer {
    issuer: DevIssuer,
    pseudonyms: Pseudonymizer,
    signing_keys: SigningKeys,
    base_url: String,
    issued_ago_seconds: i64,
}

impl CredentialIssuer {
    /// With the keys of this data folder, for the API at `base_url`.
    pub(crate) fn new(home: &DataDir, base_url: String) -> anyhow::Result<Self> {
        let (_, pseudonym) = VersionedSecrets::read(&home.secret_file("pseudonym"))?.to_current();
        Ok(Self {
            issuer: DevIssuer::read(home)?,
            pseudonyms: Pseudonymizer::new(pseudonym),
            signing_keys: SigningKeys::new(VersionedSecrets::read(&home.secret_file("signing"))?),
            base_url,
            issued_ago_seconds: 0,
        })
    }

    /// Has tokens say that they were issued so long ago.
    pub(crate) fn with_issued_ago(self, issued_ago_seconds: i64) -> Self {
        Self { issued_ago_seconds, ..self }
    }

    /// Credentials for a user.
    pub(crate) fn issue(
        &self,
        user: &str,
        scope: &str,
        device: Option<&str>,
        ttl_seconds: i64,
    ) -> anyhow::Result<Credentials> {
        let id: UserId = user.parse().map_err(|error| UsageError(format!("--user: {error}")))?;
        let key_id = self.signing_keys.current_id(KeyHolder::User);
        let key = self.signing_keys.key(&self.pseudonyms.user_ref(&id), key_id).context("no signing key")?;
        Ok(Credentials {
            user: user.to_owned(),
            base_url: self.base_url.clone(),
            token: self.issuer.token(&id, scope, device, ttl_seconds, self.issued_ago_seconds)?,
            key_id: key_id.to_string(),
            signing_key_hex: key.to_hex().to_string(),
        })
    }
}
