//! Where in the tiles a hash is (C2SP tlog-tiles, height 8).
//!
//! Tile `number` of a level holds that level's hashes `256 × number` to `256 × number + 255`. Hash `n` of level `l` is
//! the root over the leaves `n × 256^l .. (n + 1) × 256^l`; the seven heights in between are worked out again from
//! there. A tree of `s` leaves has `s / 256^l` hashes at level `l`, so that the last tile of a level can be a partial
//! one, of `s / 256^l mod 256` hashes. Partial tiles are files of their own, one for each width.

use std::ops::Range;

use bytes::Bytes;
use object_store::path::Path;
use tlog_tiles::Tile;

use crate::Hash;
use crate::hash::HASH_BYTES;
use crate::subtree::Subtree;

/// A tile's height: a tile spans this many heights of the tree.
const TILE_HEIGHT: u8 = 8;
/// The hashes of a full tile.
pub(crate) const TILE_WIDTH: usize = 1 << TILE_HEIGHT;
/// The levels that a tree of less than 2^64 leaves can have.
pub(crate) const LEVELS_MAX: u8 = 8;

/// The tile of this width.
pub(crate) fn new_tile(level: u8, number: u64, width: usize) -> Tile {
    let width = u32::try_from(width).unwrap_or_else(|_| unreachable!("BUG: a tile has up to 256 hashes"));
    Tile::new(TILE_HEIGHT, level, number, width, false)
}

/// The full tile that a tile is or becomes.
pub(crate) fn to_full(part: Tile) -> Tile {
    new_tile(part.level(), part.level_index(), TILE_WIDTH)
}

pub(crate) fn is_full(tile: Tile) -> bool {
    width(tile) == TILE_WIDTH
}

pub(crate) fn width(tile: Tile) -> usize {
    tile.width() as usize
}

/// How many hashes a tree of `size` leaves has at a level.
pub(crate) fn hash_count_at(level: u8, size: u64) -> u64 {
    size >> (level * TILE_HEIGHT)
}

/// `tile/<level>/<number>[.p/<width>]`. The coordinates that the library writes have the height after `tile`; those of
/// C2SP leave it out, as it is always 8.
pub(crate) fn path(tile: Tile) -> Path {
    Path::from(tile.path().replacen("tile/8/", "tile/", 1))
}

/// The folder of all partial tiles on the way to a full one.
pub(crate) fn partial_tiles_path(full: Tile) -> Path {
    Path::from(format!("{}.p", path(full)))
}

/// The widest tile, in a tree of `available` leaves, with the hashes that a perfect subtree of it is made of, and which
/// of the tile's hashes these are.
pub(crate) fn locate_subtree(subtree: Subtree, available: u64) -> (Tile, Range<usize>) {
    let height = u32::from(TILE_HEIGHT);
    let level = u8::try_from(subtree.height / height)
        .unwrap_or_else(|_| unreachable!("BUG: a tree is at most 64 high"));
    let inside = subtree.height % height;
    let first = subtree.index << inside;
    let (number, offset) = split_hash_index(first);
    let (last_number, last_width) = split_hash_index(hash_count_at(level, available));
    let width = if number < last_number { TILE_WIDTH } else { last_width };
    let range = offset..offset + (1 << inside);
    assert!(number <= last_number && range.end <= width, "BUG: a subtree is outside the tree");
    (new_tile(level, number, width), range)
}

/// A hash's tile and its place there, or, of a number of hashes, the full tiles and the last one's width.
pub(crate) fn split_hash_index(hashes: u64) -> (u64, usize) {
    // The remainder is below 256.
    (hashes / TILE_WIDTH as u64, (hashes % TILE_WIDTH as u64) as usize)
}

/// A tile's bytes: its hashes one after the other.
pub(crate) fn encode(hashes: &[Hash]) -> Bytes {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// A tile's hashes. None if the bytes are of any other length than the tile's.
pub(crate) fn decode(tile: Tile, bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, odd) = bytes.as_chunks::<HASH_BYTES>();
    let is_exact = odd.is_empty() && hashes.len() == width(tile);
    is_exact.then(|| hashes.iter().copied().map(Hash::from_bytes).collect())
}

/// A tile's length.
pub(crate) fn byte_len(tile: Tile) -> u64 {
    u64::from(tile.width()) * HASH_BYTES as u64
}

/// The root over a power of two of neighbouring hashes.
pub(crate) fn perfect_subtree_root(hashes: &[Hash]) -> Hash {
    assert!(hashes.len().is_power_of_two(), "BUG: only a perfect subtree has a root in a tile");
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks().0.iter().map(|[left, right]| Hash::from_children(*left, *right)).collect();
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of C2SP tlog-tiles.
    #[test]
    fn golden_paths() {
        let text = |level, number, width| path(new_tile(level, number, width)).to_string();
        assert_eq!(text(0, 1_234_067, 256), "tile/0/x001/x234/067");
        assert_eq!(text(0, 1_234_067, 112), "tile/0/x001/x234/067.p/112");
        assert_eq!(text(0, 0, 256), "tile/0/000");
        assert_eq!(text(0, 999, 255), "tile/0/999.p/255");
        assert_eq!(text(0, 1_000, 256), "tile/0/x001/000");
        assert_eq!(text(2, 0, 1), "tile/2/000.p/1");
        assert_eq!(text(7, 8_008, 8), "tile/7/x008/008.p/8");
        assert_eq!(partial_tiles_path(new_tile(0, 1_234_067, 256)).to_string(), "tile/0/x001/x234/067.p");
    }

    #[test]
    fn golden_bytes() {
        let hashes = [Hash::from_bytes([1; 32]), Hash::from_bytes([2; 32])];
        let bytes = encode(&hashes);
        assert_eq!(bytes, [[1; 32], [2; 32]].concat());
        assert_eq!(decode(new_tile(0, 0, 2), &bytes).as_deref(), Some(&hashes[..]));
        for other in [1, 3, 256] {
            assert_eq!(decode(new_tile(0, 0, other), &bytes), None, "width {other}");
        }
        assert_eq!(decode(new_tile(0, 0, 2), &bytes[..63]), None);
    }

    #[test]
    fn where_a_subtree_is() {
        let at = |height, number| locate_subtree(Subtree { height, index: number }, 70_000);
        assert_eq!(at(0, 0), (new_tile(0, 0, 256), 0..1));
        assert_eq!(at(0, 69_999), (new_tile(0, 273, 112), 111..112));
        assert_eq!(at(7, 1), (new_tile(0, 0, 256), 128..256));
        assert_eq!(at(8, 0), (new_tile(1, 0, 256), 0..1));
        assert_eq!(at(8, 272), (new_tile(1, 1, 17), 16..17));
        assert_eq!(at(12, 16), (new_tile(1, 1, 17), 0..16));
        assert_eq!(at(16, 0), (new_tile(2, 0, 1), 0..1));
    }
}
