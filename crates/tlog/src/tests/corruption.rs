//! What the writer and the reader of tiles do in a folder: what they leave there, and what they say when something was
//! changed behind their backs.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use super::fixtures::{head, leaf};
use crate::{ProofError, TileError, TileStore, TileWriter, TreeHead, verify_inclusion};

struct TileDir(TempDir);

impl TileDir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, file: &str) -> PathBuf {
        self.0.path().join(file)
    }

    fn contains(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    /// Opens it as a new process would.
    fn open(&self) -> TileStore {
        TileStore::open(self.0.path().to_str().unwrap(), []).unwrap()
    }

    async fn push_and_flush(&self, writer: &mut TileWriter, sizes: &[u64]) {
        for size in sizes {
            while writer.size() < *size {
                writer.push(leaf(writer.size())).await.unwrap();
            }
            writer.flush().await.unwrap();
            assert_eq!(writer.head(), head(*size));
        }
    }

    /// A folder with these sizes flushed.
    async fn with_sizes(sizes: &[u64]) -> Self {
        let folder = Self::new();
        folder.push_and_flush(&mut TileWriter::new(folder.open()), sizes).await;
        folder
    }

    fn corrupt(&self, file: &str) {
        let mut bytes = fs::read(self.path(file)).unwrap();
        bytes[40] ^= 1;
        fs::write(self.path(file), bytes).unwrap();
    }

    async fn resume(&self, size: u64) -> Result<(), String> {
        let resumed = TileWriter::resume(self.open(), head(size)).await;
        resumed.map(|_| ()).map_err(|error| error.to_string())
    }
}

#[tokio::test]
async fn partial_tiles_are_written_once_and_deleted_when_they_are_answered_for() {
    let folder = TileDir::new();
    let mut writer = TileWriter::new(folder.open());
    folder.push_and_flush(&mut writer, &[100, 200]).await;
    assert!(folder.contains("tile/0/000.p/100") && folder.contains("tile/0/000.p/200"));

    // Nothing to do: what is not there is not written again.
    fs::remove_file(folder.path("tile/0/000.p/200")).unwrap();
    writer.flush().await.unwrap();
    assert!(!folder.contains("tile/0/000.p/200"));

    // The tile is full but the tree of this size is not stored yet.
    while writer.size() < 300 {
        writer.push(leaf(writer.size())).await.unwrap();
    }
    assert!(folder.contains("tile/0/000.p/100"));
    writer.flush().await.unwrap();
    assert!(
        folder.contains("tile/0/000")
            && folder.contains("tile/0/001.p/44")
            && folder.contains("tile/1/000.p/1")
    );
    assert!(!folder.contains("tile/0/000.p/100"));

    // A level whose last tile has not grown is left alone.
    fs::remove_file(folder.path("tile/1/000.p/1")).unwrap();
    folder.push_and_flush(&mut writer, &[301]).await;
    assert!(folder.contains("tile/0/001.p/45") && !folder.contains("tile/1/000.p/1"));
}

#[tokio::test]
async fn older_sizes_are_answered_from_newer_tiles() {
    let folder = TileDir::with_sizes(&[100, 300, 600]).await;
    assert!(!folder.contains("tile/0/000.p/100") && !folder.contains("tile/0/001.p/44"));
    for size in [1, 100, 256, 300, 511, 512, 600] {
        let expected = head(size).root;
        assert_eq!(folder.open().root(600, size).await.unwrap(), expected, "{size} of 600");
    }
    // Even to somebody who only knows of the older tree: full tiles stand in for its partial ones.
    for size in [100, 300] {
        assert_eq!(folder.open().root(size, size).await.unwrap(), head(size).root, "{size}");
        assert_eq!(folder.resume(size).await, Ok(()), "{size}");
    }
    assert_eq!(folder.resume(600).await, Ok(()));
}

#[tokio::test]
async fn resuming_goes_on_with_the_same_tree() {
    for size in [0, 1, 255, 256, 257, 600] {
        let folder = TileDir::with_sizes(&[size]).await;
        let mut writer = TileWriter::resume(folder.open(), head(size)).await.unwrap();
        assert_eq!((writer.size(), writer.head()), (size, head(size)));
        folder.push_and_flush(&mut writer, &[size + 300]).await;
        // What was partial before the restart is deleted too.
        assert!(!folder.contains(&format!("tile/0/{:03}.p/{}", size / 256, size % 256)));
    }
}

#[tokio::test]
async fn another_root_does_not_resume() {
    let folder = TileDir::with_sizes(&[300]).await;
    for head in [TreeHead { size: 300, root: head(299).root }, TreeHead { size: 0, root: head(299).root }] {
        let resumed = TileWriter::resume(folder.open(), head).await;
        assert!(matches!(resumed.err(), Some(TileError::Damaged(_))), "size {}", head.size);
    }
    assert_eq!(folder.resume(1_000).await, Err("tile/0/003.p/232 is missing".to_owned()));
}

#[tokio::test]
async fn damage_at_the_right_edge_does_not_resume() {
    let folder = TileDir::with_sizes(&[600]).await;
    let file = "tile/0/002.p/88";
    let whole = fs::read(folder.path(file)).unwrap();
    folder.corrupt(file);
    assert_eq!(folder.resume(600).await, Err("the right edge of the tree of 600 is damaged".to_owned()));
    for length in [0, 1, whole.len() - 32, whole.len() - 1] {
        fs::write(folder.path(file), &whole[..length]).unwrap();
        assert_eq!(folder.resume(600).await, Err(format!("{file} is damaged")), "{length} bytes");
    }
    fs::write(folder.path(file), [&whole[..], &[0; 32]].concat()).unwrap();
    assert_eq!(folder.resume(600).await, Err(format!("{file} is damaged")));
    fs::remove_file(folder.path(file)).unwrap();
    assert_eq!(folder.resume(600).await, Err(format!("{file} is missing")));
    fs::write(folder.path(file), &whole).unwrap();
    assert_eq!(folder.resume(600).await, Ok(()));
}

#[tokio::test]
async fn damage_in_a_full_tile_proves_nothing() {
    let folder = TileDir::with_sizes(&[600]).await;
    let whole = folder.open();
    assert_eq!(whole.inclusion_proof(600, 1, 600).await.unwrap().len(), 10);
    folder.corrupt("tile/0/000");
    let proof = folder.open().inclusion_proof(600, 0, 600).await.unwrap();
    assert_eq!(verify_inclusion(0, 600, leaf(0), head(600).root, &proof), Err(ProofError::RootMismatch));
    assert_ne!(folder.open().leaf_hash(600, 1).await.unwrap(), leaf(1));

    fs::remove_file(folder.path("tile/0/000")).unwrap();
    let error = folder.open().inclusion_proof(600, 0, 600).await.unwrap_err();
    assert_eq!(error.to_string(), "tile/0/000 is missing");
    // Read before and kept in memory.
    assert_eq!(whole.leaf_hash(600, 1).await.unwrap(), leaf(1));

    fs::write(folder.path("tile/0/000"), [0; 8_191]).unwrap();
    let error = folder.open().inclusion_proof(600, 0, 600).await.unwrap_err();
    assert_eq!(error.to_string(), "tile/0/000 is damaged");
}

#[test]
fn the_futures_can_go_to_another_thread() {
    fn check<F: Future + Send>(_: impl FnOnce(TileStore, TileWriter) -> F) {}
    check(async |store: TileStore, mut writer: TileWriter| {
        writer.push(leaf(0)).await?;
        writer.flush().await?;
        store.publish_checkpoint("").await?;
        store.inclusion_proof(1, 0, 1).await?;
        TileWriter::resume(store, head(1)).await.map(|_| ())
    });
}
