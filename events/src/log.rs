//! The log: one stream, append only, read in order.

mod range_reader;
mod recorded_event;
mod stream_config;

use jetstream::{
    AppendError, Appender, Broker, CommitMode, FollowError, NewMessage, OrderedConsumer, ReadError, ScanFrom,
    Stream,
};
use jiff::Timestamp;
use keys::UserRef;
use schemas::{EventId, Sequence};

pub use range_reader::{LogRangeReader, ReadRangeError};
pub use recorded_event::RecordedEvent;
pub use stream_config::{EVENTS_STREAM, LogState, LogVerificationError};

use crate::outcome::OutcomeAddress;
use crate::subject::user_subject;

/// The header in which an event's outcome address travels. Not part of the event: it means nothing once folded.
const OUTCOME_TO_HEADER: &str = "Syncwell-Outcome-To";
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
    Invalid(#[from] LogVerificationError),
}

/// Who reads the whole log, each through a durable consumer of their own: two at once through one would disturb each
/// other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogConsumerName {
    /// The projector, following.
    Projector,
    /// The projector, folding a second view.
    Rebuild,
    /// A command that folds the log by itself.
    Shadow,
    /// The notary, following.
    Notary,
    /// An auditor.
    Auditor,
    /// A backup.
    Backup,
}

impl LogConsumerName {
    const ALL: [Self; 6] =
        [Self::Projector, Self::Rebuild, Self::Shadow, Self::Notary, Self::Auditor, Self::Backup];

    /// The consumer's name, as `nats.conf` has it.
    const fn name(self) -> &'static str {
        match self {
            Self::Projector => "projector",
            Self::Rebuild => "rebuild",
            Self::Shadow => "shadow",
            Self::Notary => "notary",
            Self::Auditor => "auditor",
            Self::Backup => "backup",
        }
    }
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

/// A copy of a stored event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedEvent {
    /// Where it stood.
    pub subject: String,
    /// Its name, so that the request that caused it is still known for a while; the log refuses copies among which a
    /// name stands twice.
    pub id: Option<EventId>,
    /// The stored bytes.
    pub bytes: Vec<u8>,
}

/// An event on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendedEvent {
    /// Its position, or the position of the first event with this name.
    pub sequence: Sequence,
    /// Whether an event with this name had been appended before. Nothing was appended now.
    pub replayed: bool,
}

/// The log, over one role's connection. What works depends on the role's rights.
#[derive(Clone)]
pub struct Log {
    stream: Stream,
}

impl Log {
    /// The log behind this connection.
    pub fn new(broker: Broker) -> Self {
        Self { stream: EVENTS_STREAM.stream(broker) }
    }

    /// The connection.
    pub fn broker(&self) -> &Broker {
        self.stream.broker()
    }

    /// Creates the log with its readers, or leaves them as they are. The owner's alone.
    pub async fn create(&self, replicas: u8) -> Result<(), LogError> {
        if self.stream.info().await?.is_none() {
            self.stream.create(&EVENTS_STREAM.config(replicas)).await?;
        }
        for reader in LogConsumerName::ALL {
            self.stream.create_consumer(reader.name()).await?;
        }
        Ok(())
    }

    /// Verifies that this is a log that keeps its promises, and tells its identity and its end.
    pub async fn open(&self) -> Result<LogState, LogError> {
        let info = self.stream.info().await?.ok_or(LogError::Missing)?;
        Ok(stream_config::verify(&info)?)
    }

    /// The last event, whatever else is wrong with the log.
    pub async fn last_sequence(&self) -> Result<Option<Sequence>, LogError> {
        let info = self.stream.info().await?.ok_or(LogError::Missing)?;
        Ok(Sequence::new(info.state.last_seq))
    }

    /// What time it is at the broker, where it tells.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, LogError> {
        Ok(self.stream.info().await?.and_then(|info| info.ts))
    }

    /// Starts appending.
    pub fn appender(&self, how: CommitMode) -> LogAppender {
        LogAppender(Appender::start(self.stream.broker().clone(), how))
    }

    /// Follows the log behind a position, as one of its readers.
    pub async fn follow(
        &self,
        reader: LogConsumerName,
        position: Option<Sequence>,
    ) -> Result<LogFollower, FollowError> {
        Ok(LogFollower(self.stream.follow(reader.name(), position.map_or(0, Sequence::get)).await?))
    }

    /// Reads the events behind a position up to `last`, as one of the log's readers.
    pub fn read_range(
        &self,
        reader: LogConsumerName,
        position: Option<Sequence>,
        last: Sequence,
    ) -> LogRangeReader {
        LogRangeReader::new(self.clone(), reader, position, last)
    }

    /// Appends copies of events in this order right behind `last`, all of them or none; at most 1,000, and a few
    /// megabytes. What an empty log is filled with from a backup: the owner's alone.
    pub async fn append_copies(
        &self,
        last: Option<Sequence>,
        copies: &[CopiedEvent],
    ) -> Result<(), AppendError> {
        let drafts = copies.iter().map(|copy| NewMessage {
            subject: copy.subject.clone(),
            id: copy.id.map(|id| id.to_string()),
            headers: Vec::new(),
            expected: None,
            payload: copy.bytes.clone().into(),
        });
        let drafts: Vec<_> = drafts.collect();
        self.stream.append_after(last.map_or(0, Sequence::get), &drafts).await
    }

    /// The last event that was received by a time, by the time that stands in the event: when an event was stored says
    /// nothing where the log came out of a backup. Events are received in order but for the milliseconds that several
    /// ingests are apart.
    pub async fn last_received_by(&self, time: Timestamp) -> Result<Option<Sequence>, LogError> {
        let (mut received, mut later) = (0, self.open().await?.last.map_or(0, Sequence::get) + 1);
        while later - received > 1 {
            let middle = received + (later - received) / 2;
            match self.received_at(middle, later).await? {
                Some(at) if at <= time => received = middle,
                Some(_) | None => later = middle,
            }
        }
        Ok(Sequence::new(received))
    }

    /// When the event with this sequence was received; for one that is no event, when the next one was.
    async fn received_at(&self, sequence: u64, before: u64) -> Result<Option<Timestamp>, LogError> {
        for sequence in (sequence..before).filter_map(Sequence::new) {
            let event = self.get(sequence).await?;
            if let Some(head) = event.and_then(|event| event.header().ok()) {
                return Ok(Some(head.time));
            }
        }
        Ok(None)
    }

    /// Whether the log holds this event: asked before a gap that was seen is called a hole.
    pub async fn contains(&self, sequence: u64) -> bool {
        match Sequence::new(sequence) {
            Some(sequence) => self.get(sequence).await.is_ok_and(|event| event.is_some()),
            None => false,
        }
    }

    /// The event at this position.
    pub async fn get(&self, sequence: Sequence) -> Result<Option<RecordedEvent>, LogError> {
        Ok(self.stream.get(sequence.get()).await?.map(RecordedEvent::from))
    }

    /// Some events from `from` on, of one user or of all; empty at the end of the log.
    pub async fn scan(&self, from: ScanFrom, user: Option<&UserRef>) -> Result<Vec<RecordedEvent>, LogError> {
        let subject = user.map_or_else(|| "events.v1.>".to_owned(), user_subject);
        let stored = self.stream.scan(from, &subject, SCAN_EVENTS_MAX).await?;
        Ok(stored.into_iter().map(RecordedEvent::from).collect())
    }

    /// A user's events from a position on, up to another one or the end, page by page.
    pub fn user_pages(&self, user: UserRef, from: Sequence, until: Option<Sequence>) -> UserEventPages<'_> {
        UserEventPages { log: self, user, from: Some(from.get()), until }
    }
}

/// A user's events, page by page.
pub struct UserEventPages<'l> {
    log: &'l Log,
    user: UserRef,
    /// Where the next page begins; `None` behind the last.
    from: Option<u64>,
    until: Option<Sequence>,
}

impl UserEventPages<'_> {
    /// The next page; `None` behind the last. One that could not be read is read again by asking again.
    pub async fn next(&mut self) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        let Some(from) = self.from else { return Ok(None) };
        let mut events = self.log.scan(ScanFrom::Sequence(from), Some(&self.user)).await?;
        let last = events.last().map(RecordedEvent::sequence);
        self.from =
            last.filter(|last| self.until.is_none_or(|until| *last < until)).map(|last| last.get() + 1);
        events.retain(|event| self.until.is_none_or(|until| event.sequence() <= until));
        Ok(last.map(|_| events))
    }
}

/// Appends events.
#[derive(Clone)]
pub struct LogAppender(Appender);

impl LogAppender {
    /// Appends one event, and returns when it is on stable storage.
    pub async fn append(&self, event: NewEvent) -> Result<AppendedEvent, AppendError> {
        let appended = self.0.append(NewMessage {
            subject: user_subject(&event.user),
            id: Some(event.id.to_string()),
            headers: event
                .outcome_to
                .iter()
                .map(|address| (OUTCOME_TO_HEADER, address.to_string()))
                .collect(),
            expected: None,
            payload: event.bytes.into(),
        });
        let appended = appended.await?;
        let sequence = Sequence::new(appended.sequence).ok_or(AppendError::Unknown)?;
        Ok(AppendedEvent { sequence, replayed: appended.is_duplicate })
    }
}

/// The log being followed.
pub struct LogFollower(OrderedConsumer);

impl LogFollower {
    /// The next events, at least one, contiguous with the last.
    pub async fn next(&mut self) -> Result<Vec<RecordedEvent>, FollowError> {
        Ok(self.0.next_batch().await?.into_iter().map(RecordedEvent::from).collect())
    }
}
