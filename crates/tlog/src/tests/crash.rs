//! What is in the store after a crash: the writer is stopped before any one of its accesses to the store, and the tree
//! of the last flush that returned must be there, whole, and can be gone on with.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{
    CopyOptions, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use proptest::prelude::*;

use super::fixtures::{head, leaf};
use crate::{TileError, TileStore, TileWriter, TreeHead, verify_inclusion};

/// A store that answers a number of accesses and none after that, as seen from a process that ends.
#[derive(Clone, Debug)]
struct CrashingStore {
    store: Arc<InMemory>,
    accesses_left: Arc<AtomicU64>,
}

impl CrashingStore {
    fn new(store: InMemory, left: u64) -> Self {
        Self { store: Arc::new(store), accesses_left: Arc::new(AtomicU64::new(left)) }
    }

    fn count_access(&self) -> Result<()> {
        let left =
            self.accesses_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| object_store::Error::Generic { store: "Ending", source: "ended".into() })
    }

    /// The same store in the next process.
    fn restart(&self) {
        self.accesses_left.store(u64::MAX, Ordering::Relaxed);
    }
}

impl fmt::Display for CrashingStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

// The trait's methods as `async_trait` makes them.
impl ObjectStore for CrashingStore {
    fn put_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        payload: PutPayload,
        options: PutOptions,
    ) -> BoxFuture<'f, Result<PutResult>>
    where
        's: 'f,
        'l: 'f,
    {
        async move {
            self.count_access()?;
            self.store.put_opts(location, payload, options).await
        }
        .boxed()
    }

    fn put_multipart_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        options: PutMultipartOptions,
    ) -> BoxFuture<'f, Result<Box<dyn MultipartUpload>>>
    where
        's: 'f,
        'l: 'f,
    {
        self.store.put_multipart_opts(location, options)
    }

    fn get_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        options: GetOptions,
    ) -> BoxFuture<'f, Result<GetResult>>
    where
        's: 'f,
        'l: 'f,
    {
        async move {
            self.count_access()?;
            self.store.get_opts(location, options).await
        }
        .boxed()
    }

    fn delete_stream(&self, locations: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        let ending = self.clone();
        locations
            .and_then(move |location| {
                let ending = ending.clone();
                async move {
                    ending.count_access()?;
                    ending.store.delete(&location).await?;
                    Ok(location)
                }
            })
            .boxed()
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        self.store.list(prefix)
    }

    fn list_with_delimiter<'s, 'l, 'f>(
        &'s self,
        prefix: Option<&'l Path>,
    ) -> BoxFuture<'f, Result<ListResult>>
    where
        's: 'f,
        'l: 'f,
    {
        self.store.list_with_delimiter(prefix)
    }

    fn copy_opts<'s, 'l, 'm, 'f>(
        &'s self,
        from: &'l Path,
        to: &'m Path,
        options: CopyOptions,
    ) -> BoxFuture<'f, Result<()>>
    where
        's: 'f,
        'l: 'f,
        'm: 'f,
    {
        self.store.copy_opts(from, to, options)
    }
}

/// Pushes up to each of these sizes and flushes; says what was flushed last in any case.
async fn push_and_flush(
    store: &TileStore,
    flushed: &mut TreeHead,
    sizes: impl IntoIterator<Item = u64>,
) -> std::result::Result<(), TileError> {
    let mut writer = TileWriter::resume(store.clone(), *flushed).await?;
    let begin = flushed.size;
    for size in sizes.into_iter().filter(|size| *size >= begin) {
        while writer.size() < size {
            writer.push(leaf(writer.size())).await?;
        }
        writer.flush().await?;
        *flushed = writer.head();
    }
    Ok(())
}

/// Stops after `accesses`, checks, goes on to the end, checks again. Says whether it came to a stop at all.
async fn crash_and_resume(
    ending: CrashingStore,
    begin: TreeHead,
    sizes: &[u64],
    heads: &HashMap<u64, TreeHead>,
) -> bool {
    let mut flushed = begin;
    let store = TileStore::from_object_store(Arc::new(ending.clone()));
    let stopped = push_and_flush(&store, &mut flushed, sizes.iter().copied()).await.is_err();

    ending.restart();
    let store = TileStore::from_object_store(Arc::new(ending.clone()));
    assert_eq!(Some(&flushed), heads.get(&flushed.size));
    check(&store, flushed).await;
    push_and_flush(&store, &mut flushed, sizes.iter().copied()).await.unwrap();
    for size in sizes.iter().filter(|size| **size >= begin.size) {
        // Each with the tiles of its own time, which larger ones may have to answer for.
        check(&TileStore::from_object_store(Arc::new(ending.clone())), heads[size]).await;
    }
    stopped
}

async fn check(store: &TileStore, TreeHead { size, root }: TreeHead) {
    assert_eq!(store.root(size, size).await.unwrap(), root, "the tree of {size}");
    for index in [0, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
        let proof = store.inclusion_proof(size, index, size).await.unwrap();
        assert_eq!(verify_inclusion(index, size, leaf(index), root, &proof), Ok(()), "{index} in {size}");
    }
}

async fn crash_at_every_access(begin: u64, sizes: &[u64]) {
    let built = CrashingStore::new(InMemory::new(), u64::MAX);
    let mut flushed = head(0);
    push_and_flush(&TileStore::from_object_store(Arc::new(built.clone())), &mut flushed, [begin])
        .await
        .unwrap();
    let heads = sizes.iter().copied().chain([begin]).map(|size| (size, head(size))).collect();

    let mut stops = 0;
    while crash_and_resume(CrashingStore::new(built.store.fork(), stops), flushed, sizes, &heads).await {
        stops += 1;
    }
    assert!(stops >= sizes.len() as u64, "every flush writes something");
}

#[tokio::test]
async fn a_small_tree_survives_a_crash_at_every_access() {
    crash_at_every_access(0, &[1, 3, 3, 200, 255, 256, 257, 300, 511, 513, 700, 1_300]).await;
}

#[tokio::test]
async fn a_tree_with_a_full_tile_of_tiles_survives_a_crash_at_every_access() {
    crash_at_every_access(65_200, &[65_280, 65_535, 65_536, 65_600, 66_100]).await;
}

/// More full tiles than are written together, without a flush in between.
#[tokio::test]
async fn many_tiles_between_flushes_survive_a_crash_at_every_access() {
    crash_at_every_access(100, &[16_700, 17_000]).await;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_tree_survives_a_crash_at_any_access(
        steps in proptest::collection::vec(0_u64..400, 1..12),
        accesses in 0_u64..60,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let sizes: Vec<_> = steps.iter().scan(0, |size, step| { *size += step; Some(*size) }).collect();
        let heads = sizes.iter().copied().chain([0]).map(|size| (size, head(size))).collect();
        runtime.block_on(crash_and_resume(CrashingStore::new(InMemory::new(), accesses), head(0), &sizes, &heads));
    }
}
