//! What one has to keep of a tree to go on appending to it.
//!
//! A tree of any size is a row of perfect subtrees, one for each one bit of its size, the largest first. Their roots
//! are enough to append the next leaf and to know the whole tree's root; a leaf costs one node hash on average, and
//! the row never holds more than 64 hashes.
//!
//! Encoded:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 8 | size in leaves, big-endian |
//! | 8 | 32 × the one bits of size | the roots of the perfect subtrees, largest first |

use crate::Hash;
use crate::hash::HASH_BYTES;

const SIZE_BYTES: usize = 8;

/// The roots of the perfect subtrees, largest first: all one needs to go on appending and to know the root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// Appends a leaf.
    pub fn push(&mut self, leaf: Hash) {
        // As in adding one to a binary number: every trailing one bit is a subtree that the new leaf completes to one
        // of twice the size.
        let mut carry = leaf;
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop();
            let left = left.unwrap_or_else(|| unreachable!("BUG: a root is missing for a bit of the size"));
            carry = Hash::from_children(left, carry);
        }
        self.roots.push(carry);
        self.size =
            self.size.checked_add(1).unwrap_or_else(|| unreachable!("BUG: nobody has appended 2^64 leaves"));
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root.
    pub fn root(&self) -> Hash {
        join_subtree_roots(self.roots.iter().copied()).unwrap_or_else(Hash::empty_root)
    }

    /// The bytes of the table above: 8 to 2,056 of them.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SIZE_BYTES + self.roots.len() * HASH_BYTES);
        bytes.extend_from_slice(&self.size.to_be_bytes());
        for root in &self.roots {
            bytes.extend_from_slice(root.as_bytes());
        }
        bytes
    }

    /// Reads [`Frontier::encode`]'s bytes. None if their length is not exactly what the size asks for; whether the
    /// hashes are right, only a signed root can tell.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (size, rest) = bytes.split_first_chunk::<SIZE_BYTES>()?;
        let size = u64::from_be_bytes(*size);
        let (hashes, odd) = rest.as_chunks::<HASH_BYTES>();
        let is_exact = odd.is_empty() && hashes.len() == size.count_ones() as usize;
        is_exact.then(|| Self { size, roots: hashes.iter().copied().map(Hash::from_bytes).collect() })
    }
}

/// The root over neighbouring perfect subtrees, given from left to right with each smaller than the one before: the
/// smaller ones are joined first. None of none.
pub(crate) fn join_subtree_roots(subtrees: impl DoubleEndedIterator<Item = Hash>) -> Option<Hash> {
    subtrees.rev().reduce(|right, left| Hash::from_children(left, right))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use proptest::prelude::*;

    use super::*;

    /// The leaves that implementations of RFC 6962 share for their tests, and the root after each.
    const RFC6962_TEST_LEAVES: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    #[test]
    fn golden_roots() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.root(), Hash::empty_root());
        for (size, (leaf, root)) in (1..).zip(RFC6962_TEST_LEAVES) {
            frontier.push(Hash::from_leaf(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
            assert_eq!(frontier.size(), size);
            assert_eq!(HEXLOWER.encode(frontier.root().as_bytes()), root, "size {size}");
        }
    }

    #[test]
    fn golden_bytes() {
        let mut frontier = Frontier::default();
        assert_eq!(frontier.encode(), [0; 8]);
        for (leaf, _) in &RFC6962_TEST_LEAVES[..7] {
            frontier.push(Hash::from_leaf(&HEXLOWER.decode(leaf.as_bytes()).unwrap()));
        }
        // Computed once with another implementation (Python's `hashlib`).
        assert_eq!(
            HEXLOWER.encode(&frontier.encode()),
            "0000000000000007\
             d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7\
             0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a\
             b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f"
        );
    }

    #[test]
    fn other_lengths_are_refused() {
        let mut frontier = Frontier::default();
        (0..7).for_each(|leaf| frontier.push(Hash::from_leaf(&[leaf])));
        let mut bytes = frontier.encode();
        for length in 0..bytes.len() {
            assert_eq!(Frontier::decode(&bytes[..length]), None, "cut to {length}");
        }
        bytes.push(0);
        assert_eq!(Frontier::decode(&bytes), None);
        assert_eq!(Frontier::decode(&u64::MAX.to_be_bytes()), None);
    }

    proptest! {
        #[test]
        fn round_trip_and_going_on(size in 0_u32..600, more in 0_u32..10) {
            let mut frontier = Frontier::default();
            (0..size).for_each(|leaf| frontier.push(Hash::from_leaf(&leaf.to_be_bytes())));
            let mut decoded = Frontier::decode(&frontier.encode()).unwrap();
            prop_assert_eq!(&decoded, &frontier);
            for leaf in 0..more {
                frontier.push(Hash::from_leaf(&leaf.to_be_bytes()));
                decoded.push(Hash::from_leaf(&leaf.to_be_bytes()));
            }
            prop_assert_eq!(decoded.root(), frontier.root());
        }
    }
}
