//! One user folded anew from the log, in place: what an operator asks for, and what leaving an event out takes.
//!
//! Other systems are told nothing of it, with one exception: where the user waited, the events that waited are told as if
//! they were folded now, each by its own name. What came before them was told when it was folded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use events::ChangeNotification;
use jetstream::ScanFrom;
use jiff::civil::Date;
use keys::{DataKey, UserRef};
use schemas::Sequence;

use super::Projection;
use super::fold_error::FoldError;
use super::publish_changes::published_change;
use crate::decrypt::DecryptError;
use crate::decrypted_event::{DecryptedEvent, FoldableEvent};
use crate::incident::ProjectorIncident;
use crate::parked_event::ParkedEvent;
use crate::view::{AnyEntryKey, RowKey, SealedValue, View, ViewChanges};
use crate::view_entry::AnyEntry;

/// What a repair writes, and what is told of it before.
#[derive(Default)]
pub(crate) struct RepairResult {
    pub(crate) changes: ViewChanges,
    pub(crate) to_publish: Vec<ChangeNotification>,
}

impl From<ViewChanges> for RepairResult {
    fn from(changes: ViewChanges) -> Self {
        Self { changes, to_publish: Vec::new() }
    }
}

/// A user's state, folded from nothing.
#[derive(Default)]
struct ReplayedUser {
    /// Each with the data key that it will be sealed under.
    entries: BTreeMap<AnyEntryKey, (AnyEntry, Arc<DataKey>)>,
    /// Events from here on are told.
    publish_from: Option<Sequence>,
    to_publish: Vec<ChangeNotification>,
    /// Where folding had to end.
    parked_event: Option<ParkedEvent>,
}

impl ReplayedUser {
    fn fold(&mut self, opened: FoldableEvent) {
        match opened {
            FoldableEvent::Entry(event) => self.fold_entry(&event),
            FoldableEvent::Discard(_) | FoldableEvent::Erasure(..) | FoldableEvent::Retention(_) => {}
        }
    }

    fn fold_entry(&mut self, event: &DecryptedEvent) {
        let key = event.payload.key(event.header.user);
        let before = self.entries.remove(&key).map(|(before, _)| before);
        let (now, outcome) = AnyEntry::fold(before, &event.payload, &event.metadata());
        if self.publish_from.is_some_and(|from| event.sequence >= from) {
            self.to_publish.extend(published_change(event, outcome));
        }
        if let Some(now) = now {
            self.entries.insert(key, (now, event.data_key.clone()));
        }
    }
}

impl Projection {
    /// What replaces the user's entries by what their events up to `last` fold to, those that are left out apart. With
    /// a date, that row alone; what waits goes on waiting then. A user who was whole and would not be any more is left as
    /// they are, with an error.
    pub(crate) fn repair(
        &self,
        view: &View,
        user: UserRef,
        date: Option<Date>,
        last: Sequence,
        left_out: &BTreeSet<Sequence>,
    ) -> Result<RepairResult, FoldError> {
        if user == UserRef::SYSTEM {
            return self.retry_unassigned(view, left_out).map(RepairResult::from);
        }
        if view.is_account_closed(&user) {
            // Whatever can still be opened of it is nobody's any more.
            return Ok(ViewChanges::default().into());
        }
        let waits_from = view.parked_event_of(&user).map(|poison| poison.sequence);
        // One row of a user who waits is as far as all of them are.
        let before = date.and(waits_from).and_then(|from| Sequence::new(from.get() - 1));
        let last = before.map_or(last, |before| before.min(last));
        let is_wanted =
            date.is_none() && self.change_publisher.as_ref().is_some_and(|feed| feed.has_endpoints());
        let tell_from = waits_from.filter(|_| is_wanted);
        let mut refolded = self.runtime.block_on(self.replay_user(user, last, left_out, tell_from))?;
        let mut changes = ViewChanges::default();
        if let Some(poison) = &refolded.parked_event {
            match waits_from {
                // Not even as far as the rows have come already: they stay, and go on waiting; for this event, where
                // the one that they waited for is left out.
                Some(waiting) if poison.sequence <= waiting => {
                    if left_out.contains(&waiting) {
                        changes.unpark(user, None);
                        changes.park(poison.clone());
                    }
                    return Ok(changes.into());
                }
                Some(_) => {}
                None => return Err(FoldError::NewlyParked(poison.clone())),
            }
        }
        let old = match date {
            Some(date) => {
                let key = AnyEntryKey::Row(RowKey { user, date });
                refolded.entries.retain(|entry, _| *entry == key);
                let old = view.entry(&key.encode())?.0.map(|sealed| (key.encode(), sealed));
                old.into_iter().collect()
            }
            None => view.all_entries_of_user(user)?.into_iter().collect(),
        };
        let new = refolded.entries.iter();
        let new = new.map(|(key, (entry, data_key))| self.seal_entry(key, entry, data_key)).collect();
        if date.is_none() {
            changes.unpark(user, None);
            if let Some(poison) = refolded.parked_event {
                self.check_park_policy(&poison)?;
                changes.park(poison);
            }
        }
        replace_entries(&mut changes, user, old, new)?;
        Ok(RepairResult { changes, to_publish: refolded.to_publish })
    }

    /// What is filed under nobody belongs to no one's rows: each such event is only read once more.
    fn retry_unassigned(&self, view: &View, left_out: &BTreeSet<Sequence>) -> Result<ViewChanges, FoldError> {
        let mut changes = ViewChanges::default();
        for poison in view.parked_events().into_iter().filter(|poison| poison.user == UserRef::SYSTEM) {
            let event = self.runtime.block_on(self.log.get(poison.sequence));
            let Some(event) = event.map_err(|_| FoldError::Unavailable)? else { continue };
            let reads = match self.runtime.block_on(self.decryptor.decrypt(&event)) {
                Ok(_) => true,
                Err(DecryptError::Unavailable) => return Err(FoldError::Unavailable),
                Err(DecryptError::Poison(_)) => false,
            };
            if reads || left_out.contains(&poison.sequence) {
                changes.unpark(UserRef::SYSTEM, Some(poison.sequence));
            }
        }
        Ok(changes)
    }

    async fn replay_user(
        &self,
        user: UserRef,
        last: Sequence,
        left_out: &BTreeSet<Sequence>,
        tell_from: Option<Sequence>,
    ) -> Result<ReplayedUser, FoldError> {
        let mut refolded = ReplayedUser { publish_from: tell_from, ..ReplayedUser::default() };
        let mut from = ScanFrom::Sequence(1);
        loop {
            let events = self.log.scan(from, Some(&user)).await.map_err(|_| FoldError::Unavailable)?;
            let Some(end) = events.last() else { return Ok(refolded) };
            from = ScanFrom::Sequence(end.sequence().get() + 1);
            for event in events {
                if event.sequence() > last {
                    return Ok(refolded);
                }
                if left_out.contains(&event.sequence()) {
                    continue;
                }
                match self.decryptor.decrypt(&event).await {
                    Ok(opened) => opened.into_iter().for_each(|opened| refolded.fold(opened)),
                    Err(DecryptError::Unavailable) => return Err(FoldError::Unavailable),
                    Err(DecryptError::Poison(poison)) => {
                        refolded.parked_event = Some(poison);
                        return Ok(refolded);
                    }
                }
            }
        }
    }
}

/// Entries instead of others.
fn replace_entries(
    changes: &mut ViewChanges,
    user: UserRef,
    mut old: BTreeMap<Vec<u8>, SealedValue>,
    new: Vec<(Vec<u8>, SealedValue)>,
) -> Result<(), FoldError> {
    // What is damaged can't be taken out of the sum.
    if old.values().any(|sealed| sealed.hash().is_none()) {
        return Err(ProjectorIncident::DamagedEntry(user).into());
    }
    for (key, sealed) in new {
        let old = old.remove(&key);
        changes.write_entry(key, old.as_ref(), sealed);
    }
    for (key, sealed) in old {
        changes.remove_entry(&key, &sealed);
    }
    Ok(())
}
