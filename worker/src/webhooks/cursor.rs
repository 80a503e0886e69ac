//! How far an endpoint has been told. What stands behind the saved cursor was delivered, is kept as an entry, or is not
//! wanted; so a kill repeats what was under way, and loses nothing.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use events::{ChangeFeed, ChangeNotification};
use jetstream::{KvBucket, ReadError};

use super::endpoint::{Endpoint, EndpointId};
use super::error::WebhookStoreUnavailable;
use crate::log_position::{encode_position, parse_position};

/// A cursor that only passed over what is not wanted is written at most so often.
const SAVE_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct DeliveryCursor {
    work_bucket: KvBucket,
    changes: ChangeFeed,
    key: String,
    stream: String,
    revision: u64,
    saved_sequence: u64,
    saved_at: Instant,
    /// Up to here nothing is left to do.
    settled_sequence: u64,
    /// Up to here it was read.
    fetched_sequence: u64,
    page: VecDeque<(u64, Option<ChangeNotification>)>,
}

impl DeliveryCursor {
    /// As it was saved last, else where the endpoint begins. A stream that was made anew is told from its beginning.
    pub(super) async fn load(
        work: KvBucket,
        changes: ChangeFeed,
        endpoint: &Endpoint,
    ) -> Result<Self, WebhookStoreUnavailable> {
        let stream = stream_identity(&changes).await?.0;
        let key = cursor_key(endpoint.id);
        let entry = work.get(&key).await?;
        let revision = entry.as_ref().map_or(0, |entry| entry.revision);
        let begins = if endpoint.begins.stream == stream { endpoint.begins.sequence } else { 0 };
        let saved = entry.and_then(|entry| parse_position(&entry.value, &stream)).unwrap_or(begins);
        let saved_at = Instant::now();
        let page = VecDeque::new();
        Ok(Self {
            work_bucket: work,
            changes,
            key,
            stream,
            revision,
            saved_sequence: saved,
            saved_at,
            settled_sequence: saved,
            fetched_sequence: saved,
            page,
        })
    }

    /// Has something to offer, where there is anything.
    pub(super) async fn fetch_page(&mut self) -> Result<(), WebhookStoreUnavailable> {
        if !self.page.is_empty() {
            return Ok(());
        }
        self.page = self.changes.read_after(self.fetched_sequence).await?.into();
        if let Some((first, _)) = self.page.front()
            && *first > self.fetched_sequence + 1
        {
            self.record_missed(first - self.fetched_sequence - 1, "they left the stream before it was told");
        }
        if let Some((last, _)) = self.page.back() {
            self.fetched_sequence = *last;
        }
        let unreadable = self.page.iter().filter(|(_, change)| change.is_none()).count();
        if unreadable > 0 {
            self.record_missed(unreadable as u64, "can't be read: are they of another version?");
        }
        Ok(())
    }

    fn record_missed(&self, changes: u64, why: &str) {
        metrics::counter!("syncwell_feed_missed_total").increment(changes);
        tracing::error!(
            cursor = self.key,
            changes,
            reason = why,
            "INCIDENT: an endpoint is not told of some changes"
        );
    }

    /// The next change, without taking it.
    pub(super) fn peek(&self) -> Option<&(u64, Option<ChangeNotification>)> {
        self.page.front()
    }

    /// Takes the next change.
    pub(super) fn pop(&mut self) -> Option<(u64, Option<ChangeNotification>)> {
        self.page.pop_front()
    }

    /// Nothing is left to do up to here.
    pub(super) fn settle_up_to(&mut self, sequence: u64) {
        self.settled_sequence = self.settled_sequence.max(sequence);
    }

    /// Writes it, at once or now and then.
    pub(super) async fn save(&mut self, busy_wait_until: bool) -> Result<(), WebhookStoreUnavailable> {
        if self.saved_sequence == self.settled_sequence
            || !(busy_wait_until || self.saved_at.elapsed() > SAVE_INTERVAL)
        {
            return Ok(());
        }
        let value = encode_position(&self.stream, self.settled_sequence);
        let before = self.revision;
        self.revision = self.work_bucket.put(&self.key, value, before, None).await?;
        (self.saved_sequence, self.saved_at) = (self.settled_sequence, Instant::now());
        if before > 0 {
            // An old cursor is of no worth: where it stays, it only takes space.
            let _ = self.work_bucket.secure_delete(before).await;
        }
        Ok(())
    }
}

/// Which stream of changes there is now, and where it ends.
pub(super) async fn stream_identity(changes: &ChangeFeed) -> Result<(String, u64), WebhookStoreUnavailable> {
    let info = changes.stream().info().await?.ok_or(ReadError::Unavailable)?;
    Ok((info.created, info.state.last_seq))
}

/// How many changes an endpoint is behind.
pub(super) async fn delivery_lag(
    work: &KvBucket,
    endpoint: &Endpoint,
    now: &(String, u64),
) -> Result<u64, WebhookStoreUnavailable> {
    let (stream, end) = now;
    let saved =
        work.get(&cursor_key(endpoint.id)).await?.and_then(|entry| parse_position(&entry.value, stream));
    let begins = if endpoint.begins.stream == *stream { endpoint.begins.sequence } else { 0 };
    Ok(end.saturating_sub(saved.unwrap_or(begins)))
}

fn cursor_key(endpoint: EndpointId) -> String {
    format!("cursor.{endpoint}")
}
