//! Which parts of a tree a root or a proof is made of, as ranges of leaves. Nothing here reads a hash.

use std::ops::Range;

/// A perfect subtree: the leaves `number << height .. (number + 1) << height`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subtree {
    pub(crate) height: u32,
    pub(crate) index: u64,
}

/// The perfect subtrees that a range of leaves is made of, from left to right, the largest first.
///
/// The range must begin where a subtree larger than the whole range could begin. That holds for every range below.
pub(crate) fn split_into_perfect(leaves: Range<u64>) -> Vec<Subtree> {
    let mut begin = leaves.start;
    let mut subtrees = Vec::new();
    while begin < leaves.end {
        let height = (leaves.end - begin).ilog2();
        subtrees.push(Subtree { height, index: begin >> height });
        begin += 1 << height;
    }
    subtrees
}

/// Where RFC 6962 cuts a tree of two leaves or more: the largest power of two below `width`.
fn split_point(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}

/// The leaves under each hash of the inclusion proof of leaf `index` in a tree of `size`, in the proof's order
/// (RFC 6962, section 2.1.1).
pub(crate) fn inclusion_ranges(index: u64, size: u64) -> Vec<Range<u64>> {
    let (mut begin, mut end) = (0, size);
    let mut siblings = Vec::new();
    while end - begin > 1 {
        let middle = begin + split_point(end - begin);
        if index < middle {
            siblings.push(middle..end);
            end = middle;
        } else {
            siblings.push(begin..middle);
            begin = middle;
        }
    }
    siblings.reverse();
    siblings
}

/// The leaves under each hash of the consistency proof from `old_size` to `new_size`, in the proof's order
/// (RFC 6962, section 2.1.2). Empty from the empty tree, which has nothing to show.
pub(crate) fn consistency_ranges(old_size: u64, new_size: u64) -> Vec<Range<u64>> {
    if old_size == 0 {
        return Vec::new();
    }
    let (mut begin, mut end) = (0, new_size);
    let mut parts = Vec::new();
    while end != old_size {
        let middle = begin + split_point(end - begin);
        if old_size <= middle {
            parts.push(middle..end);
            end = middle;
        } else {
            parts.push(begin..middle);
            begin = middle;
        }
    }
    // The old tree's last perfect subtree: left out if it is the whole old tree, whose root is known.
    if begin > 0 {
        parts.push(begin..end);
    }
    parts.reverse();
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6962, section 2.1.3.
    #[test]
    fn the_example_of_the_rfc() {
        assert_eq!(inclusion_ranges(0, 7), [1..2, 2..4, 4..7]);
        assert_eq!(inclusion_ranges(3, 7), [2..3, 0..2, 4..7]);
        assert_eq!(inclusion_ranges(4, 7), [5..6, 6..7, 0..4]);
        assert_eq!(inclusion_ranges(6, 7), [4..6, 0..4]);
        assert_eq!(consistency_ranges(3, 7), [2..3, 3..4, 0..2, 4..7]);
        assert_eq!(consistency_ranges(4, 7), vec![4..7]);
        assert_eq!(consistency_ranges(6, 7), [4..6, 6..7, 0..4]);
    }

    #[test]
    fn nothing_to_prove() {
        assert_eq!(inclusion_ranges(0, 1), []);
        assert_eq!(consistency_ranges(0, 7), []);
        assert_eq!(consistency_ranges(7, 7), []);
    }

    #[test]
    fn perfect_subtrees() {
        assert_eq!(split_into_perfect(0..0), []);
        let expected = [(2, 0), (1, 2), (0, 6)].map(|(height, number)| Subtree { height, index: number });
        assert_eq!(split_into_perfect(0..7), expected);
        assert_eq!(
            split_into_perfect(4..7),
            [(1, 2), (0, 6)].map(|(height, number)| Subtree { height, index: number })
        );
        assert_eq!(split_into_perfect(0..u64::MAX).len(), 64);
    }
}
