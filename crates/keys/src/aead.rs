//! Authenticated encryption, one way for everything at rest.
//!
//! Sealed bytes, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 12 | nonce, random (NIST SP 800-38D, section 8.2.2: at most 2^32 seals per key) |
//! | 13 | n + 16 | AES-256-GCM ciphertext and tag over the plaintext and the caller's associated data |

use std::fmt;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::rand;

const FORMAT: u8 = 1;
const TAG_BYTES: usize = 16;
/// Format and nonce.
pub(crate) const HEADER_BYTES: usize = 1 + NONCE_LEN;

/// How much longer sealed bytes are than the plaintext.
pub const SEALED_OVERHEAD_BYTES: usize = HEADER_BYTES + TAG_BYTES;

/// The bytes were not sealed under this key with this associated data, or are not sealed bytes at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short, or of a format that this version does not know.
    #[error("not sealed bytes of a known format")]
    Format,
    /// Another key, other associated data, or changed bytes.
    #[error("does not open under this key")]
    Authentication,
}

/// A 256-bit key with its schedule worked out.
pub(crate) struct AeadKey(LessSafeKey);

impl AeadKey {
    pub(crate) fn new(key: &[u8; 32]) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, key)
            .unwrap_or_else(|_| unreachable!("BUG: AES-256 takes 32 bytes"));
        Self(LessSafeKey::new(key))
    }

    pub(crate) fn seal(&self, associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        self.seal_with_nonce(random_bytes(), associated, plaintext)
    }

    fn seal_with_nonce(&self, nonce: [u8; NONCE_LEN], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(plaintext.len() + SEALED_OVERHEAD_BYTES);
        sealed.push(FORMAT);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plaintext);
        let (_, content) = sealed.split_at_mut(HEADER_BYTES);
        let tag = self
            .0
            .seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated), content)
            .unwrap_or_else(|_| unreachable!("BUG: AES-GCM seals up to 64 GiB"));
        sealed.extend_from_slice(tag.as_ref());
        sealed
    }

    /// Opens in place and returns the plaintext's part of `sealed`.
    pub(crate) fn open<'s>(
        &self,
        associated: &[u8],
        sealed: &'s mut [u8],
    ) -> Result<&'s mut [u8], OpenError> {
        if sealed.len() < SEALED_OVERHEAD_BYTES || sealed.first() != Some(&FORMAT) {
            return Err(OpenError::Format);
        }
        let (head, content) = sealed.split_at_mut(HEADER_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(&head[1..]).map_err(|_| OpenError::Format)?;
        self.0.open_in_place(nonce, Aad::from(associated), content).map_err(|_| OpenError::Authentication)
    }
}

impl fmt::Debug for AeadKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Random bytes from the system's generator. Without them nothing can be done safely, so it does not return.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).unwrap_or_else(|_| panic!("the system's random generator does not answer"));
    bytes
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_bytes() {
        let sealed = AeadKey::new(&[7; 32]).seal_with_nonce([9; 12], b"about", b"plain");
        // Computed once with another implementation (Python's `cryptography`).
        assert_eq!(
            HEXLOWER.encode(&sealed),
            "0109090909090909090909090957e9e5fdd09ebfb2402f941a082b5fc45d3357553c"
        );
        assert_eq!(AeadKey::new(&[7; 32]).open(b"about", &mut sealed.clone()).unwrap(), b"plain");
    }

    #[test]
    fn any_other_key_or_association_or_bit_is_refused() {
        let key = AeadKey::new(&[7; 32]);
        let sealed = key.seal(b"about", b"plain");
        assert_eq!(
            AeadKey::new(&[8; 32]).open(b"about", &mut sealed.clone()),
            Err(OpenError::Authentication)
        );
        assert_eq!(key.open(b"abouT", &mut sealed.clone()), Err(OpenError::Authentication));
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let expected = if bit < 8 { OpenError::Format } else { OpenError::Authentication };
            assert_eq!(key.open(b"about", &mut changed), Err(expected), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(key.open(b"about", &mut sealed[..length].to_vec()).is_err(), "cut to {length}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(plain in proptest::collection::vec(any::<u8>(), 0..400), about in any::<Vec<u8>>()) {
            let key = AeadKey::new(&[3; 32]);
            let mut sealed = key.seal(&about, &plain);
            prop_assert_eq!(sealed.len(), plain.len() + SEALED_OVERHEAD_BYTES);
            prop_assert_eq!(key.open(&about, &mut sealed).unwrap(), plain.as_slice());
        }
    }
}
