//! From an event as recorded to a summary that can be folded.

use std::sync::Arc;

use events::{Envelope, Event, Head, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use schemas::Summary;
use vault::{DataKey, KeyClient, KeyError};

use crate::incident::Incident;
use crate::row::Origin;

/// An event whose summary is known.
pub(crate) struct OpenedEvent {
    pub(crate) head: Head,
    pub(crate) origin: Origin,
    pub(crate) summary: Summary,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    pub(crate) key: Arc<DataKey>,
}

/// Why an event was not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenFailure {
    /// The keys can't be reached. Try again.
    #[error("the keys can't be reached")]
    Unavailable,
    /// Something is wrong that trying again does not mend.
    #[error(transparent)]
    Incident(#[from] Incident),
}

/// Opens one event. `None` for an event of an erased user: nobody can, and that is as it should be.
pub(crate) async fn open(
    event: &RecordedEvent,
    keys: &KeyClient,
) -> Result<Option<OpenedEvent>, OpenFailure> {
    let sequence = event.sequence();
    let envelope = Envelope::read(event.bytes()).map_err(|error| Incident::Malformed(sequence, error))?;
    let head = envelope.head.clone();
    if !event.is_filed_under(&head.user) {
        return Err(Incident::Misfiled(sequence).into());
    }
    let key = match keys.get(&head.user, head.key_id).await {
        Ok(Some(key)) => key,
        Ok(None) => return Err(Incident::KeyMissing { sequence, user: head.user, key: head.key_id }.into()),
        Err(KeyError::Erased) => return Ok(None),
        Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
        Err(KeyError::Unwrap(error)) => return Err(Incident::KeyDamaged(head.user, error).into()),
    };
    let Event::SummaryReceived(received) =
        Event::open(envelope, &key).map_err(|error| Incident::Sealed(sequence, error))?;
    let summary =
        Summary::read_accepted(received.body.as_bytes()).map_err(|_| Incident::Summary(sequence))?;
    let origin = Origin { generated_at: summary.generated_at, sequence, event_id: head.id };
    let (stored_at, outcome_to) = (event.stored_at(), event.outcome_to());
    Ok(Some(OpenedEvent { head, origin, summary, stored_at, outcome_to, key }))
}
