//! What other systems are told of a fold ([`crate::change_publisher`]).

use events::ChangeNotification;
use schemas::Outcome;

use super::Projection;
use super::fold_error::FoldError;
use crate::decrypted_event::DecryptedEvent;

/// What is told of an event that did this, where anything is.
pub(super) fn published_change(event: &DecryptedEvent, outcome: Outcome) -> Option<ChangeNotification> {
    let has_changed = match outcome {
        Outcome::Created | Outcome::Merged => true,
        Outcome::Unchanged => false,
    };
    let (kind, subject) = event.payload.change_subject().filter(|_| has_changed)?;
    let change =
        ChangeNotification::new(kind, event.header.user, event.header.id, event.sequence, event.header.time);
    Some(change.with_target(&subject, &event.data_key))
}

impl Projection {
    /// Tells, and returns when that is on stable storage. Before what is told is written: whoever is killed in between
    /// tells it again, under the same names.
    pub(crate) fn publish_changes(&self, changes: &[ChangeNotification]) -> Result<(), FoldError> {
        match &self.change_publisher {
            Some(feed) if !changes.is_empty() => {
                self.runtime.block_on(feed.publish(changes)).map_err(|_| FoldError::Unavailable)
            }
            Some(_) | None => Ok(()),
        }
    }
}
