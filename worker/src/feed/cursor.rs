//! How far an endpoint has been told. What stands behind the saved cursor was delivered, is kept as an entry, or is not
//! wanted; so a kill repeats what was under way, and loses nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use events::{Change, Changes};
use jetstream::{KvBucket, ReadError};

use super::Unavailable;
use super::endpoint::{Endpoint, EndpointId};
use crate::position::{encode, parse};

/// A cursor that only passed over what is not wanted is written at most so often.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Cursor {
    work: KvBucket,
    changes: Changes,
    key: String,
    stream: String,
    revision: u64,
    saved: u64,
    saved_at: Instant,
    /// Up to here nothing is left to do.
    settled: u64,
    /// Up to here it was read.
    read: u64,
    page: VecDeque<(u64, Option<Change>)>,
}

impl Cursor {
    /// As it was saved last, else where the endpoint begins. A stream that was made anew is told from its beginning.
    pub(super) async fn load(
        work: KvBucket,
        changes: Changes,
        endpoint: &Endpoint,
    ) -> Result<Self, Unavailable> {
        let stream = identity(&changes).await?.0;
        let key = key(endpoint.id);
        let entry = work.get(&key).await?;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let begins = if endpoint.begins.stream == stream { endpoint.begins.sequence } else { 0 };
        let saved = entry.and_then(|entry| parse(&entry.value, &stream)).unwrap_or(begins);
        let saved_at = Instant::now();
        let page = VecDeque::new();
        Ok(Self { work, changes, key, stream, revision, saved, saved_at, settled: saved, read: saved, page })
    }

    /// Has something to offer, where there is anything.
    pub(super) async fn fill(&mut self) -> Result<(), Unavailable> {
        if !self.page.is_empty() {
            return Ok(());
        }
        self.page = self.changes.behind(self.read).await?.into();
        if let Some((first, _)) = self.page.front()
            && *first > self.read + 1
        {
            self.complain(first - self.read - 1, "they left the stream before it was told");
        }
        if let Some((last, _)) = self.page.back() {
            self.read = *last;
        }
        let unreadable = self.page.iter().filter(|(_, change)| change.is_none()).count();
        if unreadable > 0 {
            self.complain(unreadable as u64, "can't be read: are they of another version?");
        }
        Ok(())
    }

    fn complain(&self, changes: u64, why: &str) {
        metrics::counter!("syncwell_feed_missed_total").increment(changes);
        tracing::error!(cursor = self.key, changes, why, "INCIDENT: an endpoint is not told of some changes");
    }

    /// The next change, without taking it.
    pub(super) fn peek(&self) -> Option<&(u64, Option<Change>)> {
        self.page.front()
    }

    /// Takes the next change.
    pub(super) fn take(&mut self) -> Option<(u64, Option<Change>)> {
        self.page.pop_front()
    }

    /// Nothing is left to do up to here.
    pub(super) fn settle(&mut self, sequence: u64) {
        self.settled = self.settled.max(sequence);
    }

    /// Writes it, at once or now and then.
    pub(super) async fn save(&mut self, at_once: bool) -> Result<(), Unavailable> {
        if self.saved == self.settled || !(at_once || self.saved_at.elapsed() > SAVE_INTERVAL) {
            return Ok(());
        }
        let value = encode(&self.stream, self.settled);
        let before = self.revision;
        self.revision = self.work.put(&self.key, value, before, None).await?;
        (self.saved, self.saved_at) = (self.settled, Instant::now());
        if before > 0 {
            // An old cursor is of no worth: where it stays, it only takes space.
            let _ = self.work.secure_delete(before).await;
        }
        Ok(())
    }
}

/// Which stream of changes there is now, and where it ends.
pub(super) async fn identity(changes: &Changes) -> Result<(String, u64), Unavailable> {
    let info = changes.stream().info().await?.ok_or(ReadError::Unavailable)?;
    Ok((info.created, info.state.last_seq))
}

/// How many changes an endpoint is behind.
pub(super) async fn behind(
    work: &KvBucket,
    endpoint: &Endpoint,
    now: &(String, u64),
) -> Result<u64, Unavailable> {
    let (stream, end) = now;
    let saved = work.get(&key(endpoint.id)).await?.and_then(|entry| parse(&entry.value, stream));
    let begins = if endpoint.begins.stream == *stream { endpoint.begins.sequence } else { 0 };
    Ok(end.saturating_sub(saved.unwrap_or(begins)))
}

fn key(endpoint: EndpointId) -> String {
    format!("cursor.{endpoint}")
}
