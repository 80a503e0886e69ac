//! Signing (contract, section 4).

use bytes::Bytes;
use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

/// A phone's signing key.
#[derive(Clone)]
pub struct PhoneSigningKey(Zeroizing<Vec<u8>>);

impl PhoneSigningKey {
    /// From 64 characters of lowercase hex.
    pub fn from_hex(hex: &str) -> Option<Self> {
        let key = HEXLOWER.decode(hex.as_bytes()).ok()?;
        (key.len() == 32).then(|| Self(Zeroizing::new(key)))
    }
}

/// A request that was signed: what must be sent, and sent again, byte for byte.
#[derive(Clone)]
pub struct SignedPost {
    /// The body.
    pub body: Bytes,
    /// The value of `X-Sync-Timestamp`.
    pub timestamp: String,
    /// The value of `X-Sync-Signature`.
    pub signature: String,
}

/// Signs a body at a time: HMAC-SHA-256 over the timestamp as spelled, a dot, and the body.
pub fn sign(key: &PhoneSigningKey, timestamp: impl Into<String>, body: impl Into<Bytes>) -> SignedPost {
    let (timestamp, body) = (timestamp.into(), body.into());
    let mut mac =
        Hmac::<Sha256>::new_from_slice(&key.0).unwrap_or_else(|_| unreachable!("BUG: HMAC takes any key"));
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(&body);
    let signature = HEXLOWER.encode(&mac.finalize().into_bytes());
    SignedPost { body, timestamp, signature }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_signature() {
        let key = PhoneSigningKey::from_hex(&"05".repeat(32)).unwrap();
        // Computed once with Python's hmac module.
        assert_eq!(
            sign(&key, "1771286385", "{}").signature,
            "3e15cf4e935e43fad0faf7bdb1121e4899f79c12a747f154cf01ef765f8ed755"
        );
        assert!(
            PhoneSigningKey::from_hex("05").is_none() && PhoneSigningKey::from_hex(&"G".repeat(64)).is_none()
        );
    }
}
