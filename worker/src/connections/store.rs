//! The records, as they stand in the bucket: read, changed by compare-and-set, and what was replaced destroyed.

use std::sync::Arc;

use jetstream::{AppendError, KvBucket, KvEntry, ReadError};
use jiff::Timestamp;
use keys::{DataKey, KeyClient, KeyError, TokenSealer};

use crate::connections::record::{ConnectionRecord, ConnectionRecordKey, DecodeRecordError, RecordHeader};

/// How often a change is tried again that somebody else's came before.
const UPDATE_ATTEMPTS_MAX: usize = 16;
/// Entries of one look at the bucket.
pub(crate) const PAGE_ENTRIES_MAX: usize = 500;

/// Why a record can't be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionStoreError {
    /// The bucket or the keeper can't be reached. Try again.
    #[error("the records can't be reached")]
    Unavailable,
    /// The account was erased, and the record with its key.
    #[error("the account was erased")]
    Erased,
    /// The record, or its key, does not open.
    #[error("the record can't be opened: {0}")]
    Damaged(String),
}

impl From<ReadError> for ConnectionStoreError {
    fn from(_: ReadError) -> Self {
        Self::Unavailable
    }
}

impl From<DecodeRecordError> for ConnectionStoreError {
    fn from(error: DecodeRecordError) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl From<KeyError> for ConnectionStoreError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Unavailable => Self::Unavailable,
            KeyError::Erased => Self::Erased,
            KeyError::Unwrap(error) => Self::Damaged(error.to_string()),
        }
    }
}

/// The records. Clones share them.
#[derive(Clone)]
pub(crate) struct ConnectionStore {
    pub(crate) bucket: KvBucket,
    pub(crate) keys: KeyClient,
    pub(crate) seal: Arc<TokenSealer>,
}

/// A record, and which write it is.
pub(crate) struct VersionedRecord {
    pub(crate) record: ConnectionRecord,
    pub(crate) revision: u64,
}

impl ConnectionStore {
    /// What stands there now.
    pub(crate) async fn get(
        &self,
        key: &ConnectionRecordKey,
    ) -> Result<Option<VersionedRecord>, ConnectionStoreError> {
        match self.bucket.get(&key.encode()).await? {
            Some(entry) => self.decrypt(key, &entry).await.map(Some),
            None => Ok(None),
        }
    }

    async fn decrypt(
        &self,
        key: &ConnectionRecordKey,
        entry: &KvEntry,
    ) -> Result<VersionedRecord, ConnectionStoreError> {
        let head = RecordHeader::parse(&entry.value)?;
        let data_key = self.keys.get(&key.user, head.key_id).await?;
        let data_key =
            data_key.ok_or_else(|| ConnectionStoreError::Damaged("its data key is missing".to_owned()))?;
        let record = ConnectionRecord::open(key, &entry.value, &self.seal, &data_key)?;
        Ok(VersionedRecord { record, revision: entry.revision })
    }

    /// Changes a record, whatever else happens to it meanwhile: `change` is asked again where somebody else's write came
    /// first, and says `None` where there is nothing to change (any more). Returns the record as it stands then.
    pub(crate) async fn update(
        &self,
        key: &ConnectionRecordKey,
        mut change: impl FnMut(Option<ConnectionRecord>) -> Option<ConnectionRecord>,
    ) -> Result<Option<ConnectionRecord>, ConnectionStoreError> {
        for _ in 0..UPDATE_ATTEMPTS_MAX {
            let standing = self.get(key).await?;
            let (before, revision) = match standing {
                Some(standing) => (Some(standing.record), standing.revision),
                None => (None, 0),
            };
            let Some(after) = change(before.clone()) else { return Ok(before) };
            match self.write(key, &after, revision).await {
                Ok(()) => return Ok(Some(after)),
                Err(AppendError::Conflict) => {}
                Err(error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "a record was not written");
                    return Err(ConnectionStoreError::Unavailable);
                }
            }
        }
        Err(ConnectionStoreError::Unavailable)
    }

    async fn write(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
        revision: u64,
    ) -> Result<(), AppendError> {
        let data_key = self.data_key(key, record).await.map_err(|_| AppendError::Unavailable)?;
        let bytes = record.seal(key, record.due_at(), &self.seal, &data_key);
        self.bucket.put(&key.encode(), bytes, revision, None).await?;
        if revision > 0 {
            self.destroy(revision).await;
        }
        Ok(())
    }

    /// The key of the record's last command.
    pub(crate) async fn data_key(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
    ) -> Result<Arc<DataKey>, ConnectionStoreError> {
        let id = record
            .key_id
            .parse()
            .map_err(|_| ConnectionStoreError::Damaged("it names no data key".to_owned()))?;
        let found = self.keys.get(&key.user, id).await?;
        found.ok_or_else(|| ConnectionStoreError::Damaged("its data key is missing".to_owned()))
    }

    /// Has the bytes of a write overwritten that another one replaced. Where that fails, whoever sees two writes under one
    /// key the next time does it.
    pub(crate) async fn destroy(&self, revision: u64) {
        if let Err(error) = self.bucket.secure_delete(revision).await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                revision,
                "a replaced record was not destroyed yet"
            );
        }
    }

    /// Sees that a write is destroyed that another one replaced: mostly it is, by whoever wrote the other.
    pub(crate) async fn ensure_destroyed(&self, revision: u64) -> Result<(), ReadError> {
        match self.bucket.secure_delete(revision).await {
            Ok(()) | Err(ReadError::Refused { .. }) => Ok(()),
            Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => Err(error),
        }
    }

    /// When something is due with an entry, without opening it.
    pub(crate) fn parse_due_time(entry: &KvEntry) -> Option<(ConnectionRecordKey, Option<Timestamp>)> {
        Some((ConnectionRecordKey::decode(&entry.key)?, RecordHeader::parse(&entry.value).ok()?.due_at))
    }
}
