//! What other systems are told of a fold ([`crate::feed`]).

use events::Change;
use schemas::Outcome;

use super::{FoldFailure, Folder};
use crate::entry::Entry;
use crate::open::OpenedEvent;

/// What is told of an event that did this, where anything is.
pub(super) fn change<E: Entry>(event: &OpenedEvent<E::Said>, outcome: Outcome) -> Option<Change> {
    let has_changed = match outcome {
        Outcome::Created | Outcome::Merged => true,
        Outcome::Unchanged => false,
    };
    let (kind, subject) = E::change(&event.said).filter(|_| has_changed)?;
    let change = Change::new(kind, event.head.user, event.head.id, event.sequence, event.head.time);
    Some(change.about(&subject, &event.key))
}

impl Folder {
    /// Tells, and returns when that is on stable storage. Before what is told is written: whoever is killed in between
    /// tells it again, under the same names.
    pub(crate) fn publish(&self, changes: &[Change]) -> Result<(), FoldFailure> {
        match &self.feed {
            Some(feed) if !changes.is_empty() => {
                self.runtime.block_on(feed.tell(changes)).map_err(|_| FoldFailure::Unavailable)
            }
            Some(_) | None => Ok(()),
        }
    }
}
