//! Writing the index, beside the requests and never in their way.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jetstream::{Appender, Broker, CommitMode, NewMessage};
use jiff::Timestamp;
use runtime::spawn_critical;
use tokio::sync::{mpsc, oneshot};
use tokio::time::sleep;

use super::{AccessIndexEntry, AccessIndexRecipient, subject};
use crate::UserRef;

/// Requests that may wait to be written; what comes past it is counted, and lost to the index.
const QUEUE_ENTRIES_MAX: usize = 16_384;
/// Requests are collected for this long and written together: the log must not pay for the index with its fsyncs. A
/// process that is killed takes the entries of its last second along.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
/// Entries written at the same time.
const BATCH_ENTRIES_MAX: usize = 1_000;

/// Records who made which request. Clones write to one queue.
#[derive(Clone)]
pub struct AccessIndexRecorder {
    queue: mpsc::Sender<(UserRef, AccessIndexEntry)>,
    flushes: mpsc::Sender<oneshot::Sender<()>>,
}

impl AccessIndexRecorder {
    /// Begins to write.
    pub fn start(broker: Broker, recipient: AccessIndexRecipient) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE_ENTRIES_MAX);
        let (flushes, asked) = mpsc::channel(1);
        let appender = Appender::start(broker, CommitMode::Grouped);
        spawn_critical(
            "access index",
            WriterTask { appender, recipient, entries, flush_requests: asked }.run(),
        );
        Self { queue, flushes }
    }

    /// Records a request that was authorised. Waits for nothing.
    pub fn record(&self, user: UserRef, correlation_id: &str, time: Timestamp) {
        let entry = AccessIndexEntry { correlation_id: correlation_id.to_owned(), time };
        if self.queue.try_send((user, entry)).is_err() {
            metrics::counter!("syncwell_access_index_lost_entries_total").increment(1);
        }
    }

    /// Returns when everything recorded so far is written. The last thing that a process does with it.
    pub async fn flush(&self) {
        let (done, written) = oneshot::channel();
        if self.flushes.send(done).await.is_ok() {
            let _ = written.await;
        }
    }
}

struct WriterTask {
    appender: Appender,
    recipient: AccessIndexRecipient,
    entries: mpsc::Receiver<(UserRef, AccessIndexEntry)>,
    flush_requests: mpsc::Receiver<oneshot::Sender<()>>,
}

impl WriterTask {
    async fn run(mut self) {
        let mut collected = Vec::new();
        loop {
            tokio::select! {
                received = self.entries.recv_many(&mut collected, BATCH_ENTRIES_MAX) => {
                    if received == 0 {
                        return;
                    }
                    tokio::select! {
                        () = sleep(FLUSH_INTERVAL) => self.write_all(&mut collected).await,
                        Some(done) = self.flush_requests.recv() => self.flush(&mut collected, done).await,
                    }
                }
                Some(done) = self.flush_requests.recv() => self.flush(&mut collected, done).await,
            }
        }
    }

    async fn flush(&mut self, collected: &mut Vec<(UserRef, AccessIndexEntry)>, done: oneshot::Sender<()>) {
        self.write_all(collected).await;
        // Whoever asked may be gone.
        let _ = done.send(());
    }

    /// Writes what was collected and what waits, so many entries at a time.
    async fn write_all(&mut self, collected: &mut Vec<(UserRef, AccessIndexEntry)>) {
        loop {
            while collected.len() < BATCH_ENTRIES_MAX
                && let Ok(entry) = self.entries.try_recv()
            {
                collected.push(entry);
            }
            if collected.is_empty() {
                return;
            }
            self.write_batch(collected).await;
        }
    }

    /// One message per user.
    async fn write_batch(&self, collected: &mut Vec<(UserRef, AccessIndexEntry)>) {
        let number = collected.len() as u64;
        let mut by_user: BTreeMap<UserRef, Vec<AccessIndexEntry>> = BTreeMap::new();
        for (user, entry) in collected.drain(..) {
            by_user.entry(user).or_default().push(entry);
        }
        let messages = by_user.into_iter().map(|(user, entries)| {
            self.appender.append(NewMessage {
                subject: subject(&user),
                id: None,
                headers: Vec::new(),
                expected: None,
                payload: self.recipient.seal(&user, &entries).into(),
            })
        });
        let lost = join_all(messages).await.iter().filter(|written| written.is_err()).count();
        metrics::counter!("syncwell_access_index_entries_total").increment(number);
        if lost > 0 {
            metrics::counter!("syncwell_access_index_lost_entries_total").increment(lost as u64);
            tracing::warn!(lost_entries = lost, "entries of the break-glass index could not be written");
        }
    }
}
