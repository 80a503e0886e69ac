//! Erases an account. Nothing of it is left in a view after the event that says so, whether it is folded when it happens
//! or years later from the first event.

use aggregates::{AccountErasure, EventMetadata};
use events::{ChangeKind, ChangeNotification, EventOutcome};
use keys::UserRef;

use super::fold_error::FoldError;
use super::prepare::PreparedEvent;
use super::{OutcomeNotice, Projection};
use crate::decrypt::DecryptError;
use crate::decrypted_event::FoldableEvent;
use crate::incident::ProjectorIncident;
use crate::view::{Tip, View, ViewChanges};

impl Projection {
    /// Folds a step of an erasure. From the first step on the account has no entry, and what waited does not wait.
    pub(super) fn fold_erasure(
        &self,
        view: &View,
        tip: Tip,
        ready: PreparedEvent,
    ) -> Result<Option<OutcomeNotice>, FoldError> {
        let PreparedEvent { event, decrypted: opened, .. } = ready;
        let mut tree = view.tree();
        tree.push(tip.leaf);
        let mut changes = ViewChanges::default();
        let opened = opened.map_or_else(|| self.block_on(self.decryptor.decrypt(&event)), |opened| *opened);
        let (head, said) = match opened {
            Ok(Some(FoldableEvent::Erasure(head, said))) => (head, said),
            // It was not opened because its user waits, so that it waits too; or there is nothing to be told of it.
            Ok(_) => {
                view.apply(changes, Some((tip, tree)))?;
                return Ok(None);
            }
            Err(DecryptError::Unavailable) => return Err(FoldError::Unavailable),
            Err(DecryptError::Poison(poison)) => {
                if !view.is_account_closed(&poison.user) && view.parked_event_of(&poison.user).is_none() {
                    self.check_park_policy(&poison)?;
                    changes.park(poison);
                }
                view.apply(changes, Some((tip, tree)))?;
                return Ok(None);
            }
        };
        let (user, at) =
            (head.user, EventMetadata { event_id: head.id, sequence: tip.sequence, time: head.time });
        let (account, outcome) = AccountErasure::fold(view.account(&user)?, &said, at);
        if let Some(account) = account {
            if account.is_closed() {
                self.decryptor.keys.evict(&user);
                remove_user_entries(view, user, &mut changes)?;
            }
            let is_last = account.erased.as_ref().is_some_and(|erased| erased.sequence == tip.sequence);
            if is_last {
                self.publish_account_erased(user, at)?;
            }
            changes.set_account(user, account);
        }
        view.apply(changes, Some((tip, tree)))?;
        let folded = EventOutcome { event_id: head.id, sequence: tip.sequence, outcome };
        let told = OutcomeNotice { outcome_to: event.outcome_to(), stored_at: event.stored_at(), folded };
        Ok(self.is_collecting_outcomes.then_some(told))
    }

    /// Other systems are told by name alone: there is no key to seal anything under.
    fn publish_account_erased(&self, user: UserRef, at: EventMetadata) -> Result<(), FoldError> {
        let feed_since = self.change_publisher.as_ref().and_then(|feed| feed.publish_since());
        if feed_since.is_none_or(|since| at.time < since) {
            return Ok(());
        }
        let change =
            ChangeNotification::new(ChangeKind::AccountErased, user, at.event_id, at.sequence, at.time);
        self.publish_changes(&[change])
    }
}

/// Takes a user's entries away. Returns how many there were.
pub(crate) fn remove_user_entries(
    view: &View,
    user: UserRef,
    changes: &mut ViewChanges,
) -> Result<u64, FoldError> {
    let entries = view.all_entries_of_user(user)?;
    for (key, sealed) in &entries {
        // What is damaged can't be taken out of the sum.
        if sealed.hash().is_none() {
            return Err(ProjectorIncident::DamagedEntry(user).into());
        }
        changes.remove_entry(key, sealed);
    }
    changes.unpark(user, None);
    Ok(entries.len() as u64)
}
