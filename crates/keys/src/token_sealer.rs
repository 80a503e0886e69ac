//! What providers gave us, sealed twice: under a secret that only the worker holds, and that under the user's data key.
//!
//! So whoever reads users' data can't use their tokens, and destroying a user's data key destroys the tokens with it.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 4 | version of the worker's secret, big-endian |
//! | 5 | n | sealed under the data key ([`crate::aead`]): sealed under the worker's secret: the plaintext |
//!
//! Both are bound to what the caller says, and to the first five bytes.

use hmac::Mac;
use zeroize::Zeroizing;

use crate::aead::{AeadKey, OpenError};
use crate::data_key::DataKey;
use crate::secret_files::VersionedSecrets;

const FORMAT: u8 = 1;

/// The worker's secret.
pub struct TokenSealer(VersionedSecrets);

impl TokenSealer {
    /// From the versioned secrets.
    pub fn new(secrets: VersionedSecrets) -> Self {
        Self(secrets)
    }

    /// Seals, bound to `associated`.
    pub fn seal(&self, key: &DataKey, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let (version, secret) = self.0.current();
        let head = encode_header(version);
        let associated = [&head, associated].concat();
        let inner = AeadKey::new(secret).seal(&associated, plaintext);
        [head.to_vec(), key.seal(&associated, &inner)].concat()
    }

    /// A secret that the worker shares with one receiver of the change feed: derived, and so never stored. `version` is that
    /// of the worker's secret when the receiver was registered; `None` where that is gone.
    pub fn endpoint_secret(&self, version: u32, receiver: &str) -> Option<Zeroizing<[u8; 32]>> {
        let mut mac = crate::pseudonym::hmac_sha256(self.0.get(version)?);
        mac.update(b"syncwell.receiver-secret.v1:");
        mac.update(receiver.as_bytes());
        Some(Zeroizing::new(mac.finalize().into_bytes().into()))
    }

    /// Tells this secret from another, and nothing else of it: of the newest version.
    pub fn fingerprint(&self) -> String {
        let (version, secret) = self.0.current();
        fingerprint_of(version, &**secret)
    }

    /// Whether such a check was made of a version that is held.
    pub fn matches_fingerprint(&self, check: &str) -> bool {
        let version = check.split_once(' ').and_then(|(version, _)| version.parse().ok());
        version.is_some_and(|version| {
            self.0.get(version).is_some_and(|secret| fingerprint_of(version, secret) == check)
        })
    }

    /// The version that is sealed under now.
    pub fn current_version(&self) -> u32 {
        self.0.current().0
    }

    /// Opens what was sealed under this data key with the same `associated`.
    pub fn open(
        &self,
        key: &DataKey,
        associated: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let (head, outer) = sealed.split_first_chunk::<5>().ok_or(OpenError::Format)?;
        let version = head[1..].first_chunk::<4>().ok_or(OpenError::Format)?;
        if head[0] != FORMAT {
            return Err(OpenError::Format);
        }
        let secret = self.0.get(u32::from_be_bytes(*version)).and_then(|secret| secret.first_chunk());
        let secret = secret.ok_or(OpenError::Authentication)?;
        let associated = [head, associated].concat();
        let mut inner = key.open(&associated, outer.to_vec())?;
        Ok(Zeroizing::new(AeadKey::new(secret).open(&associated, &mut inner)?.to_vec()))
    }
}

fn fingerprint_of(version: u32, secret: &[u8]) -> String {
    let mut mac = crate::pseudonym::hmac_sha256(secret);
    mac.update(b"syncwell.tokens-check.v1");
    format!("{version} {}", data_encoding::HEXLOWER.encode(&mac.finalize().into_bytes()[..16]))
}

fn encode_header(version: u32) -> [u8; 5] {
    let mut head = [FORMAT; 5];
    head[1..].copy_from_slice(&version.to_be_bytes());
    head
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DataKeyId;

    fn key(byte: u8) -> DataKey {
        DataKey::new(DataKeyId::from_bytes([4; 10]), 0, &[byte; 32])
    }

    fn secret(line: &str) -> TokenSealer {
        TokenSealer::new(VersionedSecrets::parse(line).unwrap())
    }

    #[test]
    fn golden_bytes() {
        let seal = secret(&format!("1 {}\n", "05".repeat(32)));
        // Computed once with Python's `cryptography`.
        let golden = data_encoding::HEXLOWER.decode(GOLDEN.as_bytes()).unwrap();
        assert_eq!(**seal.open(&key(7), b"about", &golden).unwrap(), *b"tokens");
    }

    const GOLDEN: &str = "010000000101090909090909090909090909268d8c9cb6f8c969a86ac330ee13510d2276b6116154b4bc838055277bff91c8fe1363090076d01981c18f8d57f1a091ab4c73";

    #[test]
    fn a_check_is_of_one_secret() {
        let line = format!("1 {}\n", "05".repeat(32));
        let check = secret(&line).fingerprint();
        // Computed once with Python's hmac module.
        assert_eq!(check, GOLDEN_CHECK);
        assert!(
            secret(&format!("{line}2 {}\n", "06".repeat(32))).matches_fingerprint(&check),
            "a version was added"
        );
        assert!(!secret(&format!("1 {}\n", "06".repeat(32))).matches_fingerprint(&check));
        assert!(
            !secret(&line).matches_fingerprint("1")
                && !secret(&line).matches_fingerprint(&check.replace('1', "2"))
        );
    }

    const GOLDEN_CHECK: &str = "1 17582fa06976fbe567ace1be0aeba872";

    #[test]
    fn it_takes_both() {
        let seal = secret(&format!("1 {}\n2 {}\n", "05".repeat(32), "06".repeat(32)));
        let sealed = seal.seal(&key(7), b"about", b"tokens");
        assert_eq!(**seal.open(&key(7), b"about", &sealed).unwrap(), *b"tokens");
        assert!(seal.open(&key(8), b"about", &sealed).is_err(), "another data key");
        assert!(seal.open(&key(7), b"abouT", &sealed).is_err());
        assert!(secret(&format!("2 {}\n", "09".repeat(32))).open(&key(7), b"about", &sealed).is_err());
        assert!(secret(&format!("1 {}\n", "05".repeat(32))).open(&key(7), b"about", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(seal.open(&key(7), b"about", &changed).is_err(), "byte {at}");
        }
    }
}
