//! Appending an event to the log and waiting for its outcome.

use std::sync::Arc;
use std::time::Duration;

use events::{AppendedEvent, EventHeader, EventKind, NewEvent, new_event_id};
use http_edge::{AccessLogFields, ApiError};
use jetstream::AppendError;
use jiff::Timestamp;
use keys::{ACCOUNT_YEAR, DataKey, UserRef, Year};
use schemas::{EventId, Outcome};

use crate::api_errors::{account_append_error, data_key_error, log_unavailable};
use crate::state::IngestState;

/// An account event to append, and the event whose outcome the request waits for.
pub(crate) struct NewAccountEvent {
    pub(crate) kind: EventKind,
    pub(crate) id: EventId,
    /// The event itself, or the event that answers it.
    pub(crate) awaited_event_id: EventId,
    pub(crate) wait: Duration,
}

impl NewAccountEvent {
    /// Creates an event with a fresh id, whose own outcome is awaited.
    pub(crate) fn new(kind: EventKind, now: Timestamp, wait: Duration) -> Self {
        let id = new_event_id(now);
        Self { kind, id, awaited_event_id: id, wait }
    }
}

impl IngestState {
    /// Refuses the request while nothing can be appended to the log.
    pub(crate) fn check_log_available(&self) -> Result<(), ApiError> {
        self.log_health.check_available().map_err(log_unavailable)
    }

    /// Returns the user's data key of a year. Checks first that the log is available.
    pub(crate) async fn current_data_key(
        &self,
        user: &UserRef,
        year: Year,
    ) -> Result<Arc<DataKey>, ApiError> {
        self.check_log_available()?;
        self.data_keys.current(user, year).await.map_err(|error| data_key_error(&error))
    }

    /// Appends an event and waits for the outcome of `awaited`: the event itself, or the event that answers it, whose
    /// outcome is sent to the same address.
    pub(crate) async fn append_and_await_outcome(
        &self,
        head: &EventHeader,
        bytes: Vec<u8>,
        awaited: EventId,
        wait: Duration,
    ) -> Result<(AppendedEvent, Option<Outcome>), AppendError> {
        let expected = self.outcome_waiters.register(awaited);
        let event = NewEvent {
            id: head.id,
            user: head.user,
            bytes,
            outcome_to: Some(self.outcome_waiters.address()),
        };
        let appended = self.log_appender.append(event).await?;
        let outcome =
            if appended.replayed { Some(Outcome::Unchanged) } else { expected.wait_for(wait).await };
        Ok((appended, outcome))
    }

    /// Seals an event under the account's key, appends it and waits for its outcome, so that the user reads their own
    /// write.
    pub(crate) async fn append_account_event(
        &self,
        user: UserRef,
        event: NewAccountEvent,
        observed: &mut AccessLogFields,
        seal: impl FnOnce(&EventHeader, &DataKey) -> Vec<u8>,
    ) -> Result<(AppendedEvent, Option<Outcome>), ApiError> {
        let NewAccountEvent { kind, id, awaited_event_id: awaited, wait } = event;
        let time = (self.clock)();
        let key = self.current_data_key(&user, ACCOUNT_YEAR).await?;
        let head = EventHeader { id, kind, user, time, key_id: Some(key.id()) };
        let bytes = seal(&head, &key);
        let stored = self.append_and_await_outcome(&head, bytes, awaited, wait).await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an event of an account was not appended"
            );
            account_append_error(&error)
        })?;
        observed.outcome = stored.1.map(Outcome::as_str);
        Ok(stored)
    }
}
