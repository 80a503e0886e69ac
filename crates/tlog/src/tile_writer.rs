//! Growing the tiles.
//!
//! What is promised: after a crash at any moment, the tree of the last `flush` that returned can be read from the tiles
//! and gone on with. Three things hold it:
//!
//! 1. A full tile never changes, and the partial tiles of a size are files of their own, so nothing that an older tree
//!    needs is written over with other bytes.
//! 2. `flush` returns when every tile of the present size is stored; only then can a checkpoint of that size be signed.
//! 3. Partial tiles are deleted after a flush that has stored the full tile of the same place, which answers for them.

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{ObjectStore, ObjectStoreExt};
use tlog_tiles::Tile;
use tracing::warn;

use crate::frontier::join_subtree_roots;
use crate::tile_store::{TileError, TileStore};
use crate::{Hash, TreeHead, subtree, tile};

/// Full tiles that wait to be written together: a store with a high latency, or a disk that must sync each file, would
/// hold up every 256th leaf otherwise.
const WAITING_TILES_MAX: usize = 64;
/// Writes under way at once.
const CONCURRENT_WRITES_MAX: usize = 16;
/// Tiles whose partial ones could not be deleted yet. More are forgotten, as lying about they do no harm.
const SUPERSEDED_TILES_MAX: usize = 64;

/// Grows the tiles of one tree. There must be one writer for a store.
///
/// Full tiles are written as they fill, up to 72 of them together; [`TileWriter::flush`] writes the rest and the
/// partial ones of the present size, and must precede a checkpoint of that size.
pub struct TileWriter {
    store: TileStore,
    size: u64,
    /// The last tile of each level; a level begins with its first hash.
    levels: Vec<LastTile>,
    waiting: Vec<(Tile, Bytes)>,
    /// Full tiles, written or waiting, that have partial ones beside them.
    superseded: Vec<Tile>,
}

/// A level's last tile, up to 255 hashes.
#[derive(Default)]
struct LastTile {
    number: u64,
    hashes: Vec<Hash>,
    /// How many hashes the partial tile had that was written last, 0 if none was.
    flushed_width: usize,
    /// Whether there can be partial tiles of this number in the store.
    has_partial_tiles: bool,
}

impl TileWriter {
    /// Begins with the empty tree. What is in the store is written over.
    pub fn new(store: TileStore) -> Self {
        Self { store, size: 0, levels: Vec::new(), waiting: Vec::new(), superseded: Vec::new() }
    }

    /// Goes on with a tree whose tiles have been flushed. Tiles of a larger tree can be there too; they are written
    /// again as the leaves come again.
    ///
    /// Reads the partial tiles of that size, at most one for each of eight levels, and demands that they give the root:
    /// [`TileError::Damaged`] or [`TileError::Missing`] otherwise. Full tiles are not read; damage there shows as
    /// proofs that do not verify.
    pub async fn resume(store: TileStore, head: TreeHead) -> Result<Self, TileError> {
        let mut writer = Self::new(store);
        writer.size = head.size;
        for level in 0..tile::LEVELS_MAX {
            let (number, width) = tile::split_hash_index(tile::hash_count_at(level, head.size));
            if (number, width) == (0, 0) {
                break;
            }
            let mut last = LastTile {
                number,
                flushed_width: width,
                has_partial_tiles: width > 0,
                ..LastTile::default()
            };
            if width > 0 {
                last.hashes = writer.store.read_tile(tile::new_tile(level, number, width)).await?.to_vec();
            }
            writer.levels.push(last);
        }
        if writer.head() != head {
            return Err(TileError::Damaged(format!("the right edge of the tree of {}", head.size)));
        }
        Ok(writer)
    }

    /// How many leaves there are, flushed or not.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree of the present size, flushed or not. Works the root out from the last tiles: at most 2,040 hashes.
    pub fn head(&self) -> TreeHead {
        let root = self.levels.iter().fold(None, |right, last| {
            let parts = subtree::split_into_perfect(0..last.hashes.len() as u64).into_iter().map(|part| {
                let begin = (part.index << part.height) as usize;
                tile::perfect_subtree_root(&last.hashes[begin..begin + (1 << part.height)])
            });
            join_subtree_roots(parts.chain(right))
        });
        TreeHead { size: self.size, root: root.unwrap_or_else(Hash::empty_root) }
    }

    /// Appends a leaf. If this fails or is cancelled the leaf has not been appended and can be again.
    pub async fn push(&mut self, leaf: Hash) -> Result<(), TileError> {
        if self.waiting.len() >= WAITING_TILES_MAX {
            self.write_waiting().await?;
        }
        let mut carry = leaf;
        for level in 0..tile::LEVELS_MAX {
            if self.levels.len() == usize::from(level) {
                self.levels.push(LastTile::default());
            }
            let last = &mut self.levels[usize::from(level)];
            last.hashes.push(carry);
            if last.hashes.len() < tile::TILE_WIDTH {
                break;
            }
            let full = tile::new_tile(level, last.number, tile::TILE_WIDTH);
            self.waiting.push((full, tile::encode(&last.hashes)));
            if last.has_partial_tiles && self.superseded.len() < SUPERSEDED_TILES_MAX {
                self.superseded.push(full);
            }
            carry = tile::perfect_subtree_root(&last.hashes);
            *last = LastTile { number: last.number + 1, ..LastTile::default() };
        }
        self.size += 1;
        Ok(())
    }

    /// Stores every tile of the present size that is not stored yet. If this fails or is cancelled, do it again.
    ///
    /// Partial tiles that are no longer needed are deleted afterwards. Where that fails it is logged and tried again
    /// after the next flush; a crash in between leaves them lying, which does no harm.
    pub async fn flush(&mut self) -> Result<(), TileError> {
        self.write_waiting().await?;
        let mut partial = Vec::new();
        for (level, last) in (0..).zip(&mut self.levels) {
            if last.hashes.len() != last.flushed_width {
                last.has_partial_tiles = true;
                partial.push((
                    tile::new_tile(level, last.number, last.hashes.len()),
                    tile::encode(&last.hashes),
                ));
            }
        }
        self.write(partial).await?;
        for last in &mut self.levels {
            last.flushed_width = last.hashes.len();
        }
        self.delete_superseded().await;
        Ok(())
    }

    async fn write_waiting(&mut self) -> Result<(), TileError> {
        self.write(self.waiting.clone()).await?;
        self.waiting.clear();
        Ok(())
    }

    async fn write(&self, tiles: Vec<(Tile, Bytes)>) -> Result<(), TileError> {
        let writes = tiles.into_iter().map(|(tile, bytes)| {
            let objects = self.store.objects.clone();
            async move { objects.put(&tile::path(tile), bytes.into()).await }
        });
        stream::iter(writes)
            .buffer_unordered(CONCURRENT_WRITES_MAX)
            .try_for_each(|_| async { Ok(()) })
            .await?;
        Ok(())
    }

    async fn delete_superseded(&mut self) {
        while let Some(full) = self.superseded.last() {
            let partials = tile::partial_tiles_path(*full);
            let found = self.store.objects.list(Some(&partials)).map_ok(|found| found.location).boxed();
            let deleted = self.store.objects.delete_stream(found).try_for_each(|_| async { Ok(()) }).await;
            if let Err(error) = deleted {
                warn!(error = &error as &dyn std::error::Error, path = %partials, "superseded tiles stay for now");
                return;
            }
            self.superseded.pop();
        }
    }
}
