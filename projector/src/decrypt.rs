//! From an event as recorded to what can be folded.

use aggregates::{AggregateChange, ReadChangeError};
use events::{Event, EventDiscarded, EventKind, OpenEventError, RecordedEvent};
use keys::{KeyClient, KeyError, Pseudonymizer, UserRef};
use schemas::Sequence;

use crate::decrypted_event::{DecryptedEvent, FoldableEvent};
use crate::parked_event::ParkedEvent;
use crate::view::DiscardedEvent;

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
        let envelope = event.envelope().map_err(|error| ParkedEvent::malformed(event, error))?;
        let head = envelope.header;
        if !event.has_user(&head.user) {
            return Err(ParkedEvent::misfiled(event, &head).into());
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
