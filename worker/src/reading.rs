//! From the log into the records. Every worker reads all of the log, from where any worker was; what is laid twice is laid
//! once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{Envelope, ErasureFact, Event, EventKind, Log, LogError, RecordedEvent};
use jetstream::{KvBucket, ScanFrom};
use keys::{KeyClient, KeyError, Pseudonymizer};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::Clock;
use crate::book::{Book, BookError};
use crate::erasures::{TaskError, Tasks};
use crate::exporting::{ExportTask, ExportTasks};
use crate::laying::{At, Said, lay};
use crate::position::Position;
use crate::record::RecordKey;

/// Between two looks at the log.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts where something can't be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// From the log into the records.
pub(crate) struct Reading {
    pub(crate) log: Log,
    pub(crate) book: Book,
    pub(crate) keys: KeyClient,
    pub(crate) work: KvBucket,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) clock: Clock,
    /// Set once the log was read to its end.
    pub(crate) caught_up: Arc<AtomicBool>,
    /// Told when something was laid, so that it need not wait for the next look.
    pub(crate) laid: Arc<Notify>,
}

impl Reading {
    pub(crate) async fn follow(self) {
        loop {
            self.log.broker().wait_connected().await;
            if let Err(error) = self.read().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the worker can't read the log now");
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Reads on from where any worker was, until something can't be reached.
    async fn read(&self) -> Result<(), ReadingError> {
        let state = self.log.open().await?;
        let mut position = Position::load(&self.work, state.identity.as_str()).await?;
        loop {
            let events = self.log.scan(ScanFrom::Sequence(position.sequence() + 1), None).await?;
            if events.is_empty() {
                self.caught_up.store(true, Ordering::Release);
                sleep(LOOK_INTERVAL).await;
                continue;
            }
            for event in &events {
                self.lay(event).await?;
                position.move_to(event.sequence().get());
            }
            self.laid.notify_one();
            position.save(&self.work).await;
        }
    }

    async fn lay(&self, recorded: &RecordedEvent) -> Result<(), ReadingError> {
        let Ok(head) = Envelope::read_head(recorded.bytes()) else { return Ok(()) };
        if EventKind::ERASURES.contains(&head.kind) {
            return self.lay_erasure(recorded).await;
        }
        let is_wanted = is_about_a_connection(head.kind) || head.kind == EventKind::ExportRequestedV1;
        let Some(key_id) = head.key_id.filter(|_| is_wanted) else { return Ok(()) };
        // What can't be opened is the projector's to tell of; here nothing comes of it.
        let data_key = match self.keys.get(&head.user, key_id).await {
            Ok(Some(data_key)) => data_key,
            Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => return Ok(()),
            Err(KeyError::Unavailable) => return Err(ReadingError::Unavailable),
        };
        let opened = Envelope::read(recorded.bytes()).ok().filter(|_| recorded.is_filed_under(&head.user));
        let Some(event) = opened.and_then(|envelope| Event::open(envelope, &data_key).ok()) else {
            return Ok(());
        };
        if let Event::ExportRequested(requested) = &event {
            let task = ExportTask { user: head.user, event_id: head.id, key_id, requested_at: head.time };
            let tasks = ExportTasks::over(&self.work);
            return tasks
                .add(requested.export_id, &task)
                .await
                .map_err(|error| TaskError::from(error).into());
        }
        let Some((connection, said)) = Said::of(&event) else { return Ok(()) };
        // Once an erasure has begun a connection only ends.
        if !said.is_own() && Tasks::over(&self.work).is_begun(&head.user).await? {
            return Ok(());
        }
        let key = RecordKey { user: head.user, connection };
        let at = At {
            sequence: recorded.sequence().get(),
            event_id: head.id,
            outcome_to: recorded.outcome_to().map(|to| to.to_string()),
            received: head.time,
            key_id,
            now: (self.clock)(),
        };
        match self.book.change(&key, |record| lay(record, &said, &at)).await {
            Ok(_) | Err(BookError::Erased) => Ok(()),
            Err(BookError::Unavailable) => Err(ReadingError::Unavailable),
            Err(error @ BookError::Damaged(_)) => {
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

impl Reading {
    /// Writes down that an account is to be erased; and forgets the keys of one that is.
    async fn lay_erasure(&self, recorded: &RecordedEvent) -> Result<(), ReadingError> {
        let Ok(envelope) = Envelope::read(recorded.bytes()) else { return Ok(()) };
        let (user, time) = (envelope.head.user, envelope.head.time);
        let vouched = Event::vouched_erasure(&envelope, &self.pseudonyms);
        let Some(erasure) = vouched.ok().filter(|_| recorded.is_filed_under(&user)) else { return Ok(()) };
        match erasure.fact {
            ErasureFact::Requested { due_at } => {
                let (tasks, sequence) = (Tasks::over(&self.work), recorded.sequence());
                tasks.add(&user, sequence, due_at, due_at > time).await?;
            }
            ErasureFact::Cancelled => {}
            ErasureFact::StepDone { .. } | ErasureFact::Erased { .. } => self.keys.evict(&user),
        }
        Ok(())
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadingError {
    #[error("the keys or the records can't be reached")]
    Unavailable,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Read(#[from] jetstream::ReadError),
    #[error("an erasure can't be written down")]
    Task(#[from] TaskError),
}

/// Told by the kind alone, so that nothing else is opened.
fn is_about_a_connection(kind: EventKind) -> bool {
    match kind {
        EventKind::ConnectionRequestedV1
        | EventKind::ConnectionAuthorizedV1
        | EventKind::ConnectionReauthRequestedV1
        | EventKind::ConnectionRevocationRequestedV1
        | EventKind::ConnectionActivatedV1
        | EventKind::ConnectionReauthNeededV1
        | EventKind::ConnectionRevokedV1 => true,
        EventKind::SummaryReceivedV1
        | EventKind::DeviceEnrolledV1
        | EventKind::DeviceRevokedV1
        | EventKind::DeviceReportedV1
        | EventKind::WebhookReceivedV1
        | EventKind::BreakGlassRequestedV1
        | EventKind::BreakGlassApprovedV1
        | EventKind::BreakGlassLookedUpV1
        | EventKind::BreakGlassRefusedV1
        | EventKind::AccessRecordedV1
        | EventKind::EventDiscardedV1
        | EventKind::RetentionAppliedV1
        | EventKind::ExportRequestedV1
        | EventKind::ExportReadyV1
        | EventKind::ExportFailedV1
        | EventKind::ErasureRequestedV1
        | EventKind::ErasureCancelledV1
        | EventKind::ErasureStepDoneV1
        | EventKind::AccountErasedV1 => false,
    }
}
