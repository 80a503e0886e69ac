//! Keeping the tree: from the last checkpoint on, event by event, and a new checkpoint every few seconds.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{Log, LogConsumerName, LogState, ReadRangeError};
use jetstream::{AppendError, Appender, FollowError};
use notary_client::{CheckpointStream, StoredCheckpoint};
use schemas::Sequence;
use tlog::{Hash, LogSigner, TileError, TileStore, TileWriter, TreeHead};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::incident::{LoopExit, NotaryIncident};

/// The checkpoint beside the tiles.
const PUBLISHED_CHECKPOINT: &str = "the checkpoint published beside the tiles";

fn log_mismatch(size: u64, which: &str) -> LoopExit {
    LoopExit::Incident(NotaryIncident::LogMismatch { size, checkpoint: which.to_owned() })
}

/// What keeping the tree needs.
pub(crate) struct CheckpointSigner {
    pub(crate) log: Log,
    pub(crate) checkpoints: CheckpointStream,
    pub(crate) appender: Appender,
    pub(crate) signer: LogSigner,
    pub(crate) tiles: TileStore,
    pub(crate) interval: Duration,
    /// The newest checkpoint whose tiles are written: what proofs are made for.
    pub(crate) newest_checkpoint: watch::Sender<Option<StoredCheckpoint>>,
    /// Somebody found that the tiles do not prove what was signed.
    pub(crate) tile_damage: Arc<Notify>,
    pub(crate) are_tiles_damaged: AtomicBool,
    /// How far the log has been read, to know whether the notary has caught up.
    pub(crate) log_end_at_start: watch::Sender<Option<u64>>,
}

impl CheckpointSigner {
    /// One round: from the last checkpoint until something breaks.
    pub(crate) async fn run_once(&self) -> LoopExit {
        match self.follow_and_sign().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn follow_and_sign(&self) -> Result<std::convert::Infallible, LoopExit> {
        let state = self.log.open().await?;
        self.checkpoints.verify_config().await?;
        let last = self.checkpoints.last().await?;
        let published = self.published_head().await?;
        let mut tree = self.resume_tree(&state, last.as_ref(), published).await?;
        if let Some(last) = &last {
            // A kill between the two, or tiles that were made anew: whoever reads the tiles finds their checkpoint.
            self.tiles.publish_checkpoint(&last.note).await?;
        }
        self.are_tiles_damaged.store(false, Ordering::Release);
        let mut number = last.as_ref().map_or(0, |checkpoint| checkpoint.number);
        let mut signed = tree.size();
        self.newest_checkpoint.send_replace(last);
        self.log_end_at_start.send_replace(Some(state.last.map_or(0, Sequence::get)));
        let followed = self.log.follow(LogConsumerName::Notary, Sequence::new(signed)).await;
        let mut follower = followed.map_err(|error| LoopExit::Interrupted(error.to_string()))?;
        // The first event of a quiet log is signed at once, the others every interval.
        let mut next_checkpoint = Instant::now();
        loop {
            let events = tokio::select! {
                events = follower.next() => events,
                () = self.tile_damage.notified() => {
                    self.are_tiles_damaged.store(true, Ordering::Release);
                    return Err(LoopExit::Interrupted("a tile is damaged; the tiles are made anew".to_owned()));
                }
                () = sleep_until(next_checkpoint), if tree.size() > signed => {
                    number = self.sign_checkpoint(&mut tree, number).await?;
                    signed = tree.size();
                    next_checkpoint = Instant::now() + self.interval;
                    continue;
                }
            };
            for event in self.classify_read(events).await? {
                tree.push(Hash::from_leaf(event.bytes())).await?;
            }
        }
    }

    /// A hole, unless the event is there after all: another notary may have moved the consumer meanwhile.
    async fn classify_read<T>(&self, read: Result<T, FollowError>) -> Result<T, LoopExit> {
        match read {
            Ok(read) => Ok(read),
            Err(FollowError::Gap { expected, found })
                if found > expected && !self.log.contains(expected).await =>
            {
                Err(ReadRangeError::Gap { expected, found }.into())
            }
            Err(error) => Err(LoopExit::Interrupted(error.to_string())),
        }
    }

    /// What was published beside the tiles: a second memory of what was signed, which does not go with the broker's
    /// files. What is there and not ours says nothing.
    async fn published_head(&self) -> Result<Option<TreeHead>, LoopExit> {
        let note = match self.tiles.checkpoint().await {
            Ok(note) => note,
            Err(TileError::Damaged(_)) => None,
            Err(error) => return Err(error.into()),
        };
        Ok(note.and_then(|note| self.checkpoints.verifier().open_checkpoint(&note).ok()))
    }

    /// The tree as it was signed last, and that the log still is what was signed.
    async fn resume_tree(
        &self,
        state: &LogState,
        last: Option<&StoredCheckpoint>,
        published: Option<TreeHead>,
    ) -> Result<TileWriter, LoopExit> {
        let signed = last.map_or(0, |last| last.head.size);
        let newest = signed.max(published.map_or(0, |head| head.size));
        let log_last = state.last.map_or(0, Sequence::get);
        if log_last < newest {
            return Err(LoopExit::Incident(NotaryIncident::Truncated { last: log_last, signed: newest }));
        }
        // Nothing was signed, or what is known to be signed is not in the stream any more, or the tiles are damaged.
        let trusted = last.filter(|_| newest == signed && !self.are_tiles_damaged.load(Ordering::Acquire));
        let Some(last) = trusted else { return self.rebuild_tiles(newest, published).await };
        let tree = match TileWriter::resume(self.tiles.clone(), last.head).await {
            Ok(tree) => tree,
            Err(error @ (TileError::Missing(_) | TileError::Damaged(_))) => {
                tracing::warn!(%error, "the tiles are not those of the last checkpoint; they are made anew from the log");
                return self.rebuild_tiles(newest, published).await;
            }
            Err(error) => return Err(error.into()),
        };
        // The cheapest look at whether this is the log that was signed: its last signed event.
        if let Some(sequence) = Sequence::new(signed) {
            let event = self.log.get(sequence).await?;
            let leaf = event.map(|event| Hash::from_leaf(event.bytes()));
            if leaf != Some(self.tiles.leaf_hash(signed, signed - 1).await?) {
                return Err(log_mismatch(signed, &format!("checkpoint {}", last.number)));
            }
        }
        if let Some(published) = published
            && self.tiles.root(signed, published.size).await? != published.root
        {
            return Err(log_mismatch(published.size, PUBLISHED_CHECKPOINT));
        }
        Ok(tree)
    }

    /// Reads the log from its first event, and holds it against everything that was signed on the way.
    async fn rebuild_tiles(&self, size: u64, published: Option<TreeHead>) -> Result<TileWriter, LoopExit> {
        self.tiles.clear_cache();
        let mut tree = TileWriter::new(self.tiles.clone());
        let mut signed = self.checkpoints.cursor();
        let Some(last) = Sequence::new(size) else { return Ok(tree) };
        let mut stretch = self.log.read_range(LogConsumerName::Notary, None, last);
        while let Some(events) = stretch.next().await? {
            for event in events {
                tree.push(Hash::from_leaf(event.bytes())).await?;
                if signed.peek_size().await? == Some(tree.size())
                    && let Some(checkpoint) = signed.pop()
                    && checkpoint.head != tree.head()
                {
                    let which = format!("checkpoint {}", checkpoint.number);
                    return Err(log_mismatch(checkpoint.head.size, &which));
                }
                if let Some(published) = published.filter(|published| published.size == tree.size())
                    && published != tree.head()
                {
                    return Err(log_mismatch(published.size, PUBLISHED_CHECKPOINT));
                }
            }
        }
        tree.flush().await?;
        Ok(tree)
    }

    /// Tiles first, then the checkpoint: a checkpoint that is seen can be proved.
    async fn sign_checkpoint(&self, tree: &mut TileWriter, last: u64) -> Result<u64, LoopExit> {
        tree.flush().await?;
        let head: TreeHead = tree.head();
        let note = self.signer.sign_checkpoint(head);
        let number = match CheckpointStream::append(&self.appender, last, &note).await {
            Ok(number) => number,
            Err(AppendError::Conflict | AppendError::Unknown) => {
                // Another notary, or an earlier attempt of our own: what stands there is the truth.
                return Err(LoopExit::Interrupted("the checkpoint may have been written already".to_owned()));
            }
            Err(error) => return Err(LoopExit::Interrupted(error.to_string())),
        };
        self.tiles.publish_checkpoint(&note).await?;
        metrics::gauge!("syncwell_checkpoint_tree_size").set(head.size as f64);
        metrics::counter!("syncwell_checkpoints_signed_total").increment(1);
        self.newest_checkpoint.send_replace(Some(StoredCheckpoint { number, note, head }));
        Ok(number)
    }
}
