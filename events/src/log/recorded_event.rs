//! One event of the log.

use std::sync::OnceLock;

use jetstream::StoredMessage;
use jiff::Timestamp;
use keys::UserRef;
use schemas::Sequence;

use super::OUTCOME_TO_HEADER;
use crate::envelope::{Envelope, EventHeader, MalformedEvent, ParsedHeader};
use crate::outcome::OutcomeAddress;
use crate::subject::user_from_subject;

/// An event as the log stores it. The subject is parsed on reading; the header once, on first use.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    message: StoredMessage,
    user: Option<UserRef>,
    /// Lazy: the notary, backups and mirrors never read the header.
    header: OnceLock<Result<ParsedHeader, MalformedEvent>>,
}

impl From<StoredMessage> for RecordedEvent {
    fn from(message: StoredMessage) -> Self {
        Self { user: user_from_subject(&message.subject), message, header: OnceLock::new() }
    }
}

impl RecordedEvent {
    /// Its position.
    pub fn sequence(&self) -> Sequence {
        Sequence::new(self.message.sequence).unwrap_or_else(|| unreachable!("BUG: streams count from 1"))
    }

    /// When the log stored it.
    pub fn stored_at(&self) -> Timestamp {
        self.message.stored_at
    }

    /// The stored bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.message.payload
    }

    /// The user whose subject it is stored under; `None` if the subject is not a user's.
    pub fn user(&self) -> Option<UserRef> {
        self.user
    }

    /// Whether it is stored under this user's subject.
    pub fn has_user(&self, user: &UserRef) -> bool {
        self.user == Some(*user)
    }

    /// The header.
    pub fn header(&self) -> Result<EventHeader, MalformedEvent> {
        Ok(self.parsed_header()?.header)
    }

    /// The event, its content not decrypted.
    pub fn envelope(&self) -> Result<Envelope<'_>, MalformedEvent> {
        Envelope::with_header(self.bytes(), self.parsed_header()?)
    }

    fn parsed_header(&self) -> Result<ParsedHeader, MalformedEvent> {
        *self.header.get_or_init(|| ParsedHeader::parse(self.bytes()))
    }

    /// Where it stands in the stream.
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// Who waits for its outcome.
    pub fn outcome_to(&self) -> Option<OutcomeAddress> {
        self.message.header(OUTCOME_TO_HEADER)?.parse().ok()
    }
}
