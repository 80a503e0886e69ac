//! The tiles and the checkpoint as stored (C2SP tlog-tiles): in a folder, or in S3 or what speaks like it.
//!
//! | path | what |
//! |---|---|
//! | `checkpoint` | the newest published signed note |
//! | `tile/<level>/<number>` | a full tile: 8,192 bytes, never changed |
//! | `tile/<level>/<number>.p/<width>` | a partial tile of 1 to 255 hashes of 32 bytes |
//!
//! The files can be served as they are; nothing is needed beside them to check a proof.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use moka::sync::Cache;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ObjectStore, ObjectStoreExt};
use tlog_tiles::Tile;

use crate::Hash;
use crate::log_key::NOTE_BYTES_MAX;
use crate::tile;

const CHECKPOINT_PATH: &str = "checkpoint";
/// Full tiles kept in memory: up to 8 MiB.
const CACHED_TILES_MAX: u64 = 1_024;

/// The tiles can't be used, or not for this.
#[derive(Debug, thiserror::Error)]
pub enum TileError {
    /// The store did not do what was asked. Of a write it is not known whether it happened; do it again.
    #[error("the store of the tiles failed")]
    Store(#[from] object_store::Error),
    /// A tile that a tree of the given size must have is not there.
    #[error("{0} is missing")]
    Missing(String),
    /// Something is there with other bytes than it must have.
    #[error("{0} is damaged")]
    Damaged(String),
    /// Not where tiles can be.
    #[error("tiles can't be kept at {0}")]
    InvalidLocation(String),
    /// A leaf outside its tree, a tree larger than the stored one, or an older tree larger than the newer one.
    #[error("the sizes and the index do not fit together")]
    OutOfRange,
}

/// Where the tiles are. Clones are the same store and share a cache of full tiles (8 MiB).
#[derive(Clone)]
pub struct TileStore {
    pub(crate) objects: Arc<dyn ObjectStore>,
    cache: Cache<Tile, Arc<[Hash]>>,
}

impl TileStore {
    /// Opens a folder, given by its path and made if it is missing, or a URL such as `s3://bucket/prefix`.
    ///
    /// What is written to a folder is on disk when the call returns. The options are those of the URL's kind of store
    /// by their lowercase names, such as `aws_region`; unknown ones are ignored. Nothing is read yet.
    pub fn open(
        location: &str,
        options: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, TileError> {
        let refused =
            |reason: &dyn fmt::Display| TileError::InvalidLocation(format!("{location:?}: {reason}"));
        let objects: Arc<dyn ObjectStore> = if location.contains("://") {
            let Ok(url) = location.parse() else { return Err(refused(&"not a URL")) };
            let (objects, prefix) =
                object_store::parse_url_opts(&url, options).map_err(|error| refused(&error))?;
            if url.scheme() == "file" {
                // It would not sync what it writes.
                return Err(refused(&"give a folder as a path"));
            }
            Arc::new(PrefixStore::new(objects, prefix))
        } else {
            std::fs::create_dir_all(location).map_err(|error| refused(&error))?;
            let folder = LocalFileSystem::new_with_prefix(location).map_err(|error| refused(&error))?;
            Arc::new(folder.with_fsync(true).with_automatic_cleanup(false))
        };
        Ok(Self::from_object_store(objects))
    }

    pub(crate) fn from_object_store(objects: Arc<dyn ObjectStore>) -> Self {
        Self { objects, cache: Cache::new(CACHED_TILES_MAX) }
    }

    /// Replaces the checkpoint. The tiles of its size must be there already ([`crate::TileWriter::flush`]).
    pub async fn publish_checkpoint(&self, note: &str) -> Result<(), TileError> {
        self.objects
            .put(&Path::from(CHECKPOINT_PATH), Bytes::copy_from_slice(note.as_bytes()).into())
            .await?;
        Ok(())
    }

    /// The published checkpoint, if there is one: a signed note that nobody has verified yet, of at most 262,144 bytes.
    pub async fn checkpoint(&self) -> Result<Option<String>, TileError> {
        let damaged = || TileError::Damaged(CHECKPOINT_PATH.to_owned());
        let Some(bytes) = self.get_bounded(&Path::from(CHECKPOINT_PATH), 0..=NOTE_BYTES_MAX as u64).await?
        else {
            return Ok(None);
        };
        String::from_utf8(bytes.to_vec()).map(Some).map_err(|_| damaged())
    }

    /// Reads every tile anew from here on: for whoever found that one is damaged.
    pub fn clear_cache(&self) {
        self.cache.invalidate_all();
    }

    /// A tile's hashes, exactly as many as it is wide. They are what is stored; whether they are right, only a root can
    /// tell.
    pub(crate) async fn read_tile(&self, wanted: Tile) -> Result<Arc<[Hash]>, TileError> {
        if tile::is_full(wanted) {
            if let Some(hashes) = self.cache.get(&wanted) {
                return Ok(hashes);
            }
            let hashes = self.fetch_tile(wanted).await?.ok_or_else(|| missing_tile(wanted))?;
            self.cache.insert(wanted, hashes.clone());
            return Ok(hashes);
        }
        if let Some(hashes) = self.fetch_tile(wanted).await? {
            return Ok(hashes);
        }
        // Partial tiles are deleted once their full one is there. This full tile is larger than the tree that was asked
        // for and can be one that no checkpoint covers yet, so it is not kept.
        let full = self.fetch_tile(tile::to_full(wanted)).await?.ok_or_else(|| missing_tile(wanted))?;
        Ok(full[..tile::width(wanted)].into())
    }

    async fn fetch_tile(&self, wanted: Tile) -> Result<Option<Arc<[Hash]>>, TileError> {
        let path = tile::path(wanted);
        let length = tile::byte_len(wanted);
        let Some(bytes) = self.get_bounded(&path, length..=length).await? else { return Ok(None) };
        let hashes = tile::decode(wanted, &bytes).ok_or_else(|| TileError::Damaged(path.to_string()))?;
        Ok(Some(hashes.into()))
    }

    /// A file's bytes, not read unless their number is in the range.
    async fn get_bounded(
        &self,
        path: &Path,
        length: std::ops::RangeInclusive<u64>,
    ) -> Result<Option<Bytes>, TileError> {
        match self.objects.get(path).await {
            Ok(found) if length.contains(&found.meta.size) => Ok(Some(found.bytes().await?)),
            Ok(_) => Err(TileError::Damaged(path.to_string())),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for TileStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TileStore({})", self.objects)
    }
}

fn missing_tile(wanted: Tile) -> TileError {
    TileError::Missing(tile::path(wanted).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory() -> TileStore {
        TileStore::open("memory:///", []).unwrap()
    }

    #[tokio::test]
    async fn a_checkpoint_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let location = folder.path().join("not/there/yet");
        let store = TileStore::open(location.to_str().unwrap(), []).unwrap();
        assert_eq!(store.checkpoint().await.unwrap(), None);
        for note in ["one\n", "two\n"] {
            store.publish_checkpoint(note).await.unwrap();
            assert_eq!(store.checkpoint().await.unwrap().as_deref(), Some(note));
            assert_eq!(std::fs::read_to_string(location.join("checkpoint")).unwrap(), note);
        }
    }

    #[tokio::test]
    async fn what_is_no_checkpoint_is_not_read() {
        let store = memory();
        for bytes in [vec![b'x'; NOTE_BYTES_MAX + 1], vec![0xff]] {
            store.objects.put(&Path::from(CHECKPOINT_PATH), bytes.into()).await.unwrap();
            let error = store.checkpoint().await.unwrap_err();
            assert_eq!(error.to_string(), "checkpoint is damaged");
        }
    }

    #[test]
    fn other_locations_are_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for location in
            ["", "://", "ftp://there", "https://there/tiles", "file:///there", file.path().to_str().unwrap()]
        {
            let error = TileStore::open(location, []).err();
            assert!(matches!(error, Some(TileError::InvalidLocation(_))), "{location:?}: {error:?}");
        }
    }

    #[test]
    fn a_bucket_needs_no_network_to_open() {
        let options =
            [("aws_region", "eu-central-1"), ("aws_access_key_id", "a"), ("aws_secret_access_key", "b")];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let store = TileStore::open("s3://bucket/some/prefix", options).unwrap();
        assert_eq!(format!("{store:?}"), "TileStore(PrefixObjectStore(some/prefix))");
    }
}
