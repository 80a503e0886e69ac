//! From the log into the records. Every worker reads all of the log, from where any worker was; what is laid twice is laid
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{ErasureChange, Event, EventCategory, EventKind, ExportEvent, Log, LogError, RecordedEvent};
use jetstream::{KvBucket, ScanFrom};
use keys::{KeyClient, KeyError, Pseudonymizer};
use runtime::Clock;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::connections::record::ConnectionRecordKey;
use crate::connections::reducer::{EventContext, apply};
use crate::connections::store::{ConnectionStore, ConnectionStoreError};
use crate::erasures::{ErasureTaskError, ErasureTaskStore};
use crate::exports::{ExportTask, ExportTaskStore};
use crate::log_position::LogPosition;

/// Between two looks at the log.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts where something can't be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// From the log into the records.
pub(crate) struct LogConsumer {
    pub(crate) log: Log,
    pub(crate) connections: ConnectionStore,
    pub(crate) keys: KeyClient,
    pub(crate) work_bucket: KvBucket,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) clock: Clock,
    /// Set once the log was read to its end.
    pub(crate) caught_up: Arc<AtomicBool>,
    /// Told when something was laid, so that it need not wait for the next look.
    pub(crate) records_changed: Arc<Notify>,
}

impl LogConsumer {
    pub(crate) async fn run(self) {
        loop {
            self.log.broker().wait_connected().await;
            if let Err(error) = self.consume().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the worker can't read the log now");
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Reads on from where any worker was, until something can't be reached.
    async fn consume(&self) -> Result<(), LogConsumerError> {
        let state = self.log.open().await?;
        let mut position = LogPosition::load(&self.work_bucket, state.identity.as_str()).await?;
        loop {
            let events = self.log.scan(ScanFrom::Sequence(position.sequence() + 1), None).await?;
            if events.is_empty() {
                self.caught_up.store(true, Ordering::Release);
                sleep(POLL_INTERVAL).await;
                continue;
            }
            for event in &events {
                self.apply_event(event).await?;
                position.advance_to(event.sequence().get());
            }
            self.records_changed.notify_one();
            position.save(&self.work_bucket).await;
        }
    }

    async fn apply_event(&self, recorded: &RecordedEvent) -> Result<(), LogConsumerError> {
        let Ok(head) = recorded.header() else { return Ok(()) };
        let category = head.kind.category();
        if category == EventCategory::Account {
            return self.apply_erasure_event(recorded).await;
        }
        // By kind, so that no key is fetched for an event that is ignored: not even for the worker's own of an export.
        let is_wanted = category == EventCategory::Connection || head.kind == EventKind::ExportRequestedV1;
        let Some(key_id) = head.key_id.filter(|_| is_wanted) else { return Ok(()) };
        // What can't be opened is the projector's to tell of; here nothing comes of it.
        let data_key = match self.keys.get(&head.user, key_id).await {
            Ok(Some(data_key)) => data_key,
            Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => return Ok(()),
            Err(KeyError::Unavailable) => return Err(LogConsumerError::Unavailable),
        };
        let envelope = recorded.envelope().ok().filter(|_| recorded.has_user(&head.user));
        let Some(event) = envelope.and_then(|envelope| Event::open(envelope, &data_key).ok()) else {
            return Ok(());
        };
        if let Event::Export(ExportEvent::Requested(requested)) = &event {
            let task = ExportTask { user: head.user, event_id: head.id, key_id, requested_at: head.time };
            let tasks = ExportTaskStore::new(&self.work_bucket);
            return tasks
                .add(requested.export_id, &task)
                .await
                .map_err(|error| ErasureTaskError::from(error).into());
        }
        let Event::Connection(event) = event else { return Ok(()) };
        // Once an erasure has begun a connection only ends.
        if !event.is_from_worker()
            && ErasureTaskStore::new(&self.work_bucket).is_in_progress(&head.user).await?
        {
            return Ok(());
        }
        let key = ConnectionRecordKey { user: head.user, connection: event.connection_id() };
        let at = EventContext {
            sequence: recorded.sequence().get(),
            event_id: head.id,
            outcome_to: recorded.outcome_to().map(|to| to.to_string()),
            received_at: head.time,
            key_id,
            now: (self.clock)(),
        };
        match self.connections.update(&key, |record| apply(record, &event, &at)).await {
            Ok(_) | Err(ConnectionStoreError::Erased) => Ok(()),
            Err(ConnectionStoreError::Unavailable) => Err(LogConsumerError::Unavailable),
            Err(error @ ConnectionStoreError::Damaged(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    sequence = recorded.sequence().get(),
                    "INCIDENT: a connection's record can't be opened; the event was not laid into it"
                );
                Ok(())
            }
        }
    }
}

impl LogConsumer {
    /// Writes down that an account is to be erased; and forgets the keys of one that is.
    async fn apply_erasure_event(&self, recorded: &RecordedEvent) -> Result<(), LogConsumerError> {
        let Ok(envelope) = recorded.envelope() else { return Ok(()) };
        let (user, time) = (envelope.header.user, envelope.header.time);
        let vouched = Event::verify_erasure(&envelope, &self.pseudonyms);
        let Some(erasure) = vouched.ok().filter(|_| recorded.has_user(&user)) else { return Ok(()) };
        match erasure.change {
            ErasureChange::Requested { due_at } => {
                let (tasks, sequence) = (ErasureTaskStore::new(&self.work_bucket), recorded.sequence());
                tasks.add(&user, sequence, due_at, due_at > time).await?;
            }
            ErasureChange::Cancelled => {}
            ErasureChange::StepDone { .. } | ErasureChange::Erased { .. } => self.keys.evict(&user),
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum LogConsumerError {
    #[error("the keys or the records can't be reached")]
    Unavailable,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Read(#[from] jetstream::ReadError),
    #[error("an erasure can't be written down")]
    ErasureTask(#[from] ErasureTaskError),
}
