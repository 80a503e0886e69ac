//! The messages of one endpoint that wait or are parked, as they stand in the bucket.

use std::collections::BTreeMap;

use jetstream::{AppendError, KvBucket, ReadError, ScanFrom, StoredMessage};
use jiff::Timestamp;

use super::Unavailable;
use super::endpoint::EndpointId;
use super::entry::{Entry, EntryState};
use crate::buckets::WorkBucket;

/// Entries of one look at the bucket.
pub(super) const PAGE_ENTRIES: usize = 200;

/// What is known of an entry without reading it again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    revision: u64,
    state: EntryState,
    ends: Timestamp,
}

/// The entries of one endpoint. Whoever has its lease writes them, and an operator's retry.
pub(super) struct Entries {
    work: KvBucket,
    endpoint: EndpointId,
    /// The last write that was looked at.
    seen: u64,
    /// By the change's sequence in the stream of changes.
    known: BTreeMap<u64, Known>,
    parked: usize,
}

impl Entries {
    /// Nothing is known yet.
    pub(super) fn of(work: KvBucket, endpoint: EndpointId) -> Self {
        Self { work, endpoint, seen: 0, known: BTreeMap::new(), parked: 0 }
    }

    /// Takes in what was written since.
    pub(super) async fn look(&mut self) -> Result<(), Unavailable> {
        while let Some((last, page)) = scan(&self.work, Some(self.endpoint), self.seen).await? {
            self.seen = last;
            for Found { change, revision, entry, .. } in page {
                let replaced = match self.known.get(&change) {
                    Some(known) if known.revision > revision => Some(revision),
                    Some(known) if known.revision < revision => Some(known.revision),
                    Some(_) => continue,
                    None => None,
                };
                if replaced != Some(revision) {
                    self.note(change, revision, &entry);
                }
                if let Some(replaced) = replaced {
                    // Its writer was ended between two steps, or is about to do this too.
                    let _ = self.work.secure_delete(replaced).await;
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, change: u64, revision: u64, entry: &Entry) {
        let known = Known { revision, state: entry.state, ends: entry.ends() };
        let before = self.known.insert(change, known);
        self.parked -= usize::from(before.is_some_and(|before| before.state.is_parked()));
        self.parked += usize::from(entry.state.is_parked());
    }

    fn forget(&mut self, change: u64) {
        let before = self.known.remove(&change);
        self.parked -= usize::from(before.is_some_and(|before| before.state.is_parked()));
    }

    pub(super) fn contains(&self, change: u64) -> bool {
        self.known.contains_key(&change)
    }

    pub(super) fn parked(&self) -> usize {
        self.parked
    }

    pub(super) fn waiting(&self) -> usize {
        self.known.len() - self.parked
    }

    /// Some that are due, those first that have waited longest.
    pub(super) fn due(&self, now: Timestamp, entries_max: usize) -> Vec<u64> {
        let due = |known: &Known| match known.state {
            EntryState::Waiting { due } if due <= now => Some(due),
            EntryState::Waiting { .. } | EntryState::Parked { .. } => None,
        };
        let mut found: Vec<_> =
            self.known.iter().filter_map(|(change, known)| Some((due(known)?, *change))).collect();
        found.sort_unstable();
        found.into_iter().take(entries_max).map(|(_, change)| change).collect()
    }

    /// Some that wait though their time is over.
    pub(super) fn overdue(&self, now: Timestamp, entries_max: usize) -> Vec<u64> {
        let overdue = self.known.iter().filter(|(_, known)| !known.state.is_parked() && known.ends <= now);
        overdue.take(entries_max).map(|(change, _)| *change).collect()
    }

    /// An entry, as it stands now.
    pub(super) async fn read(&mut self, change: u64) -> Result<Option<Entry>, Unavailable> {
        let found = self.work.get(&key(self.endpoint, change)).await?;
        let found = found.and_then(|found| Some((found.revision, decode(&found.key, &found.value)?)));
        match found {
            Some((revision, entry)) => {
                self.note(change, revision, &entry);
                Ok(Some(entry))
            }
            None => {
                self.forget(change);
                Ok(None)
            }
        }
    }

    /// Writes entries, each in place of what is known of it. Where somebody else wrote meanwhile, that stays, and is seen at
    /// the next look.
    pub(super) async fn write(&mut self, entries: Vec<(u64, Entry)>) -> Result<(), Unavailable> {
        let writing = entries.into_iter().map(async |(change, entry)| {
            let before = self.known.get(&change).map_or(0, |known| known.revision);
            let written = replace(&self.work, &key(self.endpoint, change), &entry, before).await;
            (change, entry, written)
        });
        let written = futures_util::future::join_all(writing).await;
        let mut outcome = Ok(());
        for (change, entry, written) in written {
            match written {
                Ok(revision) => self.note(change, revision, &entry),
                Err(AppendError::Conflict) => {}
                Err(error) => outcome = Err(error.into()),
            }
        }
        outcome
    }

    /// Removes entries: they are delivered.
    pub(super) async fn remove(&mut self, changes: &[u64]) -> Result<(), Unavailable> {
        for change in changes {
            if let Some(known) = self.known.get(change) {
                match self.work.secure_delete(known.revision).await {
                    // Also where it is gone already.
                    Ok(()) | Err(ReadError::Refused { .. }) => self.forget(*change),
                    Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// Writes one entry in place of another, and destroys that.
pub(super) async fn replace(
    work: &KvBucket,
    key: &str,
    entry: &Entry,
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
pub(super) struct Found {
    pub(super) key: String,
    pub(super) endpoint: EndpointId,
    pub(super) change: u64,
    pub(super) revision: u64,
    pub(super) entry: Entry,
}

/// A page of entries behind a position, of one endpoint or of all, and where it ends. `None` where nothing is there.
pub(super) async fn scan(
    work: &KvBucket,
    endpoint: Option<EndpointId>,
    position: u64,
) -> Result<Option<(u64, Vec<Found>)>, Unavailable> {
    let prefix = WorkBucket::Work.key_prefix();
    let of = endpoint.map_or_else(|| "*".to_owned(), |endpoint| endpoint.to_string());
    let from = ScanFrom::Sequence(position.saturating_add(1));
    let stored = work.stream().scan(from, &format!("{prefix}retry.{of}.*"), PAGE_ENTRIES).await?;
    let found = stored.iter().filter_map(|stored| found(stored, prefix)).collect();
    Ok(stored.last().map(|last| (last.sequence, found)))
}

fn found(stored: &StoredMessage, prefix: &str) -> Option<Found> {
    let key = stored.subject.strip_prefix(prefix)?.to_owned();
    let (endpoint, change) = parse_key(&key)?;
    let entry = decode(&key, &stored.payload)?;
    Some(Found { key, endpoint, change, revision: stored.sequence, entry })
}

fn decode(key: &str, value: &[u8]) -> Option<Entry> {
    let entry = Entry::decode(value);
    if entry.is_none() {
        tracing::error!(key, "INCIDENT: a message that waits can't be read; it stays where it is");
    }
    entry
}

fn key(endpoint: EndpointId, change: u64) -> String {
    format!("retry.{endpoint}.{change}")
}

fn parse_key(key: &str) -> Option<(EndpointId, u64)> {
    let (endpoint, change) = key.strip_prefix("retry.")?.split_once('.')?;
    Some((endpoint.parse().ok()?, change.parse().ok()?))
}
