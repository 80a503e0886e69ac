//! Follows the log from the last checkpoint on, adds every event to the tree, and signs a checkpoint every few seconds.

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

use crate::incident::LoopExit;
use crate::resume::{ResumePlan, checkpoint_mismatch, is_gap, plan_resume, published_mismatch, verify_head};
use crate::sign_schedule::SignSchedule;

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
        let mut schedule = SignSchedule::new(tree.size(), Instant::now(), self.interval);
        self.newest_checkpoint.send_replace(last);
        self.log_end_at_start.send_replace(Some(state.last.map_or(0, Sequence::get)));
        let followed = self.log.follow(LogConsumerName::Notary, Sequence::new(tree.size())).await;
        let mut follower = followed.map_err(|error| LoopExit::Interrupted(error.to_string()))?;
        loop {
            let sign_at = schedule.sign_at(tree.size());
            let events = tokio::select! {
                events = follower.next() => events,
                () = self.tile_damage.notified() => {
                    self.are_tiles_damaged.store(true, Ordering::Release);
                    return Err(LoopExit::Interrupted("a tile is damaged; the tiles are made anew".to_owned()));
                }
                () = sleep_until(sign_at.unwrap_or_else(Instant::now)), if sign_at.is_some() => {
                    number = self.sign_checkpoint(&mut tree, number).await?;
                    schedule.record_signed(tree.size(), Instant::now());
                    continue;
                }
            };
            for event in self.classify_read(events).await? {
                tree.push(Hash::from_leaf(event.bytes())).await?;
            }
        }
    }

    async fn classify_read<T>(&self, read: Result<T, FollowError>) -> Result<T, LoopExit> {
        match read {
            Ok(read) => Ok(read),
            Err(ref error @ FollowError::Gap { expected, found })
                if is_gap(error, self.log.contains(expected).await) =>
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

    /// The tree that was signed last, after a check that the log is still the signed one.
    async fn resume_tree(
        &self,
        state: &LogState,
        last: Option<&StoredCheckpoint>,
        published: Option<TreeHead>,
    ) -> Result<TileWriter, LoopExit> {
        let log_last = state.last.map_or(0, Sequence::get);
        let are_tiles_damaged = self.are_tiles_damaged.load(Ordering::Acquire);
        match plan_resume(log_last, last, published, are_tiles_damaged)? {
            ResumePlan::Continue(signed) => self.continue_tree(signed, published).await,
            ResumePlan::Rebuild { size } => self.rebuild_tiles(size, published).await,
        }
    }

    async fn continue_tree(
        &self,
        signed: &StoredCheckpoint,
        published: Option<TreeHead>,
    ) -> Result<TileWriter, LoopExit> {
        let size = signed.head.size;
        let tree = match TileWriter::resume(self.tiles.clone(), signed.head).await {
            Ok(tree) => tree,
            Err(error @ (TileError::Missing(_) | TileError::Damaged(_))) => {
                tracing::warn!(%error, "the tiles do not match the last checkpoint; rebuilding them from the log");
                return self.rebuild_tiles(size, published).await;
            }
            Err(error) => return Err(error.into()),
        };
        // The cheapest check that this is the log that was signed: its last signed event.
        if let Some(sequence) = Sequence::new(size) {
            let event = self.log.get(sequence).await?;
            let leaf = event.map(|event| Hash::from_leaf(event.bytes()));
            if leaf != Some(self.tiles.leaf_hash(size, size - 1).await?) {
                return Err(checkpoint_mismatch(signed).into());
            }
        }
        if let Some(published) = published
            && self.tiles.root(size, published.size).await? != published.root
        {
            return Err(published_mismatch(published).into());
        }
        Ok(tree)
    }

    /// Reads the log from its first event and compares it with everything that was signed.
    async fn rebuild_tiles(&self, size: u64, published: Option<TreeHead>) -> Result<TileWriter, LoopExit> {
        self.tiles.clear_cache();
        let mut tree = TileWriter::new(self.tiles.clone());
        let mut signed = self.checkpoints.cursor();
        let Some(last) = Sequence::new(size) else { return Ok(tree) };
        let mut stretch = self.log.read_range(LogConsumerName::Notary, None, last);
        while let Some(events) = stretch.next().await? {
            for event in events {
                tree.push(Hash::from_leaf(event.bytes())).await?;
                let is_signed = signed.peek_size().await? == Some(tree.size());
                let checkpoint = if is_signed { signed.pop() } else { None };
                let published = published.filter(|published| published.size == tree.size());
                // Not for every event: the root of the tree costs up to 2,040 hashes.
                if checkpoint.is_some() || published.is_some() {
                    verify_head(tree.head(), checkpoint.as_ref(), published)?;
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
