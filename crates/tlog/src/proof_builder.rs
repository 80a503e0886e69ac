//! Proofs out of the tiles: first which subtrees ([`crate::subtree`]) and which tiles these are in, then one reading of
//! all those tiles, then the hashing.
//!
//! `available` is the size of the newest tree whose tiles are stored. Every older size is answered from its tiles, so
//! the partial tiles of older sizes are not needed.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use futures_util::future::try_join_all;
use tlog_tiles::Tile;

use crate::frontier::join_subtree_roots;
use crate::tile_store::{TileError, TileStore};
use crate::{Hash, subtree, tile};

impl TileStore {
    /// The inclusion proof of leaf `index` in the tree of `size` leaves: at most 64 hashes, from the leaf's sibling up
    /// (RFC 6962, section 2.1.1).
    ///
    /// [`TileError::OutOfRange`] unless `index < size <= available`. Tiles with other hashes than they had give a
    /// proof that does not verify.
    pub async fn inclusion_proof(
        &self,
        available: u64,
        index: u64,
        size: u64,
    ) -> Result<Vec<Hash>, TileError> {
        if index >= size || size > available {
            return Err(TileError::OutOfRange);
        }
        self.roots_over(available, subtree::inclusion_ranges(index, size)).await
    }

    /// The consistency proof between two sizes: at most 65 hashes (RFC 6962, section 2.1.2). It is empty from the empty
    /// tree and between equal sizes.
    ///
    /// [`TileError::OutOfRange`] unless `old_size <= new_size <= available`.
    pub async fn consistency_proof(
        &self,
        available: u64,
        old_size: u64,
        new_size: u64,
    ) -> Result<Vec<Hash>, TileError> {
        if old_size > new_size || new_size > available {
            return Err(TileError::OutOfRange);
        }
        self.roots_over(available, subtree::consistency_ranges(old_size, new_size)).await
    }

    /// The root of the tree of `size` leaves; [`TileError::OutOfRange`] unless `size <= available`.
    pub async fn root(&self, available: u64, size: u64) -> Result<Hash, TileError> {
        match size {
            0 => Ok(Hash::empty_root()),
            size if size <= available => self.root_over(available, 0..size).await,
            _ => Err(TileError::OutOfRange),
        }
    }

    /// The hash of leaf `index`; [`TileError::OutOfRange`] unless `index < available`.
    pub async fn leaf_hash(&self, available: u64, index: u64) -> Result<Hash, TileError> {
        if index >= available {
            return Err(TileError::OutOfRange);
        }
        self.root_over(available, index..index + 1).await
    }

    async fn root_over(&self, available: u64, leaves: Range<u64>) -> Result<Hash, TileError> {
        let roots = self.roots_over(available, vec![leaves]).await?;
        Ok(roots[0])
    }

    /// The root over each range of leaves, none of them empty.
    async fn roots_over(&self, available: u64, ranges: Vec<Range<u64>>) -> Result<Vec<Hash>, TileError> {
        let parts: Vec<Vec<_>> = ranges
            .into_iter()
            .map(|leaves| {
                subtree::split_into_perfect(leaves)
                    .into_iter()
                    .map(|part| tile::locate_subtree(part, available))
                    .collect()
            })
            .collect();
        // There are at most two at each of eight levels: one on the way down to a leaf and one at the right edge.
        let wanted: HashSet<_> = parts.iter().flatten().map(|(tile, _)| *tile).collect();
        let reads =
            wanted.into_iter().map(async |tile| Ok::<_, TileError>((tile, self.read_tile(tile).await?)));
        let tiles: HashMap<_, _> = try_join_all(reads).await?.into_iter().collect();
        let root = |part: Vec<(Tile, Range<usize>)>| {
            join_subtree_roots(
                part.into_iter().map(|(tile, range)| tile::perfect_subtree_root(&tiles[&tile][range])),
            )
            .unwrap_or_else(|| unreachable!("BUG: no proof has a hash over no leaves"))
        };
        Ok(parts.into_iter().map(root).collect())
    }
}
