//! That an export is to be made: `export.<export id>` in the worker's bucket, JSON, format 1.

use jetstream::{AppendError, KvBucket, ReadError, ScanFrom};
use jiff::Timestamp;
use keys::{DataKeyId, ExportId, UserRef};
use schemas::EventId;
use serde::{Deserialize, Serialize};

use crate::kv_buckets::WORK_STREAM;

const FORMAT: u8 = 1;
const KEY_PREFIX: &str = "export.";
/// Exports of one look.
const PAGE_TASKS_MAX: usize = 500;

/// What is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExportTask {
    pub(crate) user: UserRef,
    /// The event that asks for it.
    pub(crate) event_id: EventId,
    /// The data key of that event: what comes of it is sealed under it too.
    pub(crate) key_id: DataKeyId,
    pub(crate) requested_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredExportTask {
    format: u8,
    user_ref: String,
    event_id: EventId,
    key_id: String,
    requested_at: Timestamp,
}

/// The tasks, as they stand in the bucket.
pub(crate) struct ExportTaskStore<'b>(&'b KvBucket);

impl<'b> ExportTaskStore<'b> {
    pub(crate) fn new(bucket: &'b KvBucket) -> Self {
        Self(bucket)
    }

    /// Writes down that an export is to be made. Again is as good as once.
    pub(crate) async fn add(&self, export: ExportId, task: &ExportTask) -> Result<(), AppendError> {
        match self.0.put(&format!("{KEY_PREFIX}{export}"), task.encode(), 0, None).await {
            Ok(_) | Err(AppendError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn contains(&self, export: ExportId) -> Result<bool, ReadError> {
        Ok(self.0.get(&format!("{KEY_PREFIX}{export}")).await?.is_some())
    }

    /// Nothing is left to be done.
    pub(crate) async fn finish(&self, revision: u64) -> Result<(), ReadError> {
        match self.0.secure_delete(revision).await {
            Ok(()) | Err(ReadError::Refused { .. }) => Ok(()),
            Err(error @ (ReadError::Unavailable | ReadError::Malformed)) => Err(error),
        }
    }

    /// Every task, and which write it is.
    pub(crate) async fn all(&self) -> Result<Vec<(ExportId, ExportTask, u64)>, ReadError> {
        let prefix = format!("{}{KEY_PREFIX}", WORK_STREAM.subject_prefix());
        let mut tasks = Vec::new();
        let mut from = 1;
        loop {
            let filter = format!("{prefix}*");
            let stored = self.0.stream().scan(ScanFrom::Sequence(from), &filter, PAGE_TASKS_MAX).await?;
            let Some(last) = stored.last() else { return Ok(tasks) };
            from = last.sequence + 1;
            tasks.extend(stored.iter().filter_map(|stored| {
                let export = stored.subject.strip_prefix(&prefix)?.parse().ok()?;
                Some((export, ExportTask::decode(&stored.payload)?, stored.sequence))
            }));
        }
    }
}

impl ExportTask {
    fn encode(&self) -> Vec<u8> {
        let stored = StoredExportTask {
            format: FORMAT,
            user_ref: self.user.to_string(),
            event_id: self.event_id,
            key_id: self.key_id.to_string(),
            requested_at: self.requested_at,
        };
        serde_json::to_vec(&stored).unwrap_or_else(|_| unreachable!("BUG: a task is JSON"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: StoredExportTask = serde_json::from_slice(bytes).ok()?;
        let (user, key_id) = (stored.user_ref.parse().ok()?, stored.key_id.parse().ok()?);
        let StoredExportTask { event_id, requested_at, .. } = stored;
        (stored.format == FORMAT).then_some(Self { user, event_id, key_id, requested_at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_bytes() {
        let task = ExportTask {
            user: UserRef::from_bytes([1; 16]),
            event_id: EventId::new(1_771_286_385_000, [7; 10]),
            key_id: DataKeyId::from_bytes([4; 10]),
            requested_at: "2026-11-25T00:00:00Z".parse().unwrap(),
        };
        let golden = format!(
            r#"{{"format":1,"user_ref":"aeaqcaibaeaqcaibaeaqcaibae","event_id":"{}","key_id":"aqcaibaeaqcaibae","requested_at":"2026-11-25T00:00:00Z"}}"#,
            task.event_id
        );
        assert_eq!(String::from_utf8(task.encode()).unwrap(), golden);
        assert_eq!(ExportTask::decode(golden.as_bytes()), Some(task));
        assert_eq!(ExportTask::decode(golden.replace(":1,", ":2,").as_bytes()), None);
    }
}
