//! Writing down who was shown what, before it is shown.

use events::{
    AccessRecorded, Actor, EventDiscarded, Log, LogAppender, NewEvent, RetentionApplied, new_event_id,
};
use http_edge::Clock;
use jetstream::{AppendError, Broker, CommitMode};
use keys::UserRef;
use schemas::{EventId, Sequence};

use super::Access;

/// Appends what operators do, under the user ref of zeros: the broker lets the projector append nothing else.
#[derive(Clone)]
pub(crate) struct Recording {
    pub(crate) appender: LogAppender,
    pub(crate) clock: Clock,
}

impl Recording {
    /// Returns when it is on stable storage.
    pub(crate) async fn record(&self, access: &Access, of: String) -> Result<Sequence, AppendError> {
        let Access { by, command, reason } = access.clone();
        self.append(|id, now| AccessRecorded { by, command, of, reason }.store(id, now)).await
    }

    pub(crate) async fn discard(
        &self,
        by: Actor,
        sequence: Sequence,
        user: UserRef,
        reason: String,
    ) -> Result<Sequence, AppendError> {
        let user_ref = user.to_string();
        self.append(|id, now| EventDiscarded { by, sequence, user_ref, reason }.store(id, now)).await
    }

    pub(crate) async fn retain(
        &self,
        by: Actor,
        before_year: i16,
        reason: String,
    ) -> Result<Sequence, AppendError> {
        self.append(|id, now| RetentionApplied { by, before_year, reason }.store(id, now)).await
    }

    async fn append(
        &self,
        store: impl FnOnce(EventId, jiff::Timestamp) -> Vec<u8>,
    ) -> Result<Sequence, AppendError> {
        let now = (self.clock)();
        let id = new_event_id(now);
        let event = NewEvent { id, user: UserRef::SYSTEM, bytes: store(id, now), outcome_to: None };
        self.appender.append(event).await.map(|appended| appended.sequence)
    }
}

/// Records an access over the projector's own connection: for a command that opens contents itself.
pub async fn record_access(
    broker: Broker,
    access: &Access,
    of: String,
    clock: Clock,
) -> Result<Sequence, AppendError> {
    let appender = Log::over(broker).appender(CommitMode::Grouped);
    Recording { appender, clock }.record(access, of).await
}
