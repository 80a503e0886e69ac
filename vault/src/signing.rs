//! The keys that phones sign with (contract, section 4).
//!
//! A signing key is derived by HKDF-SHA-256 (RFC 5869) from a versioned master secret, so nothing secret is stored
//! per user and verification costs no look-up. A key id names the master's version and what the key is for:
//! `<version>.default` is the user's default key.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use hkdf::Hkdf;
use hmac::Mac;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::UserRef;
use crate::files::VersionedSecrets;
use crate::pseudonym::hmac_sha256;

/// Which key signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SigningKeyId {
    version: u32,
}

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.default", self.version)
    }
}

impl FromStr for SigningKeyId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let version = text.strip_suffix(".default").ok_or(())?.parse().map_err(|_| ())?;
        let id = Self { version };
        // One spelling per key: "01.default" and "+1.default" are not names that we gave.
        if id.to_string() == text { Ok(id) } else { Err(()) }
    }
}

/// The bytes of an HMAC-SHA-256.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Signature([u8; 32]);

impl Signature {
    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads 64 characters of lowercase hex.
    pub fn from_hex(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        (text.len() == 64 && HEXLOWER.decode_mut(text.as_bytes(), &mut bytes).is_ok()).then_some(Self(bytes))
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A key that signs requests.
pub struct SigningKey(Zeroizing<[u8; 32]>);

impl SigningKey {
    /// HMAC-SHA-256 over the timestamp as the header spells it, a dot, and the body as sent.
    pub fn sign(&self, timestamp: &str, body: &[u8]) -> Signature {
        Signature(self.mac(timestamp, body).finalize().into_bytes().into())
    }

    /// Compares in constant time.
    pub fn verifies(&self, timestamp: &str, body: &[u8], signature: &Signature) -> bool {
        self.mac(timestamp, body).verify_slice(&signature.0).is_ok()
    }

    /// The key as a phone is given it.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(HEXLOWER.encode(&*self.0))
    }

    fn mac(&self, timestamp: &str, body: &[u8]) -> hmac::Hmac<Sha256> {
        let mut mac = hmac_sha256(&*self.0);
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        mac
    }
}

/// The masters from which signing keys are derived.
#[derive(Clone, Debug)]
pub struct SigningKeys(VersionedSecrets);

impl SigningKeys {
    /// From the versioned master secrets; the newest is what default keys are given out from.
    pub fn new(masters: VersionedSecrets) -> Self {
        Self(masters)
    }

    /// The id of a default key of today.
    pub fn current_id(&self) -> SigningKeyId {
        SigningKeyId { version: self.0.current().0 }
    }

    /// The ids under which a request without a key id may be signed, newest first.
    pub fn default_ids(&self) -> impl Iterator<Item = SigningKeyId> + '_ {
        self.0.versions().map(|version| SigningKeyId { version })
    }

    /// The user's key with this id, where its master is still held.
    pub fn key(&self, user: &UserRef, id: SigningKeyId) -> Option<SigningKey> {
        let master = self.0.get(id.version)?;
        let mut info = Vec::with_capacity(64);
        info.extend_from_slice(b"syncwell.signing-key.v1");
        info.extend_from_slice(user.as_bytes());
        info.extend_from_slice(&id.version.to_be_bytes());
        info.extend_from_slice(b"default");
        let mut key = Zeroizing::new([0; 32]);
        Hkdf::<Sha256>::new(None, master)
            .expand(&info, &mut *key)
            .unwrap_or_else(|_| unreachable!("BUG: HKDF gives up to 8160 bytes"));
        Some(SigningKey(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(version: u32) -> SigningKeys {
        SigningKeys::new(VersionedSecrets::single(version, Zeroizing::new([5; 32])))
    }

    #[test]
    fn golden_key_and_signature() {
        let user = UserRef::from_bytes([1; 16]);
        let key = keys(1).key(&user, "1.default".parse().unwrap()).unwrap();
        // Computed once with Python's hmac module (HKDF by hand after RFC 5869).
        assert_eq!(*key.to_hex(), "a72efa63386a7c442e09692813b01710881449341e36bb63651289aacb170c50");
        assert_eq!(
            key.sign("1771286385", b"{}").to_string(),
            "df93647d3ca8134414ad6a64eea1f1c7c2e74a485e023a829e531d89b5ec7d4c"
        );
    }

    #[test]
    fn a_signature_is_of_its_key_timestamp_and_body() {
        let user = UserRef::from_bytes([1; 16]);
        let id = keys(1).current_id();
        let key = keys(1).key(&user, id).unwrap();
        let signature = key.sign("1", b"body");
        assert!(key.verifies("1", b"body", &signature));
        assert!(!key.verifies("2", b"body", &signature));
        assert!(!key.verifies("1", b"bodY", &signature));
        assert!(!keys(1).key(&UserRef::from_bytes([2; 16]), id).unwrap().verifies("1", b"body", &signature));
        assert!(keys(2).key(&user, id).is_none(), "a master that is not held has no keys");
    }

    #[test]
    fn ids_and_signatures_have_one_spelling() {
        for wrong in
            ["", "1", "default", "01.default", "+1.default", "-1.default", "1.Default", "4294967296.default"]
        {
            assert!(wrong.parse::<SigningKeyId>().is_err(), "{wrong}");
        }
        let hex = "ab".repeat(32);
        assert!(Signature::from_hex(&hex).is_some_and(|signature| signature.to_string() == hex));
        for wrong in ["", &hex[1..], &hex.to_uppercase(), &format!("{hex}0"), &"g".repeat(64)] {
            assert!(Signature::from_hex(wrong).is_none(), "{wrong}");
        }
    }
}
