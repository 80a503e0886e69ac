//! An event that says that another one is left out.

use std::collections::BTreeSet;

use jiff::Timestamp;
use keys::UserRef;

use super::repair::Repaired;
use super::{FoldFailure, Folder};
use crate::view::{Changes, Discarded, Tip, View};

impl Folder {
    /// The user is folded anew without it, in the same write.
    pub(super) fn discard(
        &self,
        view: &View,
        tip: Tip,
        stored_at: Timestamp,
        discarded: Discarded,
    ) -> Result<(), FoldFailure> {
        let mut tree = view.tree();
        tree.push(tip.leaf);
        let event = self.runtime.block_on(self.log.get(discarded.sequence));
        let event = event.map_err(|_| FoldFailure::Unavailable)?;
        if event.map(|event| event.filed_under().unwrap_or(UserRef::SYSTEM)) != Some(discarded.user) {
            // Only the projector can append such an event, and it names the user under whose subject the other stands.
            tracing::error!(
                sequence = discarded.by.get(),
                "INCIDENT: an event that leaves another one out names another user than that one's; it is passed over"
            );
            return Ok(view.apply(Changes::default(), Some((tip, tree)))?);
        }
        let left_out = view.discarded().into_iter().map(|discarded| discarded.sequence);
        let left_out: BTreeSet<_> = left_out.chain([discarded.sequence]).collect();
        let repaired = self.repair(view, discarded.user, None, tip.sequence, &left_out);
        let Repaired { mut changes, told } = match repaired {
            Ok(repaired) => repaired,
            // Nothing of the user waited here, and an earlier event can't be folded now: that waits from here on.
            Err(FoldFailure::NewPoison(poison)) => {
                self.tolerate(&poison)?;
                let mut changes = Changes::default();
                changes.park(poison);
                Repaired { changes, told: Vec::new() }
            }
            Err(failure) => return Err(failure),
        };
        changes.discard(discarded);
        // A log that is folded once more tells no old discards again.
        let feed_since = self.feed.as_ref().and_then(|feed| feed.wanted_since());
        if feed_since.is_some_and(|since| stored_at >= since) {
            self.publish(&told)?;
        }
        Ok(view.apply(changes, Some((tip, tree)))?)
    }
}
