//! Who is calling: the token (RFC 7519), verified by the issuer's keys (RFC 7517).

mod issuer_key_set;
mod jwks;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use keys::{DeviceId, Pseudonymizer, UserId, UserRef};
use moka::sync::Cache;
use schemas::ProblemCode;
use serde::Deserialize;
use sha2::{Digest, Sha256};

pub use issuer_key_set::IssuerKeySet;
use jwks::Jwks;
pub use jwks::JwksError;

use crate::ApiError;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 * 1024;
/// The longest time from `iat` to `exp`.
const LIFETIME_SECONDS_MAX: i64 = 3_600;
/// How long a verified token is remembered, never past its `exp`.
const CACHE_AGE_MAX: Duration = Duration::from_secs(300);
/// Tokens that are remembered.
const CACHE_TOKENS_MAX: u64 = 100_000;

/// Whose tokens are accepted.
#[derive(Debug, Clone)]
pub struct AuthSettings {
    /// The `iss` that a token must have.
    pub issuer: String,
    /// The `aud` that a token must have, alone or among others.
    pub audience: String,
    /// How far the issuer's clock may be off, in seconds.
    pub leeway_seconds: u64,
}

/// What a token allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Post summaries.
    SyncWrite,
    /// Read one's own rows and events.
    SyncRead,
    /// Enrol and revoke one's own devices.
    DeviceEnroll,
    /// Manage one's account: connections to providers, exports, erasure.
    AccountManage,
}

impl Scope {
    /// The scope's name in the token.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SyncWrite => "sync:write",
            Self::SyncRead => "sync:read",
            Self::DeviceEnroll => "device:enroll",
            Self::AccountManage => "account:manage",
        }
    }
}

/// A verified caller. The user id was needed to find the pseudonym, and is gone.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Whose requests these are.
    pub user: UserRef,
    /// The token's `jti`.
    pub token_id: Option<String>,
    /// The device that the token is for (`did`), where it names one.
    pub device: Option<DeviceId>,
    /// The token's `iat`, unix seconds.
    pub issued_at: i64,
    scopes: String,
    expires_at: i64,
}

impl Caller {
    /// Whether the token carries the scope.
    pub fn has_scope(&self, scope: Scope) -> bool {
        self.scopes.split(' ').any(|carried| carried == scope.as_str())
    }
}

/// What a token says. Everything here is required but what is optional.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    iat: i64,
    exp: i64,
    #[serde(default)]
    scope: String,
    #[serde(default)]
    jti: Option<String>,
    #[serde(default)]
    did: Option<String>,
}

/// Verifies tokens, and remembers those that it verified.
pub struct TokenVerifier {
    key_set: Arc<IssuerKeySet>,
    settings: AuthSettings,
    pseudonyms: Pseudonymizer,
    cache: Cache<[u8; 32], Arc<Caller>>,
}

impl fmt::Debug for TokenVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenVerifier").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl TokenVerifier {
    /// Verifies by these keys.
    pub fn new(settings: AuthSettings, key_set: Arc<IssuerKeySet>, pseudonyms: Pseudonymizer) -> Self {
        let verified = Cache::builder().max_capacity(CACHE_TOKENS_MAX).time_to_live(CACHE_AGE_MAX).build();
        Self { key_set, settings, pseudonyms, cache: verified }
    }

    /// The caller whose token this is.
    pub async fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, ApiError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid_token("is too long"));
        }
        // A hash, not the token: what is remembered must be of no use to whoever reads this memory.
        let name: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        if let Some(caller) = self.cache.get(&name) {
            let past_seconds = now.as_second().saturating_sub(caller.expires_at);
            if past_seconds < 0 {
                return Ok((*caller).clone());
            }
            if past_seconds >= i64::try_from(self.settings.leeway_seconds).unwrap_or(i64::MAX) {
                return Err(invalid_token("has expired"));
            }
            // Memory never answers past `exp`: the leeway is the verification's to give.
        }
        // Nobody's lock is held while a signature is verified.
        let caller = Box::pin(self.verify_uncached(token, now)).await?;
        self.cache.insert(name, Arc::new(caller.clone()));
        Ok(caller)
    }

    async fn verify_uncached(&self, token: &str, now: Timestamp) -> Result<Caller, ApiError> {
        let header = decode_header(token).map_err(|_| invalid_token("is not a signed JWT"))?;
        check_jwt_header(&header)?;
        let jwks = self.jwks_containing(header.kid.as_deref()).await?;
        // The algorithm is the key's, never the token's choice.
        let key =
            jwks.find(header.kid.as_deref()).ok_or_else(|| invalid_token("is signed by an unknown key"))?;
        let mut validation = Validation::new(key.algorithm);
        validation.leeway = self.settings.leeway_seconds;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.settings.issuer]);
        validation.set_audience(&[&self.settings.audience]);
        validation.set_required_spec_claims(&["iss", "aud", "exp", "sub"]);
        let claims = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| invalid_token(invalid_token_reason(&error)))?
            .claims;
        let leeway = i64::try_from(self.settings.leeway_seconds).unwrap_or(i64::MAX);
        if claims.iat > now.as_second().saturating_add(leeway) {
            return Err(invalid_token("was issued in the future"));
        }
        if claims.exp <= claims.iat {
            return Err(invalid_token("expires before it was issued"));
        }
        if claims.exp.saturating_sub(claims.iat) > LIFETIME_SECONDS_MAX {
            return Err(invalid_token("is valid for more than 1 hour"));
        }
        let device = claims.did.map(|did| did.parse());
        let device = device.transpose().map_err(|_| invalid_token("has a did that is no device id"))?;
        let user: UserId = claims.sub.parse().map_err(|_| invalid_token("has a sub that is no user id"))?;
        Ok(Caller {
            user: self.pseudonyms.user_ref(&user),
            token_id: claims.jti,
            device,
            issued_at: claims.iat,
            scopes: claims.scope,
            expires_at: claims.exp,
        })
    }

    /// The key set, fetched anew where it lacks this key.
    async fn jwks_containing(&self, id: Option<&str>) -> Result<Arc<Jwks>, ApiError> {
        let held = self.key_set.current();
        if let Some(jwks) = held
            && jwks.find(id).is_some()
        {
            return Ok(jwks);
        }
        // Rare and large: the requests of every day need no room for it.
        Box::pin(self.key_set.refresh_for_unknown_key()).await;
        self.key_set.current().ok_or_else(|| {
            ApiError::new(ProblemCode::IssuerUnavailable, "The issuer's keys are not known yet. Try again.")
        })
    }
}

/// What a header must not say (RFC 8725, sections 3.1, 3.10 and 3.11; RFC 7515, section 4.1.11).
fn check_jwt_header(header: &Header) -> Result<(), ApiError> {
    if header.crit.is_some() {
        return Err(invalid_token("has critical headers that are not understood"));
    }
    let brings_keys =
        header.jwk.is_some() || header.jku.is_some() || header.x5u.is_some() || header.x5c.is_some();
    if brings_keys {
        return Err(invalid_token("brings its own key"));
    }
    // Explicit typing, where there is a type: not an ID token, not a logout token.
    let is_access_token = header
        .typ
        .as_deref()
        .is_none_or(|typ| ["jwt", "at+jwt", "application/at+jwt"].contains(&&*typ.to_ascii_lowercase()));
    if is_access_token { Ok(()) } else { Err(invalid_token("is of another type")) }
}

fn invalid_token(why: &str) -> ApiError {
    ApiError::new(ProblemCode::InvalidToken, format!("The token {why}."))
}

/// Enough for an honest client to mend itself, and nothing of the token.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "another crate's enum: what is not named here is nobody's business"
)]
fn invalid_token_reason(error: &jsonwebtoken::errors::Error) -> &'static str {
    use jsonwebtoken::errors::ErrorKind;
    match error.kind() {
        ErrorKind::ExpiredSignature => "has expired",
        ErrorKind::ImmatureSignature => "is not valid yet",
        ErrorKind::InvalidIssuer => "is from another issuer",
        ErrorKind::InvalidAudience => "is for another audience",
        ErrorKind::MissingRequiredClaim(_) => "lacks a required claim",
        _ => "does not verify",
    }
}
