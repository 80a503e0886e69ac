//! The log: one stream, append only, read in order.

mod promises;

use jiff::Timestamp;
use schemas::{EventId, Sequence};
use serde_json::{Value, json};
use stream::{
    AppendError, Appender, Broker, Commit, Draft, FollowError, Followed, ReadError, ScanFrom, Stored, Stream,
};
use vault::UserRef;

pub use promises::{BrokenPromise, LogState};

use crate::outcome::OutcomeAddress;
use crate::subject::subject_of;

/// The stream's name.
pub const EVENTS_STREAM: &str = "EVENTS";
/// The log as the roles that may reach it see it.
const API_PREFIX: &str = "LOG.API";
/// The durable consumer through which the projector follows.
const PROJECTOR: &str = "projector";
/// The header in which an event's outcome address travels. Not part of the event: it means nothing once folded.
const OUTCOME_TO: &str = "Syncwell-Outcome-To";
/// How long the server remembers an event's id and drops a second one. A signed request is valid for at most twice
/// the timestamp window, so this must be longer.
const DUPLICATE_WINDOW_SECONDS: u64 = 900;
/// Events of one direct get.
const SCAN_EVENTS_MAX: usize = 1_000;

/// Why the log can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The broker can't be reached, or refuses.
    #[error("the log can't be read")]
    Read(#[from] ReadError),
    /// It does not exist.
    #[error("there is no log here; the owner creates it with `syncwell setup`")]
    Missing,
    /// It is not the log that it should be.
    #[error(transparent)]
    Broken(#[from] BrokenPromise),
}

/// Which log this is: a stream that was created anew is another one, whatever it is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogIdentity(String);

impl LogIdentity {
    /// The stream's creation time, as the server spells it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for LogIdentity {
    fn from(created: &str) -> Self {
        Self(created.to_owned())
    }
}

/// An event to append.
pub struct NewEvent {
    /// Its name: a second one with this name is dropped.
    pub id: EventId,
    /// Whose it is.
    pub user: UserRef,
    /// The stored bytes.
    pub bytes: Vec<u8>,
    /// Who waits for its outcome.
    pub outcome_to: Option<OutcomeAddress>,
}

/// An event on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedEvent {
    /// Its position, or the position of the first event with this name.
    pub sequence: Sequence,
    /// Whether an event with this name had been appended before. Nothing was appended now.
    pub replayed: bool,
}

/// An event as the log holds it.
#[derive(Debug, Clone)]
pub struct RecordedEvent(Stored);

impl RecordedEvent {
    /// Its position.
    pub fn sequence(&self) -> Sequence {
        Sequence::new(self.0.sequence).unwrap_or_else(|| unreachable!("BUG: streams count from 1"))
    }

    /// When the log stored it.
    pub fn stored_at(&self) -> Timestamp {
        self.0.stored_at
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0.payload
    }

    /// Whether it stands where an event of this user belongs.
    pub fn is_filed_under(&self, user: &UserRef) -> bool {
        self.0.subject == subject_of(user)
    }

    /// Who waits for its outcome.
    pub fn outcome_to(&self) -> Option<OutcomeAddress> {
        self.0.header(OUTCOME_TO)?.parse().ok()
    }
}

/// The log, over one role's connection. What works depends on the role's rights.
#[derive(Clone)]
pub struct Log {
    stream: Stream,
}

impl Log {
    /// The log behind this connection.
    pub fn over(broker: Broker) -> Self {
        Self { stream: Stream::new(broker, API_PREFIX, EVENTS_STREAM) }
    }

    /// The connection.
    pub fn broker(&self) -> &Broker {
        self.stream.broker()
    }

    /// What setup creates. See [`BrokenPromise`] for what each key is worth.
    pub fn config(replicas: u8) -> Value {
        json!({
            "name": EVENTS_STREAM,
            "description": "SyncWell: what happened",
            "subjects": ["events.v1.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "num_replicas": replicas,
            "max_consumers": -1,
            "max_msgs": -1,
            "max_bytes": -1,
            "max_msgs_per_subject": -1,
            "max_age": 0,
            "duplicate_window": DUPLICATE_WINDOW_SECONDS * 1_000_000_000,
            "deny_delete": true,
            "deny_purge": true,
            "allow_rollup_hdrs": false,
            "allow_atomic": true,
            "allow_direct": true,
        })
    }

    /// Creates the log with its reader, or leaves both as they are. The owner's alone.
    pub async fn create(&self, replicas: u8) -> Result<(), LogError> {
        if self.stream.info().await?.is_none() {
            self.stream.create(&Self::config(replicas)).await?;
        }
        Ok(self.stream.create_reader(PROJECTOR).await?)
    }

    /// Verifies that this is a log that keeps its promises, and tells its identity and its end.
    pub async fn open(&self) -> Result<LogState, LogError> {
        let info = self.stream.info().await?.ok_or(LogError::Missing)?;
        Ok(promises::verify(&info)?)
    }

    /// What time it is at the broker, where it tells.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.stream.info().await?.and_then(|info| info.ts))
    }

    /// Starts appending.
    pub fn appender(&self, how: Commit) -> LogAppender {
        LogAppender(Appender::start(self.stream.broker().clone(), how))
    }

    /// Follows the log behind a position. The projector's alone.
    pub async fn follow(&self, position: Option<Sequence>) -> Result<Follower, FollowError> {
        Ok(Follower(self.stream.follow(PROJECTOR, position.map_or(0, Sequence::get)).await?))
    }

    /// The event at this position.
    pub async fn get(&self, sequence: Sequence) -> Result<Option<RecordedEvent>, LogError> {
        Ok(self.stream.get(sequence.get()).await?.map(RecordedEvent))
    }

    /// Some events from `from` on, of one user or of all; empty at the end of the log.
    pub async fn scan(&self, from: ScanFrom, user: Option<&UserRef>) -> Result<Vec<RecordedEvent>, LogError> {
        let subject = user.map_or_else(|| "events.v1.>".to_owned(), subject_of);
        let stored = self.stream.scan(from, &subject, SCAN_EVENTS_MAX).await?;
        Ok(stored.into_iter().map(RecordedEvent).collect())
    }
}

/// Appends events.
#[derive(Clone)]
pub struct LogAppender(Appender);

impl LogAppender {
    /// Appends one event, and returns when it is on stable storage.
    pub async fn append(&self, event: NewEvent) -> Result<AppendedEvent, AppendError> {
        let appended = self.0.append(Draft {
            subject: subject_of(&event.user),
            id: Some(event.id.to_string()),
            headers: event.outcome_to.iter().map(|address| (OUTCOME_TO, address.to_string())).collect(),
            expected: None,
            payload: event.bytes.into(),
        });
        let appended = appended.await?;
        let sequence = Sequence::new(appended.sequence).ok_or(AppendError::Unknown)?;
        Ok(AppendedEvent { sequence, replayed: appended.duplicate })
    }
}

/// The log being followed.
pub struct Follower(Followed);

impl Follower {
    /// The next events, at least one, contiguous with the last.
    pub async fn next(&mut self) -> Result<Vec<RecordedEvent>, FollowError> {
        Ok(self.0.next().await?.into_iter().map(RecordedEvent).collect())
    }
}
