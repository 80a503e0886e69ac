//! From an event as recorded to what can be folded.

use std::sync::Arc;

use events::{Envelope, Event, EventDiscarded, Head, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use schemas::{Sequence, Summary};
use vault::{DataKey, DeviceId, KeyClient, KeyError, UserRef};

use crate::device::DeviceChange;
use crate::poison::Poison;
use crate::row::Origin;
use crate::view::Discarded;

/// An event whose content is known, of a kind that is folded.
pub(crate) enum Opened {
    Summary(OpenedEvent),
    Device(OpenedDevice),
    Discard(Discarded),
}

impl Opened {
    /// Whose state it changes.
    pub(crate) fn user(&self) -> UserRef {
        match self {
            Self::Summary(event) => event.head.user,
            Self::Device(event) => event.head.user,
            Self::Discard(discarded) => discarded.user,
        }
    }
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
    /// Something is wrong with the event that trying again does not mend.
    #[error(transparent)]
    Poison(#[from] Poison),
}

/// Opens one event. `None` for one that there is nothing to fold of: an event of an erased user, which nobody can open
/// and that is as it should be, or one that is about no data of the user.
pub(crate) async fn open(event: &RecordedEvent, keys: &KeyClient) -> Result<Option<Opened>, OpenFailure> {
    let sequence = event.sequence();
    let envelope = Envelope::read(event.bytes()).map_err(|error| Poison::malformed(event, error))?;
    let head = envelope.head.clone();
    if !event.is_filed_under(&head.user) {
        return Err(Poison::misfiled(event, &envelope).into());
    }
    let Some(key_id) = head.key_id else {
        let content = Event::read_clear(&envelope).map_err(|error| Poison::sealed(event, error))?;
        return Ok(discard(&content, head.user, sequence).map(Opened::Discard));
    };
    let key = match keys.get(&head.user, key_id).await {
        Ok(Some(key)) => key,
        Ok(None) => return Err(Poison::key_missing(event, key_id).into()),
        Err(KeyError::Erased) => return Ok(None),
        Err(KeyError::Unavailable) => return Err(OpenFailure::Unavailable),
        Err(KeyError::Unwrap(error)) => return Err(Poison::key_damaged(event, error).into()),
    };
    let content = Event::open(envelope, &key).map_err(|error| Poison::sealed(event, error))?;
    let (stored_at, outcome_to) = (event.stored_at(), event.outcome_to());
    let (device, change) = match content {
        Event::SummaryReceived(received) => {
            let summary =
                Summary::read_accepted(received.body.as_bytes()).map_err(|_| Poison::summary(event))?;
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
        Event::DeviceReported(_)
        | Event::ConnectionRequested(_)
        | Event::ConnectionAuthorized(_)
        | Event::ConnectionReauthRequested(_)
        | Event::ConnectionRevocationRequested(_)
        | Event::ConnectionActivated(_)
        | Event::ConnectionReauthNeeded(_)
        | Event::ConnectionRevoked(_)
        | Event::WebhookReceived(_) => return Ok(None),
        Event::BreakGlass(_) | Event::AccessRecorded(_) | Event::EventDiscarded(_) => {
            unreachable!("BUG: an event in clear is not sealed")
        }
    };
    Ok(Some(Opened::Device(OpenedDevice { head, sequence, device, change, stored_at, outcome_to, key })))
}

/// What an event in clear asks of the view. Only what stands under the user ref of zeros may ask for anything: nobody
/// but the projector can append there.
fn discard(content: &Event, filed_under: UserRef, by: Sequence) -> Option<Discarded> {
    match content {
        Event::EventDiscarded(EventDiscarded { sequence, user_ref, .. })
            if filed_under == UserRef::NOBODY && *sequence < by =>
        {
            Some(Discarded { sequence: *sequence, user: user_ref.parse().ok()?, by })
        }
        Event::EventDiscarded(_)
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
