//! What a view is, in 32 bytes.
//!
//! Every entry (a row, a device, a connection, a report) has a keyed hash of its key and its plain bytes, and the view's sum is the sum of them
//! all, modulo 2^256: it does not depend on the order in which they were written, and it is kept up by taking the old
//! entry's hash away and adding the new one's. The key is the pseudonym secret. A hash without one could be guessed back
//! to steps and heart rates, and with one a sum can't be steered by whoever can write a store's files.
//!
//! The digest of a view is SHA-256 over `syncwell.view-digest.v1`, the fold's version (4 bytes), the position (8 bytes)
//! and the sum (32 bytes), integers and sum big-endian.

use std::fmt;

use data_encoding::HEXLOWER;
use keys::Pseudonymizer;
use schemas::Sequence;
use sha2::{Digest as _, Sha256};

use aggregates::FOLD_VERSION;

/// A sum of entries' hashes, modulo 2^256; the least significant limb first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DigestSum([u64; 4]);

impl DigestSum {
    pub(crate) fn from_bytes(bytes: &[u8; 32]) -> Self {
        let mut limbs = [0; 4];
        for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
            *limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
        }
        Self(limbs)
    }

    pub(crate) fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (limb, chunk) in self.0.iter().rev().zip(bytes.chunks_exact_mut(8)) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn wrapping_add(mut self, other: Self) -> Self {
        let mut carry = false;
        for (limb, other) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = limb.overflowing_add(other);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*limb, carry) = (sum, first || second);
        }
        self
    }

    pub(crate) fn wrapping_sub(self, other: Self) -> Self {
        // 2^256 - x is the complement of x, plus one.
        self.wrapping_add(Self(other.0.map(|limb| !limb))).wrapping_add(Self([1, 0, 0, 0]))
    }
}

/// Hashes entries.
#[derive(Clone)]
pub(crate) struct EntryHasher(Pseudonymizer);

impl EntryHasher {
    pub(crate) fn new(pseudonyms: Pseudonymizer) -> Self {
        Self(pseudonyms)
    }

    /// The hash of one entry.
    pub(crate) fn hash(&self, key: &[u8], plain: &[u8]) -> DigestSum {
        DigestSum::from_bytes(&self.0.keyed_hash("syncwell.view-entry.v1", &[key, plain]))
    }
}

/// The digest of a view. Prints as 64 characters of lowercase hex.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ViewDigest([u8; 32]);

impl ViewDigest {
    pub(crate) fn from_sum(position: Option<Sequence>, sum: DigestSum) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"syncwell.view-digest.v1");
        hash.update(FOLD_VERSION.to_be_bytes());
        hash.update(position.map_or(0, Sequence::get).to_be_bytes());
        hash.update(sum.to_bytes());
        Self(hash.finalize().into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for ViewDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for ViewDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_digest() {
        let digester = EntryHasher::new(Pseudonymizer::new(zeroize::Zeroizing::new([7; 32])));
        let sum = digester.hash(b"key", b"plain");
        // Both computed once with Python's hmac and hashlib by the text above.
        assert_eq!(
            HEXLOWER.encode(&sum.to_bytes()),
            "09d9d4978466e953d4dc3b092e1cfcd9879a1c387ee81e4edb9da8df6aedf06e"
        );
        assert_eq!(
            ViewDigest::from_sum(Sequence::new(4711), sum).to_string(),
            "e38c3c89a0b0aa4869344daaf2fe4baae065b92be1ebde4aabece15c8488a21b"
        );
    }

    proptest! {
        #[test]
        fn a_sum_is_arithmetic_modulo_two_to_the_256(a in any::<[u8; 32]>(), b in any::<[u8; 32]>(), c in any::<[u8; 32]>()) {
            let [a, b, c] = [a, b, c].map(|bytes| DigestSum::from_bytes(&bytes));
            prop_assert_eq!(a.wrapping_add(b).wrapping_add(c), c.wrapping_add(a).wrapping_add(b));
            prop_assert_eq!(a.wrapping_add(b).wrapping_sub(b), a);
            prop_assert_eq!(a.wrapping_sub(a), DigestSum::default());
            prop_assert_eq!(DigestSum::from_bytes(&a.to_bytes()), a);
        }
    }
}
