//! The messages of one endpoint that wait or are parked, as they stand in the bucket.

use std::collections::BTreeMap;

use jetstream::{AppendError, KvBucket, ReadError, ScanFrom, StoredMessage};
use jiff::Timestamp;

use super::endpoint::EndpointId;
use super::error::WebhookStoreUnavailable;
use super::retry_entry::{RetryEntry, RetryState};
use crate::kv_buckets::WORK_STREAM;

/// Entries of one look at the bucket.
pub(super) const PAGE_ENTRIES_MAX: usize = 200;

/// What is known of an entry without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexedEntry {
    revision: u64,
    state: RetryState,
    retry_until: Timestamp,
}

/// The entries of one endpoint. Whoever has its lease writes them, and an operator's retry.
pub(super) struct RetryQueue {
    work_bucket: KvBucket,
    endpoint: EndpointId,
    /// The last write that was looked at.
    last_revision: u64,
    /// By the change's sequence in the stream of changes.
    index: BTreeMap<u64, IndexedEntry>,
    parked_count: usize,
}

impl RetryQueue {
    /// Nothing is known yet.
    pub(super) fn new(work: KvBucket, endpoint: EndpointId) -> Self {
        Self { work_bucket: work, endpoint, last_revision: 0, index: BTreeMap::new(), parked_count: 0 }
    }

    /// Takes in what was written since.
    pub(super) async fn reload(&mut self) -> Result<(), WebhookStoreUnavailable> {
        while let Some((last, page)) =
            scan_page(&self.work_bucket, Some(self.endpoint), self.last_revision).await?
        {
            self.last_revision = last;
            for StoredRetryEntry { change, revision, entry, .. } in page {
                let replaced = match self.index.get(&change) {
                    Some(known) if known.revision > revision => Some(revision),
                    Some(known) if known.revision < revision => Some(known.revision),
                    Some(_) => continue,
                    None => None,
                };
                if replaced != Some(revision) {
                    self.index_entry(change, revision, &entry);
                }
                if let Some(replaced) = replaced {
                    // Its writer was ended between two steps, or is about to do this too.
                    let _ = self.work_bucket.secure_delete(replaced).await;
                }
            }
        }
        Ok(())
    }

    fn index_entry(&mut self, change: u64, revision: u64, entry: &RetryEntry) {
        let known = IndexedEntry { revision, state: entry.state, retry_until: entry.retry_until() };
        let before = self.index.insert(change, known);
        self.parked_count -= usize::from(before.is_some_and(|before| before.state.is_parked()));
        self.parked_count += usize::from(entry.state.is_parked());
    }

    fn unindex_entry(&mut self, change: u64) {
        let before = self.index.remove(&change);
        self.parked_count -= usize::from(before.is_some_and(|before| before.state.is_parked()));
    }

    pub(super) fn contains(&self, change: u64) -> bool {
        self.index.contains_key(&change)
    }

    pub(super) fn parked_count(&self) -> usize {
        self.parked_count
    }

    pub(super) fn waiting_count(&self) -> usize {
        self.index.len() - self.parked_count
    }

    /// Some that are due, those first that have waited longest.
    pub(super) fn due_changes(&self, now: Timestamp, entries_max: usize) -> Vec<u64> {
        let due = |known: &IndexedEntry| match known.state {
            RetryState::Waiting { due } if due <= now => Some(due),
            RetryState::Waiting { .. } | RetryState::Parked { .. } => None,
        };
        let mut found: Vec<_> =
            self.index.iter().filter_map(|(change, known)| Some((due(known)?, *change))).collect();
        found.sort_unstable();
        found.into_iter().take(entries_max).map(|(_, change)| change).collect()
    }

    /// Some that wait though their time is over.
    pub(super) fn overdue_changes(&self, now: Timestamp, entries_max: usize) -> Vec<u64> {
        let overdue =
            self.index.iter().filter(|(_, known)| !known.state.is_parked() && known.retry_until <= now);
        overdue.take(entries_max).map(|(change, _)| *change).collect()
    }

    /// An entry, as it stands now.
    pub(super) async fn read(&mut self, change: u64) -> Result<Option<RetryEntry>, WebhookStoreUnavailable> {
        let found = self.work_bucket.get(&retry_key(self.endpoint, change)).await?;
        let found = found.and_then(|found| Some((found.revision, decode_or_log(&found.key, &found.value)?)));
        match found {
            Some((revision, entry)) => {
                self.index_entry(change, revision, &entry);
                Ok(Some(entry))
            }
            None => {
                self.unindex_entry(change);
                Ok(None)
            }
        }
    }

    /// Writes entries, each in place of what is known of it. Where somebody else wrote meanwhile, that stays, and is seen at
    /// the next look.
    pub(super) async fn write(
        &mut self,
        entries: Vec<(u64, RetryEntry)>,
    ) -> Result<(), WebhookStoreUnavailable> {
        let writing = entries.into_iter().map(async |(change, entry)| {
            let before = self.index.get(&change).map_or(0, |known| known.revision);
            let written =
                replace_entry(&self.work_bucket, &retry_key(self.endpoint, change), &entry, before).await;
            (change, entry, written)
        });
        let written = futures_util::future::join_all(writing).await;
        let mut outcome = Ok(());
        for (change, entry, written) in written {
            match written {
                Ok(revision) => self.index_entry(change, revision, &entry),
                Err(AppendError::Conflict) => {}
                Err(error) => outcome = Err(error.into()),
            }
        }
        outcome
    }

    /// Removes entries: they are delivered.
    pub(super) async fn remove(&mut self, changes: &[u64]) -> Result<(), WebhookStoreUnavailable> {
        for change in changes {
            if let Some(known) = self.index.get(change) {
                match self.work_bucket.secure_delete(known.revision).await {
                    // Also where it is gone already.
                    Ok(()) | Err(ReadError::Refused { .. }) => self.unindex_entry(*change),
                    Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Writes one entry in place of another, and destroys that.
pub(super) async fn replace_entry(
    work: &KvBucket,
    key: &str,
    entry: &RetryEntry,
    before: u64,
) -> Result<u64, AppendError> {
    let revision = work.put(key, entry.encode(), before, None).await?;
    if before > 0 {
        // Where that fails, whoever sees both does it.
        let _ = work.secure_delete(before).await;
    }
    Ok(revision)
}

/// An entry that a look found.
pub(super) struct StoredRetryEntry {
    pub(super) key: String,
    pub(super) endpoint: EndpointId,
    pub(super) change: u64,
    pub(super) revision: u64,
    pub(super) entry: RetryEntry,
}

/// A page of entries behind a position, of one endpoint or of all, and where it ends. `None` where nothing is there.
pub(super) async fn scan_page(
    work: &KvBucket,
    endpoint: Option<EndpointId>,
    position: u64,
) -> Result<Option<(u64, Vec<StoredRetryEntry>)>, WebhookStoreUnavailable> {
    let prefix = WORK_STREAM.subject_prefix();
    let of = endpoint.map_or_else(|| "*".to_owned(), |endpoint| endpoint.to_string());
    let from = ScanFrom::Sequence(position.saturating_add(1));
    let stored = work.stream().scan(from, &format!("{prefix}retry.{of}.*"), PAGE_ENTRIES_MAX).await?;
    let found = stored.iter().filter_map(|stored| parse_stored(stored, prefix)).collect();
    Ok(stored.last().map(|last| (last.sequence, found)))
}

fn parse_stored(stored: &StoredMessage, prefix: &str) -> Option<StoredRetryEntry> {
    let key = stored.subject.strip_prefix(prefix)?.to_owned();
    let (endpoint, change) = parse_retry_key(&key)?;
    let entry = decode_or_log(&key, &stored.payload)?;
    Some(StoredRetryEntry { key, endpoint, change, revision: stored.sequence, entry })
}

fn decode_or_log(key: &str, value: &[u8]) -> Option<RetryEntry> {
    let entry = RetryEntry::decode(value);
    if entry.is_none() {
        tracing::error!(key, "INCIDENT: a message that waits can't be read; it stays where it is");
    }
    entry
}

fn retry_key(endpoint: EndpointId, change: u64) -> String {
    format!("retry.{endpoint}.{change}")
}

fn parse_retry_key(key: &str) -> Option<(EndpointId, u64)> {
    let (endpoint, change) = key.strip_prefix("retry.")?.split_once('.')?;
    Some((endpoint.parse().ok()?, change.parse().ok()?))
}
