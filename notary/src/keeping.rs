//! Keeping the tree: from the last checkpoint on, event by event, and a new checkpoint every few seconds.

use std::time::Duration;

use events::{BrokenPromise, Log, LogError, LogReader, LogState, StretchError};
use schemas::Sequence;
use stream::{AppendError, Appender, FollowError};
use tlog::{Hash, LogSigner, TileError, TileStore, TileWriter, TreeHead};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::checkpoints::{Checkpoints, CheckpointsError, StoredCheckpoint};

/// What must never happen. The notary signs nothing any more.
#[derive(Debug, thiserror::Error)]
pub enum NotaryIncident {
    /// The log is not one that can be trusted.
    #[error(transparent)]
    Log(#[from] BrokenPromise),
    /// The checkpoints are not those of this log and this key.
    #[error("INCIDENT: what was signed does not hold, so nothing is signed behind it")]
    Checkpoints(#[source] CheckpointsError),
    /// The log ends before what was signed.
    #[error(
        "INCIDENT: the log ends at {last}, but {signed} events were signed: it was truncated, or restored from an older backup. Stop, keep the broker's files, restore from a mirror or a backup"
    )]
    Truncated {
        /// The last sequence.
        last: u64,
        /// The size of the newest checkpoint.
        signed: u64,
    },
    /// The log holds other events than those that were signed.
    #[error(
        "INCIDENT: the log's first {size} events are not those that checkpoint {number} was signed for: it was replaced or changed. Stop, keep the broker's files; `syncwell audit verify` tells where"
    )]
    OtherLog {
        /// The size of the first checkpoint that does not hold.
        size: u64,
        /// That checkpoint's position in its stream.
        number: u64,
    },
    /// The log lost events.
    #[error(transparent)]
    Hole(StretchError),
}

/// Why one round ended.
pub(crate) enum Ended {
    /// Begin again.
    Interrupted(String),
    Incident(NotaryIncident),
}

impl From<TileError> for Ended {
    fn from(error: TileError) -> Self {
        Self::Interrupted(format!("the tiles can't be written: {error}"))
    }
}

impl From<LogError> for Ended {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Broken(broken) => Self::Incident(broken.into()),
            LogError::Read(_) | LogError::Missing => Self::Interrupted(error.to_string()),
        }
    }
}

impl From<CheckpointsError> for Ended {
    fn from(error: CheckpointsError) -> Self {
        match error {
            CheckpointsError::Read(_) | CheckpointsError::Missing => Self::Interrupted(error.to_string()),
            CheckpointsError::BrokenPromise(..) | CheckpointsError::Checkpoint { .. } => {
                Self::Incident(NotaryIncident::Checkpoints(error))
            }
        }
    }
}

impl From<StretchError> for Ended {
    fn from(error: StretchError) -> Self {
        match error {
            StretchError::Unavailable(_) => Self::Interrupted(error.to_string()),
            StretchError::Hole { .. } => Self::Incident(NotaryIncident::Hole(error)),
        }
    }
}

/// What keeping the tree needs.
pub(crate) struct Keeping {
    pub(crate) log: Log,
    pub(crate) checkpoints: Checkpoints,
    pub(crate) appender: Appender,
    pub(crate) signer: LogSigner,
    pub(crate) tiles: TileStore,
    pub(crate) interval: Duration,
    /// The newest checkpoint whose tiles are written: what proofs are made for.
    pub(crate) signed: watch::Sender<Option<StoredCheckpoint>>,
    /// How far the log has been read, to know whether the notary has caught up.
    pub(crate) target: watch::Sender<Option<u64>>,
}

impl Keeping {
    /// One round: from the last checkpoint until something breaks.
    pub(crate) async fn round(&self) -> Ended {
        match self.keep().await {
            Ok(never) => match never {},
            Err(ended) => ended,
        }
    }

    async fn keep(&self) -> Result<std::convert::Infallible, Ended> {
        let state = self.log.open().await?;
        self.checkpoints.verify().await?;
        let last = self.checkpoints.last().await?;
        let mut tree = self.resume(&state, last.as_ref()).await?;
        let mut number = last.as_ref().map_or(0, |checkpoint| checkpoint.number);
        let mut signed = tree.size();
        self.signed.send_replace(last);
        self.target.send_replace(Some(state.last.map_or(0, Sequence::get)));
        let followed = self.log.follow(LogReader::Notary, Sequence::new(signed)).await;
        let mut follower = followed.map_err(|error| Ended::Interrupted(error.to_string()))?;
        // The first event of a quiet log is signed at once, the others every interval.
        let mut next_checkpoint = Instant::now();
        loop {
            let events = tokio::select! {
                events = follower.next() => events,
                () = sleep_until(next_checkpoint), if tree.size() > signed => {
                    number = self.sign(&mut tree, number).await?;
                    signed = tree.size();
                    next_checkpoint = Instant::now() + self.interval;
                    continue;
                }
            };
            for event in self.judge(events).await? {
                tree.push(Hash::of_leaf(event.bytes())).await?;
            }
        }
    }

    /// A hole, unless the event is there after all: another notary may have moved the consumer meanwhile.
    async fn judge<T>(&self, read: Result<T, FollowError>) -> Result<T, Ended> {
        match read {
            Ok(read) => Ok(read),
            Err(FollowError::Hole { expected, found })
                if found > expected && !self.log.holds(expected).await =>
            {
                Err(StretchError::Hole { expected, found }.into())
            }
            Err(error) => Err(Ended::Interrupted(error.to_string())),
        }
    }

    /// The tree as the last checkpoint has it, and that the log still is what was signed.
    async fn resume(&self, state: &LogState, last: Option<&StoredCheckpoint>) -> Result<TileWriter, Ended> {
        let Some(last) = last else { return Ok(TileWriter::new(self.tiles.clone())) };
        let (size, log_last) = (last.head.size, state.last.map_or(0, Sequence::get));
        if log_last < size {
            return Err(Ended::Incident(NotaryIncident::Truncated { last: log_last, signed: size }));
        }
        let other_log = || Ended::Incident(NotaryIncident::OtherLog { size, number: last.number });
        match TileWriter::resume(self.tiles.clone(), last.head).await {
            Ok(tree) => {
                // The cheapest look at whether this is the log that was signed: its last signed event.
                if let Some(sequence) = Sequence::new(size) {
                    let event = self.log.get(sequence).await?.ok_or_else(other_log)?;
                    if Hash::of_leaf(event.bytes()) != self.tiles.leaf(size, size - 1).await? {
                        return Err(other_log());
                    }
                }
                Ok(tree)
            }
            Err(error @ (TileError::Missing(_) | TileError::Damaged(_))) => {
                tracing::warn!(%error, "the tiles are not those of the last checkpoint; they are made anew from the log");
                self.grow_anew(size).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Reads the log from its first event, and holds it against every checkpoint on the way.
    async fn grow_anew(&self, size: u64) -> Result<TileWriter, Ended> {
        let mut tree = TileWriter::new(self.tiles.clone());
        let mut signed = self.checkpoints.walk();
        let Some(last) = Sequence::new(size) else { return Ok(tree) };
        let mut stretch = self.log.stretch(LogReader::Notary, None, last);
        while let Some(events) = stretch.next().await? {
            for event in events {
                tree.push(Hash::of_leaf(event.bytes())).await?;
                if signed.next_size().await? == Some(tree.size())
                    && let Some(checkpoint) = signed.take()
                    && checkpoint.head != tree.head()
                {
                    let (size, number) = (checkpoint.head.size, checkpoint.number);
                    return Err(Ended::Incident(NotaryIncident::OtherLog { size, number }));
                }
            }
        }
        tree.flush().await?;
        Ok(tree)
    }

    /// Tiles first, then the checkpoint: a checkpoint that is seen can be proved.
    async fn sign(&self, tree: &mut TileWriter, last: u64) -> Result<u64, Ended> {
        tree.flush().await?;
        let head: TreeHead = tree.head();
        let note = self.signer.sign(head);
        let number = match Checkpoints::append(&self.appender, last, &note).await {
            Ok(number) => number,
            Err(AppendError::Conflict | AppendError::Unknown) => {
                // Another notary, or an earlier attempt of our own: what stands there is the truth.
                return Err(Ended::Interrupted("the checkpoint may have been written already".to_owned()));
            }
            Err(error) => return Err(Ended::Interrupted(error.to_string())),
        };
        self.tiles.publish_checkpoint(&note).await?;
        metrics::gauge!("syncwell_checkpoint_size").set(head.size as f64);
        metrics::counter!("syncwell_checkpoints_total").increment(1);
        self.signed.send_replace(Some(StoredCheckpoint { number, note, head }));
        Ok(number)
    }
}
