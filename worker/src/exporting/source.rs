//! The events of a person, opened: their own, and those that providers delivered about them.

use std::collections::BTreeSet;

use events::{Envelope, Event, Log, RecordedEvent};
use exports::{Content, ExportError, Source, SourceEvent};
use schemas::Sequence;
use stream::ScanFrom;
use tokio::runtime::Handle;
use vault::{KeyClient, KeyError, UserRef};

/// Reads the log, for a thread that may block.
pub struct LogSource {
    pub(super) log: Log,
    pub(super) keys: KeyClient,
    pub(super) runtime: Handle,
    /// The person, then the pseudonyms under which providers' deliveries about them are filed.
    pub(super) users: Vec<UserRef>,
    /// Nothing behind this position is read.
    pub(super) position: Sequence,
    /// Events that operators had left out.
    pub(super) left_out: BTreeSet<Sequence>,
}

impl LogSource {
    /// A person's own events up to a position, none of them left out.
    pub fn of(log: Log, keys: KeyClient, runtime: Handle, user: UserRef, position: Sequence) -> Self {
        Self { log, keys, runtime, users: vec![user], position, left_out: BTreeSet::new() }
    }

    /// The last that is read.
    pub fn position(&self) -> Sequence {
        self.position
    }
}

impl Source for LogSource {
    /// The person's own events in order, then each provider's.
    fn each(
        &mut self,
        visit: &mut dyn FnMut(SourceEvent) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        for user in &self.users {
            let mut from = ScanFrom::Sequence(1);
            loop {
                let events = self.runtime.block_on(self.log.scan(from, Some(user)));
                let events = events.map_err(|error| ExportError::Source(error.to_string()))?;
                let Some(last) = events.last() else { break };
                from = ScanFrom::Sequence(last.sequence().get() + 1);
                for recorded in events.iter().filter(|event| event.sequence() <= self.position) {
                    if let Some(event) = self.open(recorded)? {
                        visit(event)?;
                    }
                }
                if last.sequence() >= self.position {
                    break;
                }
            }
        }
        Ok(())
    }
}

impl LogSource {
    /// `None` for what is no event, or another user's: it says nothing of this person.
    fn open(&self, recorded: &RecordedEvent) -> Result<Option<SourceEvent>, ExportError> {
        let Ok(envelope) = Envelope::read(recorded.bytes()) else { return Ok(None) };
        let head = envelope.head.clone();
        if !recorded.is_filed_under(&head.user) {
            return Ok(None);
        }
        let content = match head.key_id {
            None => Event::read_clear(&envelope)
                .map_or(Content::Unopened("it can't be read"), |event| Content::Opened(Box::new(event))),
            Some(key_id) => match self.runtime.block_on(self.keys.get(&head.user, key_id)) {
                Ok(Some(key)) => Event::open(envelope, &key)
                    .map_or(Content::Unopened("it does not open"), |event| Content::Opened(Box::new(event))),
                Ok(None) => Content::Unopened("its key is missing"),
                Err(KeyError::Erased) => Content::Unopened("its key was destroyed"),
                Err(KeyError::Unwrap(_)) => Content::Unopened("its key can't be used"),
                Err(error @ KeyError::Unavailable) => return Err(ExportError::Source(error.to_string())),
            },
        };
        let sequence = recorded.sequence();
        Ok(Some(SourceEvent { head, sequence, content, left_out: self.left_out.contains(&sequence) }))
    }
}
