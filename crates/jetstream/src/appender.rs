//! Appending with group commit.
//!
//! On one server with `sync_interval: always` every message costs an fsync of its own, and the only way to share one
//! is an atomic batch (ADR-50). So there is one committer: while a commit is under way, the next one collects.

use runtime::spawn_critical;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

use crate::limits::{APPEND_QUEUE_MESSAGES_MAX, APPEND_TIMEOUT, BATCH_MESSAGES_MAX};
use crate::message::{AppendAck, AppendError, NewMessage, PendingAppend};
use crate::{Broker, group_commit};

/// How messages are committed. Anything but [`CommitMode::Grouped`] is for measuring what grouping gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// Whatever waits goes out as one atomic batch.
    Grouped,
    /// One message after the other, each with an fsync of its own.
    Individual,
}

/// Appends messages to the streams that the role can reach. Clones share one committer.
#[derive(Clone)]
pub struct Appender {
    broker: Broker,
    queue: mpsc::Sender<PendingAppend>,
}

impl Appender {
    /// Starts the committer.
    pub fn start(broker: Broker, how: CommitMode) -> Self {
        let (queue, waiting) = mpsc::channel(APPEND_QUEUE_MESSAGES_MAX);
        spawn_critical("group commit", run_committer(broker.clone(), waiting, how));
        Self { broker, queue }
    }

    /// Appends one message, and returns when it is on stable storage or when that can't be had.
    pub async fn append(&self, draft: NewMessage) -> Result<AppendAck, AppendError> {
        if !self.broker.is_connected() {
            return Err(AppendError::Unavailable);
        }
        let (answer, answered) = oneshot::channel();
        let deadline = Instant::now() + APPEND_TIMEOUT;
        self.queue
            .try_send(PendingAppend { message: draft, reply: answer, deadline })
            .map_err(|_| AppendError::Unavailable)?;
        // Whoever gives up here is passed over by every commit that has not begun.
        match timeout_at(deadline, answered).await {
            Ok(answered) => answered.unwrap_or(Err(AppendError::Unknown)),
            Err(_) => Err(AppendError::Unknown),
        }
    }
}

async fn run_committer(broker: Broker, mut queue: mpsc::Receiver<PendingAppend>, how: CommitMode) {
    let messages_max = match how {
        CommitMode::Grouped => BATCH_MESSAGES_MAX,
        CommitMode::Individual => 1,
    };
    let mut waiting = Vec::with_capacity(messages_max);
    while queue.recv_many(&mut waiting, messages_max).await > 0 {
        metrics::histogram!("syncwell_append_batch_messages").record(waiting.len() as f64);
        group_commit::commit_pending(&broker, std::mem::take(&mut waiting)).await;
    }
}
