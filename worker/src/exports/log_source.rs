//! The events of a person, opened: their own, and those that providers delivered about them.

use std::collections::BTreeSet;

use events::{Event, EventCategory, Log, RecordedEvent};
use export_archive::{ArchiveError, EventSource, SourceEvent, SourceEventContent};
use keys::{KeyClient, KeyError, Pseudonymizer, UserRef};
use schemas::Sequence;
use tokio::runtime::Handle;

/// Reads the log, for a thread that may block.
pub struct LogSource {
    pub(super) log: Log,
    pub(super) keys: KeyClient,
    pub(super) pseudonyms: Pseudonymizer,
    pub(super) runtime: Handle,
    /// The person, then the pseudonyms under which providers' deliveries about them are filed.
    pub(super) users: Vec<UserRef>,
    /// Nothing behind this position is read.
    pub(super) position: Sequence,
    /// Events that operators had left out.
    pub(super) discarded: BTreeSet<Sequence>,
}

impl LogSource {
    /// A person's own events up to a position, none of them left out.
    pub fn new(
        log: Log,
        keys: KeyClient,
        pseudonyms: Pseudonymizer,
        runtime: Handle,
        user: UserRef,
        position: Sequence,
    ) -> Self {
        Self { log, keys, pseudonyms, runtime, users: vec![user], position, discarded: BTreeSet::new() }
    }

    /// The last that is read.
    pub fn position(&self) -> Sequence {
        self.position
    }
}

impl EventSource for LogSource {
    /// The person's own events in order, then each provider's.
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(SourceEvent) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError> {
        let away = |error: events::LogError| ArchiveError::Source(error.to_string());
        for user in &self.users {
            let mut pages = self.log.user_pages(*user, Sequence::FIRST, Some(self.position));
            while let Some(events) = self.runtime.block_on(pages.next()).map_err(away)? {
                for recorded in &events {
                    let (sequence, content) = (recorded.sequence(), self.decrypt(*user, recorded)?);
                    let left_out = self.discarded.contains(&sequence);
                    visit(SourceEvent { user: *user, sequence, content, is_discarded: left_out })?;
                }
            }
        }
        Ok(())
    }
}

impl LogSource {
    /// What the view has wait can't be read here either.
    fn decrypt(&self, user: UserRef, recorded: &RecordedEvent) -> Result<SourceEventContent, ArchiveError> {
        let Ok(envelope) = recorded.envelope() else {
            return Ok(SourceEventContent::Unreadable(None, "it is no event"));
        };
        let head = envelope.header;
        if head.user != user {
            // Nothing of it is this person's to see.
            return Ok(SourceEventContent::Unreadable(None, "it is another user's"));
        }
        let Some(key_id) = head.key_id else {
            let read = if head.kind.category() == EventCategory::Account {
                Event::verify_erasure(&envelope, &self.pseudonyms).map(Event::Account)
            } else {
                Event::read_plaintext(&envelope)
            };
            return Ok(match read {
                Ok(event) => SourceEventContent::Opened(head, Box::new(event)),
                Err(_) => SourceEventContent::Unreadable(Some(head), "it can't be read"),
            });
        };
        let why = match self.runtime.block_on(self.keys.get(&head.user, key_id)) {
            Ok(Some(key)) => match Event::open(envelope, &key) {
                Ok(event) => return Ok(SourceEventContent::Opened(head, Box::new(event))),
                Err(_) => "it does not open",
            },
            Ok(None) => "its key is missing",
            Err(KeyError::Erased) => return Ok(SourceEventContent::KeyDestroyed(head)),
            Err(KeyError::Unwrap(_)) => "its key can't be used",
            Err(error @ KeyError::Unavailable) => return Err(ArchiveError::Source(error.to_string())),
        };
        Ok(SourceEventContent::Unreadable(Some(head), why))
    }
}
