//! Writing the index, beside the requests and never in their way.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use stream::{Appender, Broker, Commit, Draft, spawn_vital};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::{IndexEntry, IndexRecipient, subject};
use crate::UserRef;

/// Requests that may wait to be written; what comes past it is counted, and lost to the index.
const QUEUE_ENTRIES_MAX: usize = 65_536;
/// Requests are collected for this long and written together: the log must not pay for the index with its fsyncs. A
/// process that is killed takes the entries of its last second along.
const COLLECT_TIME: Duration = Duration::from_secs(1);
/// Messages written at the same time.
const MESSAGES_MAX: usize = 1_000;

/// Records who made which request. Clones write to one queue.
#[derive(Clone)]
pub struct Index(mpsc::Sender<(UserRef, IndexEntry)>);

impl Index {
    /// Begins to write.
    pub fn start(broker: Broker, recipient: IndexRecipient) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE_ENTRIES_MAX);
        spawn_vital("break-glass index", write(broker, recipient, queue));
        Self(sender)
    }

    /// Records a request that was authorised. Waits for nothing.
    pub fn record(&self, user: UserRef, correlation_id: &str, time: Timestamp) {
        let entry = IndexEntry { correlation_id: correlation_id.to_owned(), time };
        if self.0.try_send((user, entry)).is_err() {
            metrics::counter!("syncwell_index_lost_total").increment(1);
        }
    }
}

async fn write(broker: Broker, recipient: IndexRecipient, mut queue: mpsc::Receiver<(UserRef, IndexEntry)>) {
    let appender = Appender::start(broker.clone(), Commit::Grouped);
    let mut collected = Vec::new();
    while queue.recv_many(&mut collected, QUEUE_ENTRIES_MAX).await > 0 {
        sleep(COLLECT_TIME).await;
        while let Ok(entry) = queue.try_recv() {
            collected.push(entry);
        }
        let mut by_user: BTreeMap<UserRef, Vec<IndexEntry>> = BTreeMap::new();
        for (user, entry) in collected.drain(..) {
            by_user.entry(user).or_default().push(entry);
        }
        let messages: Vec<_> = by_user
            .into_iter()
            .map(|(user, entries)| Draft {
                subject: subject(&user),
                id: None,
                headers: Vec::new(),
                expected: None,
                payload: recipient.seal(&user, &entries).into(),
            })
            .collect();
        for messages in messages.chunks(MESSAGES_MAX) {
            let written = join_all(messages.iter().map(|draft| appender.append(draft.clone()))).await;
            let lost = written.iter().filter(|written| written.is_err()).count();
            if lost > 0 {
                metrics::counter!("syncwell_index_lost_total").increment(lost as u64);
                tracing::warn!(lost, "entries of the break-glass index could not be written");
            }
        }
    }
}
