//! What the keeper does of an erasure.
//!
//! A record is destroyed by having the server overwrite its bytes; only then does a tombstone take its place, because a
//! record that is merely replaced stays on the disk. The mark that says the user was erased comes before the first record
//! goes, so that whoever is killed in between leaves no key that is missing without a word.

use jetstream::{AppendError, ReadError, ScanFrom, StoredMessage};
use keys::keys_stream::{
    ALL_ERASING_FILTER, COMPROMISED_PREFIX, ERASED_TOKEN, ERASING_TOKEN, REVOKED_PREFIX, record,
};
use keys::protocol::{EraseStep, KeysResponse, ListChangesRequest};
use keys::{DataKeyId, ErasureId, UserRef};

use crate::error::KeeperError;
use crate::request_handler::{CONFLICT_ATTEMPTS_MAX, RequestHandler, record_message};

/// Users in one answer.
const PAGE_USERS_MAX: usize = 1_000;
/// Records of one look.
const PAGE_RECORDS_MAX: usize = 1_000;

impl RequestHandler {
    /// Again is as good as once.
    pub(super) async fn erase(&self, user: &UserRef, deed: EraseStep) -> Result<KeysResponse, KeeperError> {
        let destroyed = match deed {
            EraseStep::Mark { erasure_id } => {
                self.create_mark(user, ERASING_TOKEN, record::encode_erasure_mark(erasure_id)).await?;
                0
            }
            EraseStep::EndSessions => {
                let mut forgotten = 0;
                for prefix in [REVOKED_PREFIX, COMPROMISED_PREFIX] {
                    forgotten += self.delete_all(&format!("{prefix}{user}.*")).await?;
                }
                forgotten
            }
            EraseStep::DestroyKeys => {
                self.create_mark(user, ERASED_TOKEN, record::TOMBSTONE.to_vec()).await?;
                self.destroy_keys(user).await?
            }
        };
        Ok(KeysResponse::Destroyed(destroyed))
    }

    /// Who is being erased, or was, behind a position in the keys' stream.
    pub(super) async fn list_erased(&self, payload: &[u8]) -> Result<KeysResponse, KeeperError> {
        let Ok(ListChangesRequest { after }) = serde_json::from_slice(payload) else {
            return Ok(KeysResponse::Unavailable);
        };
        let from = ScanFrom::Sequence(after.saturating_add(1));
        let stored = self.stream.scan(from, ALL_ERASING_FILTER, PAGE_USERS_MAX).await?;
        let last = stored.last().map_or(after, |stored| stored.sequence);
        let user = |stored: &StoredMessage| {
            let (user, _) = stored.subject.strip_prefix("$KV.keys.")?.split_once('.')?;
            let erasure: ErasureId = record::parse_erasure_mark(&stored.payload)?;
            Some((user.to_owned(), erasure.to_string()))
        };
        Ok(KeysResponse::Erasing { users: stored.iter().filter_map(user).collect(), last })
    }

    /// Leaves a mark where there is none. From then on a key that somebody is about to make meets a conflict.
    async fn create_mark(&self, user: &UserRef, name: &str, mark: Vec<u8>) -> Result<(), KeeperError> {
        let subject = format!("$KV.keys.{user}.{name}");
        match self.appender.append(record_message(subject.clone(), subject.clone(), 0, mark)).await {
            Ok(_) | Err(AppendError::Conflict) => Ok(()),
            Err(AppendError::Unknown) if self.stream.last_for_subject(&subject).await?.is_some() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Destroys the user's data keys. Returns how many are destroyed then, also by whoever was killed before saying so.
    async fn destroy_keys(&self, user: &UserRef) -> Result<u64, KeeperError> {
        let mut destroyed = 0;
        for stored in self.stream.last_per_subject(&format!("$KV.keys.{user}.*")).await? {
            let name = stored.subject.rsplit('.').next();
            if name.is_some_and(|name| name.parse::<DataKeyId>().is_ok()) {
                destroyed += 1;
                if *stored.payload != record::TOMBSTONE {
                    self.replace_with_tombstone(stored).await?;
                }
            }
        }
        Ok(destroyed)
    }

    /// Overwrites a record, and leaves a tombstone. A rotation may wrap the key anew meanwhile: then that one goes too.
    pub(super) async fn replace_with_tombstone(&self, mut stored: StoredMessage) -> Result<(), KeeperError> {
        let subject = stored.subject.clone();
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            self.delete_record(stored.sequence).await?;
            let tombstone = record_message(subject.clone(), subject.clone(), 0, record::TOMBSTONE.to_vec());
            match self.appender.append(tombstone).await {
                Ok(_) => return Ok(()),
                Err(AppendError::Conflict | AppendError::Unknown) => {
                    match self.stream.last_for_subject(&subject).await? {
                        Some(found) if *found.payload == record::TOMBSTONE => return Ok(()),
                        Some(found) => stored = found,
                        None => {}
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Err(AppendError::Conflict.into())
    }

    /// Destroys everything under these subjects. Returns how much that was.
    async fn delete_all(&self, subjects: &str) -> Result<u64, KeeperError> {
        let mut forgotten = 0;
        loop {
            let stored = self.stream.scan(ScanFrom::Sequence(1), subjects, PAGE_RECORDS_MAX).await?;
            if stored.is_empty() {
                return Ok(forgotten);
            }
            for stored in stored {
                self.delete_record(stored.sequence).await?;
                forgotten += 1;
            }
        }
    }

    /// What is gone already is as good as destroyed.
    async fn delete_record(&self, sequence: u64) -> Result<(), KeeperError> {
        match self.stream.secure_delete(sequence).await {
            Ok(()) | Err(ReadError::Refused { .. }) => Ok(()),
            Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => Err(error.into()),
        }
    }
}
