//! That an account is to be erased: `erasure.<user ref>` in the worker's bucket, JSON, format 1.
//!
//! Not where the erasure stands: that is the log's to say.

use jetstream::{AppendError, KvBucket, ReadError, ScanFrom};
use jiff::Timestamp;
use keys::UserRef;
use schemas::Sequence;
use serde::{Deserialize, Serialize};

use crate::kv_buckets::WORK_STREAM;

const FORMAT: u8 = 1;
const KEY_PREFIX: &str = "erasure.";
/// Accounts of one look.
const PAGE_TASKS_MAX: usize = 500;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ErasureTask {
    format: u8,
    /// The first event that asks for it.
    pub(crate) sequence: Sequence,
    pub(crate) due_at: Timestamp,
    /// Whether it could be taken back for a while.
    pub(crate) has_grace: bool,
    /// Whether it was begun.
    pub(crate) is_marked: bool,
}

/// A task, whose account it is about, and which write it is.
pub(crate) struct VersionedErasureTask {
    pub(crate) user: UserRef,
    pub(crate) task: ErasureTask,
    revision: u64,
}

/// The tasks, as they stand in the bucket.
pub(crate) struct ErasureTaskStore<'b>(&'b KvBucket);

impl<'b> ErasureTaskStore<'b> {
    pub(crate) fn new(bucket: &'b KvBucket) -> Self {
        Self(bucket)
    }

    /// Writes down that an account is to be erased. Asked again, the first request counts, but for when it is due: it may
    /// have been taken back since.
    pub(crate) async fn add(
        &self,
        user: &UserRef,
        sequence: Sequence,
        due_at: Timestamp,
        has_grace: bool,
    ) -> Result<(), ErasureTaskError> {
        let standing = self.get(user).await?;
        let (first, is_marked, revision) = match &standing {
            Some(VersionedErasureTask { task, revision, .. }) => {
                (task.sequence.min(sequence), task.is_marked, *revision)
            }
            None => (sequence, false, 0),
        };
        self.write(
            user,
            ErasureTask { format: FORMAT, sequence: first, due_at, has_grace, is_marked },
            revision,
        )
        .await?;
        Ok(())
    }

    /// Whether an erasure of this account was begun, and is not over.
    pub(crate) async fn is_in_progress(&self, user: &UserRef) -> Result<bool, ReadError> {
        Ok(self.get(user).await?.is_some_and(|standing| standing.task.is_marked))
    }

    pub(super) async fn mark(
        &self,
        standing: VersionedErasureTask,
    ) -> Result<VersionedErasureTask, ErasureTaskError> {
        let task = ErasureTask { is_marked: true, ..standing.task };
        let revision = self.write(&standing.user, task.clone(), standing.revision).await?;
        Ok(VersionedErasureTask { task, revision, ..standing })
    }

    /// Nothing is left to be done, unless it was asked for anew meanwhile.
    pub(super) async fn finish(&self, standing: &VersionedErasureTask) -> Result<(), ReadError> {
        match self.0.secure_delete(standing.revision).await {
            // It is gone already.
            Ok(()) | Err(ReadError::Refused { .. }) => Ok(()),
            Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => Err(error),
        }
    }

    /// Every task.
    pub(super) async fn all(&self) -> Result<Vec<VersionedErasureTask>, ReadError> {
        let prefix = WORK_STREAM.subject_prefix();
        let filter = format!("{prefix}{KEY_PREFIX}*");
        let mut standing: Vec<VersionedErasureTask> = Vec::new();
        let mut from = 1;
        loop {
            let stored = self.0.stream().scan(ScanFrom::Sequence(from), &filter, PAGE_TASKS_MAX).await?;
            let Some(last) = stored.last() else { return Ok(standing) };
            from = last.sequence + 1;
            for stored in stored {
                let user = stored.subject.strip_prefix(prefix).and_then(|key| key.strip_prefix(KEY_PREFIX));
                let user = user.and_then(|user| user.parse::<UserRef>().ok());
                let Some((user, task)) = user.zip(parse(&stored.payload)) else { continue };
                // Of two writes under one key the later one counts.
                standing.retain(|other| other.user != user);
                standing.push(VersionedErasureTask { user, task, revision: stored.sequence });
            }
        }
    }

    async fn get(&self, user: &UserRef) -> Result<Option<VersionedErasureTask>, ReadError> {
        let entry = self.0.get(&format!("{KEY_PREFIX}{user}")).await?;
        Ok(entry.and_then(|entry| {
            Some(VersionedErasureTask { user: *user, task: parse(&entry.value)?, revision: entry.revision })
        }))
    }

    async fn write(&self, user: &UserRef, task: ErasureTask, revision: u64) -> Result<u64, ErasureTaskError> {
        let bytes = serde_json::to_vec(&task).unwrap_or_else(|_| unreachable!("BUG: a task is JSON"));
        let written = self.0.put(&format!("{KEY_PREFIX}{user}"), bytes, revision, None).await?;
        if revision > 0 {
            // An old write that stays only takes space, until the account's erasure is over.
            let _ = self.0.secure_delete(revision).await;
        }
        Ok(written)
    }
}

/// Why a task was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ErasureTaskError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] AppendError),
}

fn parse(bytes: &[u8]) -> Option<ErasureTask> {
    serde_json::from_slice(bytes).ok().filter(|task: &ErasureTask| task.format == FORMAT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let golden = br#"{"format":1,"sequence":7,"due_at":"2026-11-25T00:00:00Z","has_grace":false,"is_marked":true}"#;
        let task = ErasureTask {
            format: FORMAT,
            sequence: Sequence::new(7).unwrap(),
            due_at: "2026-11-25T00:00:00Z".parse().unwrap(),
            has_grace: false,
            is_marked: true,
        };
        assert_eq!(serde_json::to_vec(&task).unwrap(), golden);
        assert_eq!(parse(golden), Some(task));
        assert_eq!(parse(br#"{"format":2}"#), None);
    }
}
