//! An event that says that another one is left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use keys::UserRef;

use super::Projection;
use super::fold_error::FoldError;
use super::repair_user::RepairResult;
use crate::view::{DiscardedEvent, Tip, View, ViewChanges};

impl Projection {
    /// The user is folded anew without it, in the same write.
    pub(super) fn fold_discard(
        &self,
        view: &View,
        tip: Tip,
        stored_at: Timestamp,
        discarded: DiscardedEvent,
    ) -> Result<(), FoldError> {
        let mut tree = view.tree();
        tree.push(tip.leaf);
        let event = self.runtime.block_on(self.log.get(discarded.sequence));
        let event = event.map_err(|_| FoldError::Unavailable)?;
        if event.map(|event| event.user().unwrap_or(UserRef::SYSTEM)) != Some(discarded.user) {
            // Only the projector can append such an event, and it names the user under whose subject the other stands.
            tracing::error!(
                sequence = discarded.discarded_by.get(),
                "INCIDENT: an event that leaves another one out names another user than that one's; it is passed over"
            );
            return Ok(view.apply(ViewChanges::default(), Some((tip, tree)))?);
        }
        let left_out = view.discarded_events().into_iter().map(|discarded| discarded.sequence);
        let left_out: BTreeSet<_> = left_out.chain([discarded.sequence]).collect();
        let repaired = self.repair(view, discarded.user, None, tip.sequence, &left_out);
        let RepairResult { mut changes, to_publish: told } = match repaired {
            Ok(repaired) => repaired,
            // Nothing of the user waited here, and an earlier event can't be folded now: that waits from here on.
            Err(FoldError::NewlyParked(poison)) => {
                self.check_park_policy(&poison)?;
                let mut changes = ViewChanges::default();
                changes.park(poison);
                RepairResult { changes, to_publish: Vec::new() }
            }
            Err(failure) => return Err(failure),
        };
        changes.discard(discarded);
        // A log that is folded once more tells no old discards again.
        let feed_since = self.change_publisher.as_ref().and_then(|feed| feed.publish_since());
        if feed_since.is_some_and(|since| stored_at >= since) {
            self.publish_changes(&told)?;
        }
        Ok(view.apply(changes, Some((tip, tree)))?)
    }
}
