//! Writing down who was shown what, before it is shown.

use events::{
    AccessRecorded, Actor, EventDiscarded, Log, LogAppender, NewEvent, RetentionApplied, new_event_id,
};
use jetstream::{AppendError, Broker, CommitMode};
use keys::UserRef;
use runtime::Clock;
use schemas::{EventId, Sequence};

use super::AccessContext;

/// Appends what operators do, under the user ref of zeros: the broker lets the projector append nothing else.
#[derive(Clone)]
pub(crate) struct ActionRecorder {
    pub(crate) appender: LogAppender,
    pub(crate) clock: Clock,
}

impl ActionRecorder {
    /// Returns when it is on stable storage.
    pub(crate) async fn record(&self, access: &AccessContext, of: String) -> Result<Sequence, AppendError> {
        let AccessContext { by, command, reason } = access.clone();
        self.append(|id, now| AccessRecorded { by, command, of, reason }.encode(id, now)).await
    }

    pub(crate) async fn record_discard(
        &self,
        by: Actor,
        sequence: Sequence,
        user: UserRef,
        reason: String,
    ) -> Result<Sequence, AppendError> {
        let user_ref = user.to_string();
        self.append(|id, now| EventDiscarded { by, sequence, user_ref, reason }.encode(id, now)).await
    }

    pub(crate) async fn record_retention(
        &self,
        by: Actor,
        before_year: i16,
        reason: String,
    ) -> Result<Sequence, AppendError> {
        self.append(|id, now| RetentionApplied { by, before_year, reason }.encode(id, now)).await
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
    access: &AccessContext,
    of: String,
    clock: Clock,
) -> Result<Sequence, AppendError> {
    let appender = Log::new(broker).appender(CommitMode::Grouped);
    ActionRecorder { appender, clock }.record(access, of).await
}
