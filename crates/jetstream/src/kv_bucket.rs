//! A key-value bucket: the last message of each subject of a stream.
//!
//! Every write names the revision that it replaces, so two writers never overwrite each other; and it has a name of its own,
//! so a write whose answer was lost is told from somebody else's.

use std::time::Duration;

use uuid::Uuid;

use crate::appender::{Appender, CommitMode};
use crate::direct_get::{ReadError, ScanFrom};
use crate::message::{AppendError, ExpectedSequence, NewMessage, StoredMessage};
use crate::{Broker, Stream, StreamSpec};

/// How long an entry lives, in whole seconds (ADR-43).
const TTL_HEADER: &str = "Nats-TTL";

/// A bucket, as a role sees it. Clones share one committer.
#[derive(Clone)]
pub struct KvBucket {
    stream: Stream,
    appender: Appender,
    prefix: &'static str,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvEntry {
    /// Its key.
    pub key: String,
    /// Which write it is: the sequence in the stream.
    pub revision: u64,
    /// What was written.
    pub value: Vec<u8>,
}

impl KvBucket {
    /// The bucket in this stream. Its keys follow the subject filter's prefix, `$KV.<bucket>.`.
    pub fn open(broker: Broker, spec: &'static StreamSpec) -> Self {
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        Self { stream: spec.stream(broker), appender, prefix: spec.subject_prefix() }
    }

    /// The stream itself.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// What stands under a key now.
    pub async fn get(&self, key: &str) -> Result<Option<KvEntry>, ReadError> {
        let stored = self.stream.last_for_subject(&format!("{}{key}", self.prefix)).await?;
        Ok(stored.map(|stored| KvEntry {
            key: key.to_owned(),
            revision: stored.sequence,
            value: stored.payload.to_vec(),
        }))
    }

    /// Writes under a key, in place of `revision` (0: of nothing). Returns the new revision.
    ///
    /// # Errors
    ///
    /// [`AppendError::Conflict`] where something else stands there.
    pub async fn put(
        &self,
        key: &str,
        value: Vec<u8>,
        revision: u64,
        ttl: Option<Duration>,
    ) -> Result<u64, AppendError> {
        let subject = format!("{}{key}", self.prefix);
        let draft = NewMessage {
            subject: subject.clone(),
            id: Some(Uuid::new_v4().simple().to_string()),
            headers: ttl.iter().map(|ttl| (TTL_HEADER, ttl.as_secs().max(1).to_string())).collect(),
            expected: Some(ExpectedSequence { subject_filter: subject, sequence: revision }),
            payload: value.into(),
        };
        self.appender.append(draft).await.map(|appended| appended.sequence)
    }

    /// Some entries that were written behind a position and still stand, in the order of their revisions.
    pub async fn entries_after(&self, position: u64, entries_max: usize) -> Result<Vec<KvEntry>, ReadError> {
        let from = ScanFrom::Sequence(position.saturating_add(1));
        let stored = self.stream.scan(from, &format!("{}>", self.prefix), entries_max).await?;
        let entry = |stored: StoredMessage| {
            let key = stored.subject.strip_prefix(self.prefix)?.to_owned();
            Some(KvEntry { key, revision: stored.sequence, value: stored.payload.to_vec() })
        };
        Ok(stored.into_iter().filter_map(entry).collect())
    }

    /// Deletes one write and has the server overwrite its bytes, where the bucket allows that.
    pub async fn secure_delete(&self, revision: u64) -> Result<(), ReadError> {
        self.stream.secure_delete(revision).await
    }
}
