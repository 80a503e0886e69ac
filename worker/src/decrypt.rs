//! Opening single events of a user, where it matters what they say and not how they are folded.

use events::{Event, EventKind, RecordedEvent};
use keys::{KeyClient, KeyError};

/// The keys can't be reached. Try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the keys can't be reached")]
pub(crate) struct KeysUnavailable;

/// An event of one of these kinds, opened; `None` for any other. What can't be opened says nothing.
pub(crate) async fn decrypt_if_kind(
    kinds: &[EventKind],
    recorded: &RecordedEvent,
    keys: &KeyClient,
) -> Result<Option<Event>, KeysUnavailable> {
    let Ok(envelope) = recorded.envelope() else { return Ok(None) };
    let is_wanted = kinds.contains(&envelope.header.kind);
    let Some(key_id) = envelope.header.key_id.filter(|_| is_wanted) else { return Ok(None) };
    match keys.get(&envelope.header.user, key_id).await {
        Ok(Some(key)) => Ok(Event::open(envelope, &key).ok()),
        Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => Ok(None),
        Err(KeyError::Unavailable) => Err(KeysUnavailable),
    }
}
