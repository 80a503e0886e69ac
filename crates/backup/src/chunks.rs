//! A file, read ahead in chunks by a thread that may block.

use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::limits::CHUNKS_AHEAD_MAX;
use crate::offload::joined;

/// How long a chunk gets: up to so many items and bytes, and one item at least.
pub(crate) struct ChunkBounds<T> {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    /// What an item counts for.
    pub(crate) bytes_of: fn(&T) -> usize,
}

/// The chunks of a file.
pub(crate) struct Chunks<T, E> {
    chunks: mpsc::Receiver<Result<Vec<T>, E>>,
    reading: Option<JoinHandle<()>>,
}

impl<T: Send + 'static, E: Send + 'static> Chunks<T, E> {
    /// Begins to read what `open` opens.
    pub(crate) fn read<I: Iterator<Item = Result<T, E>>>(
        open: impl FnOnce() -> Result<I, E> + Send + 'static,
        bounds: ChunkBounds<T>,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD_MAX);
        let reading = spawn_blocking(move || match open() {
            Ok(items) => send(items, &bounds, &sender),
            // Whoever has gone needs no error either.
            Err(error) => drop(sender.blocking_send(Err(error))),
        });
        Self { chunks, reading: Some(reading) }
    }

    /// The next chunk, never an empty one; `None` at the end. After an error there is nothing more.
    pub(crate) async fn next(&mut self) -> Result<Option<Vec<T>>, E> {
        if let Some(chunk) = self.chunks.recv().await {
            return chunk.map(Some);
        }
        if let Some(reading) = self.reading.take() {
            joined(reading).await;
        }
        Ok(None)
    }
}

fn send<T, E>(
    items: impl Iterator<Item = Result<T, E>>,
    bounds: &ChunkBounds<T>,
    sender: &mpsc::Sender<Result<Vec<T>, E>>,
) {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    for item in items {
        let item = match item {
            Ok(item) => item,
            Err(error) => return drop(sender.blocking_send(Err(error))),
        };
        let more = (bounds.bytes_of)(&item);
        let is_full = chunk.len() == bounds.items_max || bytes + more > bounds.bytes_max;
        if is_full && !chunk.is_empty() {
            bytes = 0;
            if sender.blocking_send(Ok(std::mem::take(&mut chunk))).is_err() {
                return;
            }
        }
        bytes += more;
        chunk.push(item);
    }
    if !chunk.is_empty() {
        drop(sender.blocking_send(Ok(chunk)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lengths(items: Vec<Result<usize, &'static str>>) -> Result<Vec<usize>, &'static str> {
        let bounds = ChunkBounds { items_max: 3, bytes_max: 10, bytes_of: |bytes| *bytes };
        let mut chunks = Chunks::read(move || Ok(items.into_iter()), bounds);
        let mut lengths = Vec::new();
        while let Some(chunk) = chunks.next().await? {
            lengths.push(chunk.len());
        }
        Ok(lengths)
    }

    #[tokio::test]
    async fn chunks_are_bounded_by_items_and_bytes() {
        assert_eq!(lengths(vec![]).await, Ok(vec![]));
        assert_eq!(lengths(vec![Ok(1); 7]).await, Ok(vec![3, 3, 1]));
        assert_eq!(lengths(vec![Ok(5), Ok(5), Ok(1)]).await, Ok(vec![2, 1]));
        assert_eq!(lengths(vec![Ok(99), Ok(99)]).await, Ok(vec![1, 1]), "a large one goes by itself");
    }

    #[tokio::test]
    async fn an_error_comes_through() {
        let mut items = vec![Ok(1); 3];
        items.push(Err("broken"));
        assert_eq!(lengths(items).await, Err("broken"));
        let bounds = ChunkBounds { items_max: 1, bytes_max: 1, bytes_of: |_: &u8| 1 };
        let mut chunks = Chunks::read(|| Err::<std::iter::Empty<Result<u8, &str>>, &str>("missing"), bounds);
        assert_eq!(chunks.next().await, Err("missing"));
    }
}
