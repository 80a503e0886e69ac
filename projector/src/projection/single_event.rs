//! Events that are folded by themselves.

use events::{EventCategory, RecordedEvent};
use keys::Year;

use super::prepare::PreparedEvent;
use crate::decrypted_event::FoldableEvent;
use crate::view::DiscardedEvent;

/// Event that is folded by itself, after everything before it was written: it changes more than one entry.
pub(super) enum SingleEvent {
    Discard(DiscardedEvent),
    Erasure,
    Retention(Year),
}

/// The next event that is folded by itself, and where it stands.
pub(super) fn next_single_event(events: &[PreparedEvent]) -> Option<(usize, SingleEvent)> {
    events.iter().enumerate().find_map(|(at, event)| match event.decrypted.as_deref() {
        Some(Ok(Some(FoldableEvent::Discard(discarded)))) => Some((at, SingleEvent::Discard(*discarded))),
        Some(Ok(Some(FoldableEvent::Erasure(..)))) => Some((at, SingleEvent::Erasure)),
        Some(Ok(Some(FoldableEvent::Retention(before)))) => Some((at, SingleEvent::Retention(*before))),
        // An account can end while its events wait, and what waits is not opened.
        None if is_erasure_event(&event.event) => Some((at, SingleEvent::Erasure)),
        Some(_) | None => None,
    })
}

/// Reads from the header whether an event that was not decrypted is a step of an erasure.
fn is_erasure_event(event: &RecordedEvent) -> bool {
    event.header().is_ok_and(|header| header.kind.category() == EventCategory::Account)
}
