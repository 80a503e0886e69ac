//! Standard Webhooks (specification 1.0.0, symmetric signatures): for what this installation sends to others, and for
//! who receives it.
//!
//! What is signed is `{id}.{timestamp}.{body}`; the headers are `webhook-id`, `webhook-timestamp` (seconds) and
//! `webhook-signature`, which can have several signatures with a space between them.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use jiff::Timestamp;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::json_pointer::is_valid_id;
use crate::{webhook, whsec};

/// The delivery's id: the same when it is sent again.
pub const ID_HEADER: HeaderName = HeaderName::from_static("webhook-id");
/// When it was sent, in seconds.
pub const TIMESTAMP_HEADER: HeaderName = HeaderName::from_static("webhook-timestamp");
/// The signatures.
pub const SIGNATURE_HEADER: HeaderName = HeaderName::from_static("webhook-signature");

/// How far the timestamp may be from now, in seconds, to either side.
pub const TOLERANCE_SECONDS: i64 = 300;
/// How long a secret is, in bytes.
const SECRET_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// The most signatures that are compared of one header.
const SIGNATURES_MAX: usize = 16;
const VERSION: &str = "v1";

/// A shared secret: `whsec_` and base64 of 24 to 64 bytes.
#[derive(Clone)]
pub struct StandardWebhookSecret(Zeroizing<Vec<u8>>);

/// The text or the bytes are no such secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook secret is whsec_ and base64 of 24 to 64 bytes")]
pub struct InvalidStandardWebhookSecret;

/// The id can't be signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook id is printable ASCII without spaces and dots, and the timestamp is not before 1970")]
pub struct InvalidSignedHeaders;

/// A delivery that is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StandardWebhookError {
    /// A header is missing, there twice, or not of its form.
    #[error("the webhook's headers are malformed")]
    Malformed,
    /// No signature is right.
    #[error("the webhook's signature is wrong")]
    InvalidSignature,
    /// Rightly signed, and too long ago or too far ahead.
    #[error("the webhook is stale")]
    StaleTimestamp,
}

impl StandardWebhookSecret {
    /// A secret of these bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidStandardWebhookSecret> {
        let fine = SECRET_BYTES.contains(&bytes.len());
        if fine { Ok(Self(Zeroizing::new(bytes.to_vec()))) } else { Err(InvalidStandardWebhookSecret) }
    }

    /// The text to hand to who receives.
    pub fn expose(&self) -> Zeroizing<String> {
        Zeroizing::new(whsec::encode(&self.0))
    }

    /// The signature, as `v1,` and base64.
    pub fn sign(
        &self,
        id: &str,
        timestamp_seconds: i64,
        body: &[u8],
    ) -> Result<String, InvalidSignedHeaders> {
        if !is_signable_id(id) || timestamp_seconds < 0 {
            return Err(InvalidSignedHeaders);
        }
        let signature = self.mac(id, &timestamp_seconds.to_string(), body);
        Ok(format!("{VERSION},{}", BASE64.encode(&signature)))
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("BUG: HMAC takes keys of any length"));
        for piece in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
            mac.update(piece);
        }
        mac.finalize().into_bytes().to_vec()
    }
}

impl FromStr for StandardWebhookSecret {
    type Err = InvalidStandardWebhookSecret;

    fn from_str(text: &str) -> Result<Self, InvalidStandardWebhookSecret> {
        whsec::decode(text, SECRET_BYTES).map(Self).ok_or(InvalidStandardWebhookSecret)
    }
}

impl fmt::Debug for StandardWebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Verifies a delivery and returns its id. Any of the secrets may have made any of the signatures; those of another
/// version are left alone. A wrong signature is refused as such whatever the time.
pub fn verify<'h>(
    headers: &'h HeaderMap,
    body: &[u8],
    secrets: &[StandardWebhookSecret],
    now: Timestamp,
) -> Result<&'h str, StandardWebhookError> {
    let single = |name| webhook::single_header(headers, name).ok_or(StandardWebhookError::Malformed);
    let (id, timestamp, signatures) =
        (single(&ID_HEADER)?, single(&TIMESTAMP_HEADER)?, single(&SIGNATURE_HEADER)?);
    let sent_at = webhook::parse_decimal(timestamp)
        .filter(|_| is_signable_id(id))
        .ok_or(StandardWebhookError::Malformed)?;
    let candidates = parse_signatures(signatures).ok_or(StandardWebhookError::Malformed)?;
    let mut found = Choice::from(0);
    for secret in secrets {
        let signature = secret.mac(id, timestamp, body);
        for candidate in &candidates {
            found |= signature.ct_eq(candidate);
        }
    }
    if !bool::from(found) {
        return Err(StandardWebhookError::InvalidSignature);
    }
    if (now.as_second() - sent_at).abs() > TOLERANCE_SECONDS {
        return Err(StandardWebhookError::StaleTimestamp);
    }
    Ok(id)
}

fn parse_signatures(text: &str) -> Option<Vec<Vec<u8>>> {
    let mut candidates = Vec::new();
    for entry in text.split(' ') {
        let (version, signature) = entry.split_once(',')?;
        if version == VERSION {
            candidates.push(BASE64.decode(signature.as_bytes()).ok()?);
        }
    }
    (candidates.len() <= SIGNATURES_MAX).then_some(candidates)
}

/// The specification: neither the id nor the timestamp may have a dot, or the signed text would be ambiguous.
fn is_signable_id(id: &str) -> bool {
    is_valid_id(id) && id.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'.')
}

#[cfg(test)]
mod tests;
