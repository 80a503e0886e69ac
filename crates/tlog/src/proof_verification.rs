//! Checking proofs (RFC 6962, section 2.1; the way of RFC 9162, sections 2.1.3.2 and 2.1.4.2).
//!
//! Number the nodes of one height from the left. Going up from a node, an odd number means that the sibling is on the
//! left, an even one that it is on the right, except at the right edge: the last node of its height has no right
//! sibling and goes up as it is. So an index and a size alone say how many hashes a proof has and on which side each
//! belongs, and a proof can't choose its own shape.

use std::iter;

use crate::Hash;

/// A proof does not prove what it was shown for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf in a tree of this size.
    #[error("leaf {index} is outside a tree of {size}")]
    OutsideTree {
        /// The leaf.
        index: u64,
        /// The tree's size.
        size: u64,
    },
    /// The older tree is the larger one.
    #[error("a tree of {old_size} is not older than one of {new_size}")]
    SizesOutOfOrder {
        /// The older tree's size.
        old_size: u64,
        /// The newer tree's size.
        new_size: u64,
    },
    /// The sizes ask for another number of hashes.
    #[error("the proof has {found} hashes instead of {expected}")]
    WrongHashCount {
        /// How many there are.
        found: usize,
        /// How many there should be.
        expected: usize,
    },
    /// The hashes lead to another root than the tree's (of a consistency proof: the newer tree's).
    #[error("the proof does not lead to the tree's root")]
    RootMismatch,
    /// The hashes lead to another root than the older tree's.
    #[error("the proof does not lead to the older tree's root")]
    OldRootMismatch,
}

/// Where a sibling is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SiblingSide {
    Left,
    Right,
}

/// The sides of the siblings on the way up from node `index` to the root, if `last` is the last node of its height.
fn sibling_sides(mut index: u64, mut last: u64) -> impl Iterator<Item = SiblingSide> + Clone {
    iter::from_fn(move || {
        while last > 0 {
            let side = if index % 2 == 1 {
                Some(SiblingSide::Left)
            } else if index < last {
                Some(SiblingSide::Right)
            } else {
                None
            };
            index /= 2;
            last /= 2;
            if side.is_some() {
                return side;
            }
        }
        None
    })
}

/// Checks that `leaf` is the leaf with this zero-based index in the tree of `size` leaves with this root.
///
/// `proof` is RFC 6962's audit path, from the leaf's sibling up to the root's child: at most 64 hashes.
pub fn verify_inclusion(
    index: u64,
    size: u64,
    leaf: Hash,
    root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::OutsideTree { index, size });
    }
    let siblings = sibling_sides(index, size - 1);
    check_hash_count(proof, siblings.clone().count())?;
    let reached = siblings.zip(proof).fold(leaf, |node, (side, sibling)| match side {
        SiblingSide::Left => Hash::from_children(*sibling, node),
        SiblingSide::Right => Hash::from_children(node, *sibling),
    });
    if reached == root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

/// Checks that the tree of `new_size` leaves begins with the leaves of the tree of `old_size`.
///
/// `proof` is RFC 6962's consistency proof, at most 65 hashes. It is empty where there is nothing to prove: between
/// equal sizes, whose roots must be equal, and from the empty tree, whose root must be [`Hash::empty_root`].
pub fn verify_consistency(
    old_size: u64,
    old_root: Hash,
    new_size: u64,
    new_root: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if old_size > new_size {
        return Err(ProofError::SizesOutOfOrder { old_size, new_size });
    }
    if old_size == 0 && old_root != Hash::empty_root() {
        return Err(ProofError::OldRootMismatch);
    }
    if old_size == new_size || old_size == 0 {
        check_hash_count(proof, 0)?;
        let is_same = old_size < new_size || old_root == new_root;
        return if is_same { Ok(()) } else { Err(ProofError::RootMismatch) };
    }

    // Both trees are climbed at once, from the root of the old tree's last and smallest perfect subtree, which is a
    // node of both. What the old tree has is on the left of that way; what came later is on the right.
    let height = old_size.trailing_zeros();
    let siblings = sibling_sides((old_size - 1) >> height, (new_size - 1) >> height);
    // That subtree is the whole old tree if there is only one; then its root is known and the proof leaves it out.
    let is_whole = old_size.is_power_of_two();
    check_hash_count(proof, siblings.clone().count() + usize::from(!is_whole))?;
    let (start, proof) = match proof.split_first() {
        Some((start, rest)) if !is_whole => (*start, rest),
        Some(_) | None => (old_root, proof),
    };
    let (mut old, mut new) = (start, start);
    for (side, sibling) in siblings.zip(proof) {
        match side {
            SiblingSide::Left => {
                old = Hash::from_children(*sibling, old);
                new = Hash::from_children(*sibling, new);
            }
            SiblingSide::Right => new = Hash::from_children(new, *sibling),
        }
    }
    if old != old_root {
        return Err(ProofError::OldRootMismatch);
    }
    if new == new_root { Ok(()) } else { Err(ProofError::RootMismatch) }
}

fn check_hash_count(proof: &[Hash], expected: usize) -> Result<(), ProofError> {
    let found = proof.len();
    if found == expected { Ok(()) } else { Err(ProofError::WrongHashCount { found, expected }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(byte: u8) -> Hash {
        Hash::from_leaf(&[byte])
    }

    /// The example of RFC 6962, section 2.1.3: a tree of seven leaves, `d0` to `d6`.
    #[test]
    fn the_example_of_the_rfc() {
        let d: Vec<_> = (0..7).map(leaf).collect();
        let (a, b, c, e, f, j) = (d[0], d[1], d[2], d[4], d[5], d[6]);
        let (g, h, i) = (Hash::from_children(a, b), Hash::from_children(c, d[3]), Hash::from_children(e, f));
        let (k, l) = (Hash::from_children(g, h), Hash::from_children(i, j));
        let root = Hash::from_children(k, l);
        assert_eq!(verify_inclusion(0, 7, a, root, &[b, h, l]), Ok(()));
        assert_eq!(verify_inclusion(3, 7, d[3], root, &[c, g, l]), Ok(()));
        assert_eq!(verify_inclusion(4, 7, e, root, &[f, j, k]), Ok(()));
        assert_eq!(verify_inclusion(6, 7, j, root, &[i, k]), Ok(()));

        let (of_3, of_4, of_6) = (Hash::from_children(g, c), k, Hash::from_children(k, i));
        assert_eq!(verify_consistency(3, of_3, 7, root, &[c, d[3], g, l]), Ok(()));
        assert_eq!(verify_consistency(4, of_4, 7, root, &[l]), Ok(()));
        assert_eq!(verify_consistency(6, of_6, 7, root, &[i, j, k]), Ok(()));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let (a, b, c) = (leaf(0), leaf(1), leaf(2));
        let of_2 = Hash::from_children(a, b);
        let of_3 = Hash::from_children(of_2, c);
        assert_eq!(verify_inclusion(3, 3, a, of_3, &[]), Err(ProofError::OutsideTree { index: 3, size: 3 }));
        assert_eq!(verify_inclusion(0, 0, a, of_3, &[]), Err(ProofError::OutsideTree { index: 0, size: 0 }));
        assert_eq!(
            verify_inclusion(2, 3, c, of_3, &[of_2, a]),
            Err(ProofError::WrongHashCount { found: 2, expected: 1 })
        );
        assert_eq!(verify_inclusion(2, 3, b, of_3, &[of_2]), Err(ProofError::RootMismatch));
        assert_eq!(
            verify_consistency(3, of_3, 2, of_2, &[]),
            Err(ProofError::SizesOutOfOrder { old_size: 3, new_size: 2 })
        );
        assert_eq!(
            verify_consistency(2, of_2, 3, of_3, &[]),
            Err(ProofError::WrongHashCount { found: 0, expected: 1 })
        );
        assert_eq!(verify_consistency(2, of_2, 3, of_3, &[c]), Ok(()));
        assert_eq!(verify_consistency(2, of_2, 3, of_2, &[c]), Err(ProofError::RootMismatch));
        // The old root takes part in the new one, so another old root shows at the new one.
        assert_eq!(verify_consistency(2, a, 3, of_3, &[c]), Err(ProofError::RootMismatch));
        let of_4 = Hash::from_children(of_2, Hash::from_children(c, a));
        assert_eq!(verify_consistency(3, of_3, 4, of_4, &[c, a, of_2]), Ok(()));
        assert_eq!(verify_consistency(3, of_2, 4, of_4, &[c, a, of_2]), Err(ProofError::OldRootMismatch));
    }

    #[test]
    fn nothing_to_prove() {
        let (a, nothing) = (leaf(0), Hash::empty_root());
        assert_eq!(verify_consistency(0, nothing, 0, nothing, &[]), Ok(()));
        assert_eq!(verify_consistency(0, nothing, 1, a, &[]), Ok(()));
        assert_eq!(verify_consistency(0, nothing, u64::MAX, a, &[]), Ok(()));
        assert_eq!(verify_consistency(0, a, 1, a, &[]), Err(ProofError::OldRootMismatch));
        assert_eq!(verify_consistency(0, a, 0, a, &[]), Err(ProofError::OldRootMismatch));
        assert_eq!(verify_consistency(0, nothing, 0, a, &[]), Err(ProofError::RootMismatch));
        assert_eq!(verify_consistency(5, a, 5, a, &[]), Ok(()));
        assert_eq!(verify_consistency(5, a, 5, nothing, &[]), Err(ProofError::RootMismatch));
        let one_more = Err(ProofError::WrongHashCount { found: 1, expected: 0 });
        assert_eq!(verify_consistency(5, a, 5, a, &[a]), one_more);
        assert_eq!(verify_consistency(0, nothing, 5, a, &[a]), one_more);
    }

    #[test]
    fn the_largest_sizes_are_bounded() {
        let a = leaf(0);
        let expected = Err(ProofError::WrongHashCount { found: 0, expected: 64 });
        assert_eq!(verify_inclusion(0, u64::MAX, a, a, &[]), expected);
        let expected = Err(ProofError::WrongHashCount { found: 0, expected: 65 });
        assert_eq!(verify_consistency(3, a, u64::MAX, a, &[]), expected);
    }
}
