//! Leaves and tree heads for the tests.

use crate::{Frontier, Hash, TreeHead};

pub(super) fn leaf(index: u64) -> Hash {
    Hash::from_leaf(&index.to_be_bytes())
}

pub(super) fn head(size: u64) -> TreeHead {
    let mut frontier = Frontier::default();
    (0..size).for_each(|index| frontier.push(leaf(index)));
    TreeHead { size, root: frontier.root() }
}
