//! From an event as recorded to what can be folded.

use events::{Event, EventCategory, EventHeader, OperatorEvent, RecordedEvent};
use keys::{KeyClient, KeyError, Pseudonymizer, UserRef};
use schemas::{DeviceReport, Sequence, Summary};

use crate::decrypted_event::{DecryptedEvent, FoldableEvent};
use crate::parked_event::ParkedEvent;
use crate::view::DiscardedEvent;
use crate::view_entry::EntryPayload;

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
        let header = envelope.header;
        if !event.has_user(&header.user) {
            return Err(ParkedEvent::misfiled(event, &header).into());
        }
        if header.kind.category() == EventCategory::Account {
            let erasure = Event::verify_erasure(&envelope, &self.pseudonyms);
            let erasure = erasure.map_err(|error| ParkedEvent::undecryptable(event, error))?;
            return Ok((header.user != UserRef::SYSTEM).then_some(FoldableEvent::Erasure(header, erasure)));
        }
        let Some(key_id) = header.key_id else {
            let content =
                Event::read_plaintext(&envelope).map_err(|error| ParkedEvent::undecryptable(event, error))?;
            return Ok(from_unencrypted(content, &header, sequence));
        };
        let key = match self.keys.get(&header.user, key_id).await {
            Ok(Some(key)) => key,
            Ok(None) => return Err(ParkedEvent::key_missing(event, key_id).into()),
            Err(KeyError::Erased) => return Ok(None),
            Err(KeyError::Unavailable) => return Err(DecryptError::Unavailable),
            Err(KeyError::Unwrap(error)) => return Err(ParkedEvent::key_damaged(event, error).into()),
        };
        let content =
            Event::open(envelope, &key).map_err(|error| ParkedEvent::undecryptable(event, error))?;
        let Some(payload) = entry_payload(content, event)? else { return Ok(None) };
        Ok(Some(FoldableEvent::Entry(DecryptedEvent {
            header,
            sequence,
            stored_at: event.stored_at(),
            outcome_to: event.outcome_to(),
            data_key: key,
            payload,
        })))
    }
}

/// The part of a sealed event that is folded into an entry. `None` for a delivery, which the worker reads.
fn entry_payload(event: Event, recorded: &RecordedEvent) -> Result<Option<EntryPayload>, ParkedEvent> {
    Ok(Some(match event {
        Event::Summary(request) => {
            let summary = Summary::parse_accepted(request.body.as_bytes());
            EntryPayload::Row(summary.map_err(|_| ParkedEvent::unreadable_summary(recorded))?)
        }
        Event::DeviceReport(request) => {
            let report = DeviceReport::parse_accepted(&request.body);
            let report = report.ok_or_else(|| ParkedEvent::unreadable_report(recorded))?;
            EntryPayload::DeviceReport((request.signing_key_id.holder(), report))
        }
        Event::Device(event) => EntryPayload::Device(event),
        Event::Connection(event) => EntryPayload::Connection(event),
        Event::Export(event) => EntryPayload::Export(event),
        Event::Webhook(_) | Event::Account(_) | Event::BreakGlass(_) | Event::Operator(_) => {
            return Ok(None);
        }
    }))
}

/// What a plaintext event changes in the view. Only the projector can append under the system user, so only such events
/// change anything.
fn from_unencrypted(event: Event, header: &EventHeader, by: Sequence) -> Option<FoldableEvent> {
    let Event::Operator(event) = event else { return None };
    if header.user != UserRef::SYSTEM {
        return None;
    }
    match event {
        OperatorEvent::RetentionApplied(applied) => Some(FoldableEvent::Retention(applied.before_year)),
        OperatorEvent::EventDiscarded(event) if event.sequence < by => {
            Some(FoldableEvent::Discard(DiscardedEvent {
                sequence: event.sequence,
                user: event.user_ref.parse().ok()?,
                discarded_by: by,
            }))
        }
        OperatorEvent::EventDiscarded(_) | OperatorEvent::AccessRecorded(_) => None,
    }
}
