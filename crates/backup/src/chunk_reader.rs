//! A file, read ahead in chunks by a thread that may block.

use runtime::join_blocking;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use crate::limits::CHUNKS_AHEAD_MAX;

/// How long a chunk gets: up to so many items and bytes, and one item at least.
pub(crate) struct ChunkBounds<T> {
    pub(crate) items_max: usize,
    pub(crate) bytes_max: usize,
    /// What an item counts for.
    pub(crate) item_bytes: fn(&T) -> usize,
}

/// The chunks of a file.
pub(crate) struct ChunkReader<T, E> {
    chunks: mpsc::Receiver<Result<Vec<T>, E>>,
    reader_task: Option<JoinHandle<()>>,
}

impl<T: Send + 'static, E: Send + 'static> ChunkReader<T, E> {
    /// Begins to read what `open` opens.
    pub(crate) fn start<I: Iterator<Item = Result<T, E>>>(
        open: impl FnOnce() -> Result<I, E> + Send + 'static,
        bounds: ChunkBounds<T>,
    ) -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS_AHEAD_MAX);
        let reading = spawn_blocking(move || match open() {
            Ok(items) => send_chunks(items, &bounds, &sender),
            // Whoever has gone needs no error either.
            Err(error) => drop(sender.blocking_send(Err(error))),
        });
        Self { chunks, reader_task: Some(reading) }
    }

    /// The next chunk, never an empty one; `None` at the end. After an error there is nothing more.
    pub(crate) async fn next_chunk(&mut self) -> Result<Option<Vec<T>>, E> {
        if let Some(chunk) = self.chunks.recv().await {
            return chunk.map(Some);
        }
        if let Some(reading) = self.reader_task.take() {
            join_blocking(reading).await;
        }
        Ok(None)
    }
}

fn send_chunks<T, E>(
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
        let more = (bounds.item_bytes)(&item);
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

    async fn chunk_lengths(items: Vec<Result<usize, &'static str>>) -> Result<Vec<usize>, &'static str> {
        let bounds = ChunkBounds { items_max: 3, bytes_max: 10, item_bytes: |bytes| *bytes };
        let mut chunks = ChunkReader::start(move || Ok(items.into_iter()), bounds);
        let mut lengths = Vec::new();
        while let Some(chunk) = chunks.next_chunk().await? {
            lengths.push(chunk.len());
        }
        Ok(lengths)
    }

    #[tokio::test]
    async fn chunks_are_bounded_by_items_and_bytes() {
        assert_eq!(chunk_lengths(vec![]).await, Ok(vec![]));
        assert_eq!(chunk_lengths(vec![Ok(1); 7]).await, Ok(vec![3, 3, 1]));
        assert_eq!(chunk_lengths(vec![Ok(5), Ok(5), Ok(1)]).await, Ok(vec![2, 1]));
        assert_eq!(chunk_lengths(vec![Ok(99), Ok(99)]).await, Ok(vec![1, 1]), "a large one goes by itself");
    }

    #[tokio::test]
    async fn an_error_comes_through() {
        let mut items = vec![Ok(1); 3];
        items.push(Err("broken"));
        assert_eq!(chunk_lengths(items).await, Err("broken"));
        let bounds = ChunkBounds { items_max: 1, bytes_max: 1, item_bytes: |_: &u8| 1 };
        let mut chunks =
            ChunkReader::start(|| Err::<std::iter::Empty<Result<u8, &str>>, &str>("missing"), bounds);
        assert_eq!(chunks.next_chunk().await, Err("missing"));
    }
}
