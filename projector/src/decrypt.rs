//! From an event as recorded to what can be folded.

use std::sync::Arc;

use aggregates::export::ExportChange;
use aggregates::{AggregateChange, ReadChangeError};
use events::{
    Envelope, ErasureEvent, Event, EventDiscarded, EventHeader, EventKind, OpenEventError, OutcomeAddress,
    RecordedEvent,
};
use jiff::Timestamp;
use keys::{
    ConnectionId, DataKey, DeviceId, ExportId, KeyClient, KeyError, KeyHolder, Pseudonymizer, UserRef, Year,
};
use schemas::{DeviceReport, Sequence, Summary};

use crate::parked_event::ParkedEvent;
use crate::view::DiscardedEvent;
use crate::view_entry::connection::ConnectionChange;
use crate::view_entry::device::DeviceChange;
use crate::view_entry::row::ValueOrigin;

/// An event whose content is known, of a kind that is folded.
pub(crate) enum FoldableEvent {
    Summary(DecryptedEvent<Summary>),
    Device(DecryptedEvent<(DeviceId, DeviceChange)>),
    Connection(DecryptedEvent<(ConnectionId, ConnectionChange)>),
    Report(DecryptedEvent<(KeyHolder, DeviceReport)>),
    Export(DecryptedEvent<(ExportId, ExportChange)>),
    Discard(DiscardedEvent),
    /// A step of an account's end, by somebody who may say so.
    Erasure(EventHeader, ErasureEvent),
    /// Everything of the years before this one is destroyed.
    Retention(Year),
}

impl FoldableEvent {
    /// Whose state it changes.
    pub(crate) fn user(&self) -> UserRef {
        match self {
            Self::Summary(event) => event.head.user,
            Self::Device(event) => event.head.user,
            Self::Connection(event) => event.head.user,
            Self::Report(event) => event.head.user,
            Self::Export(event) => event.head.user,
            Self::Discard(discarded) => discarded.user,
            Self::Erasure(head, _) => head.user,
            Self::Retention(_) => UserRef::SYSTEM,
        }
    }

    /// The summary, where it is one.
    pub(crate) fn into_summary(self) -> Option<DecryptedEvent<Summary>> {
        match self {
            Self::Summary(event) => Some(event),
            Self::Device(_)
            | Self::Connection(_)
            | Self::Report(_)
            | Self::Export(_)
            | Self::Discard(_)
            | Self::Erasure(..)
            | Self::Retention(_) => None,
        }
    }
}

/// An event, and what it says.
pub(crate) struct DecryptedEvent<S> {
    pub(crate) head: EventHeader,
    pub(crate) sequence: Sequence,
    pub(crate) payload: S,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    /// What it is sealed under, and what the entry that it is folded into will be.
    pub(crate) data_key: Arc<DataKey>,
}

impl DecryptedEvent<Summary> {
    /// What the row's values remember of it.
    pub(crate) fn origin(&self) -> ValueOrigin {
        let generated_at = self.payload.generated_at;
        ValueOrigin { generated_at, sequence: self.sequence, event_id: self.head.id }
    }
}

impl DecryptedEvent<()> {
    fn with_payload<S>(self, said: S) -> DecryptedEvent<S> {
        let Self { head, sequence, payload: (), stored_at, outcome_to, data_key: key } = self;
        DecryptedEvent { head, sequence, payload: said, stored_at, outcome_to, data_key: key }
    }
}

/// Why an event was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DecryptError {
    /// The keys can't be reached. Try again.
    #[error("the keys can't be reached")]
    Unavailable,
    /// Something is wrong with the event that trying again does not mend.
    #[error(transparent)]
    Poison(#[from] ParkedEvent),
}

/// Opens events, and judges what vouches for those in clear.
#[derive(Clone)]
pub(crate) struct EventDecryptor {
    pub(crate) keys: KeyClient,
    pub(crate) pseudonyms: Pseudonymizer,
}

impl EventDecryptor {
    /// Opens one event. `None` for one that there is nothing to fold of: an event of an erased user, which nobody can open
    /// and that is as it should be, or one that is about no data of the user.
    pub(crate) async fn decrypt(&self, event: &RecordedEvent) -> Result<Option<FoldableEvent>, DecryptError> {
        let sequence = event.sequence();
        let envelope =
            Envelope::parse(event.bytes()).map_err(|error| ParkedEvent::malformed(event, error))?;
        let head = envelope.header.clone();
        if !event.has_user(&head.user) {
            return Err(ParkedEvent::misfiled(event, &envelope).into());
        }
        if EventKind::ERASURES.contains(&head.kind) {
            let said = Event::verify_erasure(&envelope, &self.pseudonyms);
            let said = said.map_err(|error| ParkedEvent::undecryptable(event, error))?;
            return Ok((head.user != UserRef::SYSTEM).then_some(FoldableEvent::Erasure(head, said)));
        }
        let Some(key_id) = head.key_id else {
            let content =
                Event::read_plaintext(&envelope).map_err(|error| ParkedEvent::undecryptable(event, error))?;
            return Ok(from_unencrypted(&content, head.user, sequence));
        };
        let key = match self.keys.get(&head.user, key_id).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(ParkedEvent::key_missing(event, key_id).into()),
            Err(KeyError::Erased) => return Ok(None),
            Err(KeyError::Unavailable) => return Err(DecryptError::Unavailable),
            Err(KeyError::Unwrap(error)) => return Err(ParkedEvent::key_damaged(event, error).into()),
        };
        let content =
            Event::open(envelope, &key).map_err(|error| ParkedEvent::undecryptable(event, error))?;
        let (stored_at, outcome_to) = (event.stored_at(), event.outcome_to());
        Ok(from_decrypted(
            DecryptedEvent { head, sequence, payload: (), stored_at, outcome_to, data_key: key },
            content,
            event,
        )?)
    }
}

/// What a sealed content says.
fn from_decrypted(
    opened: DecryptedEvent<()>,
    content: Event,
    event: &RecordedEvent,
) -> Result<Option<FoldableEvent>, ParkedEvent> {
    let said = AggregateChange::from_event(content).map_err(|unreadable| match unreadable {
        ReadChangeError::Summary => ParkedEvent::unreadable_summary(event),
        ReadChangeError::Report => ParkedEvent::unreadable_report(event),
        ReadChangeError::Content => {
            ParkedEvent::undecryptable(event, OpenEventError::Content(opened.head.id))
        }
    })?;
    Ok(Some(match said {
        AggregateChange::Summary(summary) => FoldableEvent::Summary(opened.with_payload(summary)),
        AggregateChange::Device(id, change) => FoldableEvent::Device(opened.with_payload((id, change))),
        AggregateChange::Report(holder, report) => {
            FoldableEvent::Report(opened.with_payload((holder, report)))
        }
        AggregateChange::Connection(id, change) => {
            FoldableEvent::Connection(opened.with_payload((id, change)))
        }
        AggregateChange::Export(id, change) => FoldableEvent::Export(opened.with_payload((id, change))),
        AggregateChange::NoChange => return Ok(None),
    }))
}

/// What an event in clear asks of the view. Only what stands under the user ref of zeros may ask for anything, since
/// nobody but the projector can append there.
fn from_unencrypted(content: &Event, user_from_subject: UserRef, by: Sequence) -> Option<FoldableEvent> {
    match content {
        Event::RetentionApplied(applied) if user_from_subject == UserRef::SYSTEM => {
            Some(FoldableEvent::Retention(applied.before_year))
        }
        Event::EventDiscarded(EventDiscarded { sequence, user_ref, .. })
            if user_from_subject == UserRef::SYSTEM && *sequence < by =>
        {
            Some(FoldableEvent::Discard(DiscardedEvent {
                sequence: *sequence,
                user: user_ref.parse().ok()?,
                discarded_by: by,
            }))
        }
        Event::EventDiscarded(_)
        | Event::RetentionApplied(_)
        | Event::Erasure(_)
        | Event::ExportRequested(_)
        | Event::ExportReady(_)
        | Event::ExportFailed(_)
        | Event::BreakGlass(_)
        | Event::AccessRecorded(_)
        | Event::SummaryReceived(_)
        | Event::DeviceEnrolled(_)
        | Event::DeviceRevoked(_)
        | Event::DeviceReported(_)
        | Event::ConnectionRequested(_)
        | Event::ConnectionAuthorized(_)
        | Event::ConnectionReauthRequested(_)
        | Event::ConnectionRevocationRequested(_)
        | Event::ConnectionActivated(_)
        | Event::ConnectionReauthNeeded(_)
        | Event::ConnectionRevoked(_)
        | Event::WebhookReceived(_) => None,
    }
}
