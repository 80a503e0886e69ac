//! From an event as recorded to what can be folded.

use std::sync::Arc;

use events::{Envelope, Event, Head, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use schemas::{Sequence, Summary};
use vault::{DataKey, DeviceId, KeyClient, KeyError};

use crate::device::DeviceChange;
use crate::incident::Incident;
use crate::row::Origin;

/// An event whose content is known, of a kind that is folded.
pub(crate) enum Opened {
    Summary(OpenedEvent),
    Device(OpenedDevice),
}

/// An event whose summary is known.
pub(crate) struct OpenedEvent {
    pub(crate) head: Head,
    pub(crate) origin: Origin,
    pub(crate) summary: Summary,
    pub(crate) stored_at: Timestamp,
    pub(crate) outcome_to: Option<OutcomeAddress>,
    pub(crate) key: Arc<DataKey>,
}

/// An event about a device.
pub(crate) struct OpenedDevice {
    pub(crate) head: Head,
    pub(crate) sequence: Sequence,
    pub(crate) device: DeviceId,
    pub(crate) change: DeviceChange,
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

/// Opens one event. `None` for one that there is nothing to fold of: an event of an erased user, which nobody can open
/// and that is as it should be, or one that is about no data of the user.
pub(crate) async fn open(event: &RecordedEvent, keys: &KeyClient) -> Result<Option<Opened>, OpenFailure> {
    let sequence = event.sequence();
    let envelope = Envelope::read(event.bytes()).map_err(|error| Incident::Malformed(sequence, error))?;
    let head = envelope.head.clone();
    if !event.is_filed_under(&head.user) {
        return Err(Incident::Misfiled(sequence).into());
    }
    let Some(key_id) = head.key_id else {
        Event::read_clear(&envelope).map_err(|error| Incident::Sealed(sequence, error))?;
        return Ok(None);
    };
    let key = match keys.get(&head.user, key_id).await {
        Ok(Some(key)) => key,
        Ok(None) => return Err(Incident::KeyMissing { sequence, user: head.user, key: key_id }.into()),
        Err(KeyError::Erased) => return Ok(None),
        Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
        Err(KeyError::Unwrap(error)) => return Err(Incident::KeyDamaged(head.user, error).into()),
    };
    let content = Event::open(envelope, &key).map_err(|error| Incident::Sealed(sequence, error))?;
    let (stored_at, outcome_to) = (event.stored_at(), event.outcome_to());
    let (device, change) = match content {
        Event::SummaryReceived(received) => {
            let summary =
                Summary::read_accepted(received.body.as_bytes()).map_err(|_| Incident::Summary(sequence))?;
            let origin = Origin { generated_at: summary.generated_at, sequence, event_id: head.id };
            return Ok(Some(Opened::Summary(OpenedEvent {
                head,
                origin,
                summary,
                stored_at,
                outcome_to,
                key,
            })));
        }
        Event::DeviceEnrolled(enrolled) => (enrolled.device, DeviceChange::Enrolled(enrolled.key_id)),
        Event::DeviceRevoked(revoked) => (revoked.device, DeviceChange::Revoked),
        Event::BreakGlass(_) => unreachable!("BUG: a step of breaking the glass is not sealed"),
    };
    Ok(Some(Opened::Device(OpenedDevice { head, sequence, device, change, stored_at, outcome_to, key })))
}
