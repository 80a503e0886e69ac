//! What ends: an account, or everybody's past years. Nothing of either is left in a view behind the event that says so,
//! whether it is folded when it happens or years later from the first event.

use aggregates::{Account, SaidAt};
use events::{Change, ChangeKind, Envelope, EventKind, FoldedEvent, RecordedEvent};
use keys::{UserRef, Year};

use super::{FoldFailure, Folder, Ready, Told};
use crate::incident::Incident;
use crate::open::{OpenFailure, Opened};
use crate::view::{Changes, EntryKey, RowKey, Tip, View};

/// Rows that are looked through, and taken away, together.
const ROWS_TOGETHER: usize = 1_000;

/// Whether an event that nobody opened is a step of an erasure.
pub(super) fn is_erasure(event: &RecordedEvent) -> bool {
    let kind = Envelope::read_head(event.bytes()).map(|head| head.kind);
    kind.is_ok_and(|kind| EventKind::ERASURES.contains(&kind))
}

impl Folder {
    /// Folds a step of an erasure. From the first step on the account has no entry, and what waited does not wait.
    pub(super) fn close(&self, view: &View, tip: Tip, ready: Ready) -> Result<Option<Told>, FoldFailure> {
        let Ready { event, opened, .. } = ready;
        let mut tree = view.tree();
        tree.push(tip.leaf);
        let mut changes = Changes::default();
        let opened = opened.map_or_else(|| self.now(self.opener.open(&event)), |opened| *opened);
        let (head, said) = match opened {
            Ok(Some(Opened::Erasure(head, said))) => (head, said),
            // It was not opened because its user waits, so that it waits too; or there is nothing to be told of it.
            Ok(_) => {
                view.apply(changes, Some((tip, tree)))?;
                return Ok(None);
            }
            Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
            Err(OpenFailure::Poison(poison)) => {
                if !view.is_closed(&poison.user) && view.parked_of(&poison.user).is_none() {
                    self.tolerate(&poison)?;
                    changes.park(poison);
                }
                view.apply(changes, Some((tip, tree)))?;
                return Ok(None);
            }
        };
        let (user, at) = (head.user, SaidAt { event_id: head.id, sequence: tip.sequence, time: head.time });
        let (account, outcome) = Account::fold(view.account(&user)?, &said, at);
        if let Some(account) = account {
            if account.is_closed() {
                self.opener.keys.evict(&user);
                take_away(view, user, &mut changes)?;
            }
            let is_last = account.erased.as_ref().is_some_and(|erased| erased.sequence == tip.sequence);
            if is_last {
                self.tell_erased(user, at)?;
            }
            changes.set_account(user, account);
        }
        view.apply(changes, Some((tip, tree)))?;
        let folded = FoldedEvent { event_id: head.id, sequence: tip.sequence, outcome };
        let told = Told { to: event.outcome_to(), stored_at: event.stored_at(), folded };
        Ok(self.tells.then_some(told))
    }

    /// Other systems are told by name alone: there is no key to seal anything under.
    fn tell_erased(&self, user: UserRef, at: SaidAt) -> Result<(), FoldFailure> {
        let feed_since = self.feed.as_ref().and_then(|feed| feed.wanted_since());
        if feed_since.is_none_or(|since| at.time < since) {
            return Ok(());
        }
        let change = Change::new(ChangeKind::AccountErased, user, at.event_id, at.sequence, at.time);
        self.publish(&[change])
    }

    /// Takes away everybody's rows of the years before this one. What was folded before is written; a process that is
    /// killed in between does the rest once more.
    pub(super) fn retain(&self, view: &View, tip: Tip, before: Year) -> Result<(), FoldFailure> {
        // Which keys are destroyed is not known here, and one that is remembered would still open what comes late.
        self.opener.keys.evict_all();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = view.entries_of_kind::<RowKey>(after.as_deref(), ROWS_TOGETHER)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let mut changes = Changes::default();
            for (key, sealed) in &rows {
                if RowKey::decode(key).is_some_and(|row| row.date.year() < before) {
                    changes.remove_entry(key, sealed);
                }
            }
            view.apply(changes, None)?;
        }
        let mut tree = view.tree();
        tree.push(tip.leaf);
        Ok(view.apply(Changes::default(), Some((tip, tree)))?)
    }
}

/// Takes a user's entries away. Returns how many there were.
pub(crate) fn take_away(view: &View, user: UserRef, changes: &mut Changes) -> Result<u64, FoldFailure> {
    let entries = view.all_entries_of(user)?;
    for (key, sealed) in &entries {
        // What is damaged can't be taken out of the sum.
        if sealed.hash().is_none() {
            return Err(Incident::Row(user).into());
        }
        changes.remove_entry(key, sealed);
    }
    changes.release(user, None);
    Ok(entries.len() as u64)
}
