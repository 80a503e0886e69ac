//! Source of an export's events.

use events::{Event, EventHeader};
use keys::UserRef;
use schemas::Sequence;

use crate::error::ArchiveError;

/// Content of an event, as far as it can be read.
pub enum SourceEventContent {
    /// Decrypted.
    Opened(EventHeader, Box<Event>),
    /// Its key was destroyed, as an erasure demands.
    KeyDestroyed(EventHeader),
    /// Unreadable, for this reason. Without a header its clear part is unreadable too, or belongs to another user.
    Unreadable(Option<EventHeader>, &'static str),
}

/// Event of the exported user.
pub struct SourceEvent {
    /// Pseudonym under which the log files it.
    pub user: UserRef,
    /// Its position in the log.
    pub sequence: Sequence,
    /// Its content.
    pub content: SourceEventContent,
    /// An operator discarded it from every view.
    pub is_discarded: bool,
}

/// Source of the events.
pub trait EventSource {
    /// Gives every event up to the export's position, in the log's order; the same ones every time.
    fn for_each(
        &mut self,
        visit: &mut dyn FnMut(SourceEvent) -> Result<(), ArchiveError>,
    ) -> Result<(), ArchiveError>;
}
