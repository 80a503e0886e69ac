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

use crate::{Frontier, Hash, TileError, TileStore, TileWriter, TreeHead, verify_inclusion};

/// A store that answers a number of accesses and none after that, as seen from a process that ends.
#[derive(Clone, Debug)]
struct Ending {
    store: Arc<InMemory>,
    left: Arc<AtomicU64>,
}

impl Ending {
    fn new(store: InMemory, left: u64) -> Self {
        Self { store: Arc::new(store), left: Arc::new(AtomicU64::new(left)) }
    }

    fn access(&self) -> Result<()> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map(|_| ()).map_err(|_| object_store::Error::Generic { store: "Ending", source: "ended".into() })
    }

    /// The same store in the next process.
    fn revive(&self) {
        self.left.store(u64::MAX, Ordering::Relaxed);
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ending")
    }
}

// The trait's methods as `async_trait` makes them.
impl ObjectStore for Ending {
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
            self.access()?;
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
            self.access()?;
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
                    ending.access()?;
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

fn leaf(index: u64) -> Hash {
    Hash::of_leaf(&index.to_be_bytes())
}

/// Pushes up to each of these sizes and flushes; says what was flushed last in any case.
async fn grow(
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

fn head(size: u64) -> TreeHead {
    let mut frontier = Frontier::default();
    (0..size).for_each(|index| frontier.push(leaf(index)));
    TreeHead { size, root: frontier.root() }
}

/// Stops after `accesses`, checks, goes on to the end, checks again. Says whether it came to a stop at all.
async fn stop_and_go_on(
    ending: Ending,
    begin: TreeHead,
    sizes: &[u64],
    heads: &HashMap<u64, TreeHead>,
) -> bool {
    let mut flushed = begin;
    let store = TileStore::over(Arc::new(ending.clone()));
    let stopped = grow(&store, &mut flushed, sizes.iter().copied()).await.is_err();

    ending.revive();
    let store = TileStore::over(Arc::new(ending.clone()));
    assert_eq!(Some(&flushed), heads.get(&flushed.size));
    check(&store, flushed).await;
    grow(&store, &mut flushed, sizes.iter().copied()).await.unwrap();
    for size in sizes.iter().filter(|size| **size >= begin.size) {
        // Each with the tiles of its own time, which larger ones may have to answer for.
        check(&TileStore::over(Arc::new(ending.clone())), heads[size]).await;
    }
    stopped
}

async fn check(store: &TileStore, TreeHead { size, root }: TreeHead) {
    assert_eq!(store.root(size, size).await.unwrap(), root, "the tree of {size}");
    for index in [0, size / 2, size.saturating_sub(1)].into_iter().filter(|index| *index < size) {
        let proof = store.inclusion(size, index, size).await.unwrap();
        assert_eq!(verify_inclusion(index, size, leaf(index), root, &proof), Ok(()), "{index} in {size}");
    }
}

async fn stop_everywhere(begin: u64, sizes: &[u64]) {
    let built = Ending::new(InMemory::new(), u64::MAX);
    let mut flushed = head(0);
    grow(&TileStore::over(Arc::new(built.clone())), &mut flushed, [begin]).await.unwrap();
    let heads = sizes.iter().copied().chain([begin]).map(|size| (size, head(size))).collect();

    let mut stops = 0;
    while stop_and_go_on(Ending::new(built.store.fork(), stops), flushed, sizes, &heads).await {
        stops += 1;
    }
    assert!(stops >= sizes.len() as u64, "every flush writes something");
}

#[tokio::test]
async fn a_small_tree_survives_a_crash_at_every_access() {
    stop_everywhere(0, &[1, 3, 3, 200, 255, 256, 257, 300, 511, 513, 700, 1_300]).await;
}

#[tokio::test]
async fn a_tree_with_a_full_tile_of_tiles_survives_a_crash_at_every_access() {
    stop_everywhere(65_200, &[65_280, 65_535, 65_536, 65_600, 66_100]).await;
}

/// More full tiles than are written together, without a flush in between.
#[tokio::test]
async fn many_tiles_between_flushes_survive_a_crash_at_every_access() {
    stop_everywhere(100, &[16_700, 17_000]).await;
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
        runtime.block_on(stop_and_go_on(Ending::new(InMemory::new(), accesses), head(0), &sizes, &heads));
    }
}
