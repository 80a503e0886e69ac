//! Opening single events of a user, where it matters what they say and not how they are folded.

use events::{ConnectionActivated, Envelope, Event, EventKind, RecordedEvent};
use keys::{KeyClient, KeyError, UserRef};

/// The keys can't be reached. Try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys can't be reached")]
pub(crate) struct KeysAway;

/// An event of one of these kinds, opened; `None` for any other. What can't be opened says nothing.
pub(crate) async fn open_one_of(
    kinds: &[EventKind],
    recorded: &RecordedEvent,
    keys: &KeyClient,
) -> Result<Option<Event>, KeysAway> {
    let Ok(envelope) = Envelope::read(recorded.bytes()) else { return Ok(None) };
    let is_wanted = kinds.contains(&envelope.head.kind);
    let Some(key_id) = envelope.head.key_id.filter(|_| is_wanted) else { return Ok(None) };
    match keys.get(&envelope.head.user, key_id).await {
        Ok(Some(key)) => Ok(Event::open(envelope, &key).ok()),
        Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => Ok(None),
        Err(KeyError::Unavailable) => Err(KeysAway),
    }
}

/// The pseudonym under which a provider's deliveries about the user are filed, as the provider named the user then.
pub(crate) fn provider_user(activated: &ConnectionActivated) -> Option<UserRef> {
    activated.provider_user_ref.as_ref()?.parse().ok()
}
