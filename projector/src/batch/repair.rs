//! One user folded anew from the log, in place: what an operator asks for, and what leaving an event out takes.
//!
//! Other systems are told nothing of it, with one exception: where the user waited, the events that waited are told as if
//! they were folded now, each by its own name. What came before them was told when it was folded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aggregates::export::Export;
use events::Change;
use jetstream::ScanFrom;
use jiff::civil::Date;
use keys::{DataKey, UserRef};
use schemas::Sequence;

use super::telling::change;
use super::{FoldFailure, Folder};
use crate::connection::Connection;
use crate::device::Device;
use crate::entry::Entry;
use crate::incident::Incident;
use crate::open::{OpenFailure, Opened, OpenedEvent};
use crate::poison::Poison;
use crate::report::Report;
use crate::row::Row;
use crate::view::{Changes, EntryKey, RowKey, Sealed, View};

/// What a repair writes, and what is told of it before.
#[derive(Default)]
pub(crate) struct Repaired {
    pub(crate) changes: Changes,
    pub(crate) told: Vec<Change>,
}

impl From<Changes> for Repaired {
    fn from(changes: Changes) -> Self {
        Self { changes, told: Vec::new() }
    }
}

/// Entries of one kind, each with what it will be sealed under.
type Entries<E> = BTreeMap<<E as Entry>::Key, (E, Arc<DataKey>)>;

/// A user's state, from nothing.
#[derive(Default)]
struct Refolded {
    rows: Entries<Row>,
    devices: Entries<Device>,
    connections: Entries<Connection>,
    reports: Entries<Report>,
    exports: Entries<Export>,
    /// Events from here on are told.
    tell_from: Option<Sequence>,
    told: Vec<Change>,
    /// Where folding had to end.
    poison: Option<Poison>,
}

impl Refolded {
    fn fold(&mut self, opened: Opened) {
        let (from, told) = (self.tell_from, &mut self.told);
        match opened {
            Opened::Summary(event) => fold_into(&mut self.rows, &event, from, told),
            Opened::Device(event) => fold_into(&mut self.devices, &event, from, told),
            Opened::Connection(event) => fold_into(&mut self.connections, &event, from, told),
            Opened::Report(event) => fold_into(&mut self.reports, &event, from, told),
            Opened::Export(event) => fold_into(&mut self.exports, &event, from, told),
            Opened::Discard(_) | Opened::Erasure(..) | Opened::Retention(_) => {}
        }
    }
}

fn fold_into<E: Entry>(
    entries: &mut Entries<E>,
    event: &OpenedEvent<E::Said>,
    tell_from: Option<Sequence>,
    told: &mut Vec<Change>,
) {
    let key = E::key(event.head.user, &event.said);
    let (now, outcome) = E::fold(entries.remove(&key).map(|(before, _)| before), event);
    if tell_from.is_some_and(|from| event.sequence >= from) {
        told.extend(change::<E>(event, outcome));
    }
    if let Some(now) = now {
        entries.insert(key, (now, event.key.clone()));
    }
}

impl Folder {
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
    ) -> Result<Repaired, FoldFailure> {
        if user == UserRef::SYSTEM {
            return self.retry_nobody(view, left_out).map(Repaired::from);
        }
        if view.is_closed(&user) {
            // Whatever can still be opened of it is nobody's any more.
            return Ok(Changes::default().into());
        }
        let waits_from = view.parked_of(&user).map(|poison| poison.sequence);
        // One row of a user who waits is as far as all of them are.
        let before = date.and(waits_from).and_then(|from| Sequence::new(from.get() - 1));
        let last = before.map_or(last, |before| before.min(last));
        let is_wanted = date.is_none() && self.feed.as_ref().is_some_and(|feed| feed.is_wanted());
        let tell_from = waits_from.filter(|_| is_wanted);
        let mut refolded = self.runtime.block_on(self.refold_user(user, last, left_out, tell_from))?;
        let mut changes = Changes::default();
        if let Some(poison) = &refolded.poison {
            match waits_from {
                // Not even as far as the rows have come already: they stay, and go on waiting; for this event, where
                // the one that they waited for is left out.
                Some(waiting) if poison.sequence <= waiting => {
                    if left_out.contains(&waiting) {
                        changes.release(user, None);
                        changes.park(poison.clone());
                    }
                    return Ok(changes.into());
                }
                Some(_) => {}
                None => return Err(FoldFailure::NewPoison(poison.clone())),
            }
        }
        let (old, new) = match date {
            Some(date) => {
                let key = RowKey { user, date };
                let old = view.entry(&key.encode())?.0.map(|sealed| (key.encode(), sealed));
                refolded.rows.retain(|row, _| *row == key);
                (old.into_iter().collect(), self.seal_entries(&refolded.rows))
            }
            None => (view.all_entries_of(user)?.into_iter().collect(), self.seal_all(&refolded)),
        };
        if date.is_none() {
            changes.release(user, None);
            if let Some(poison) = refolded.poison {
                self.tolerate(&poison)?;
                changes.park(poison);
            }
        }
        replace(&mut changes, user, old, new)?;
        Ok(Repaired { changes, told: refolded.told })
    }

    fn seal_all(&self, refolded: &Refolded) -> Vec<(Vec<u8>, Sealed)> {
        let mut sealed = self.seal_entries(&refolded.rows);
        sealed.extend(self.seal_entries(&refolded.devices));
        sealed.extend(self.seal_entries(&refolded.connections));
        sealed.extend(self.seal_entries(&refolded.reports));
        sealed.extend(self.seal_entries(&refolded.exports));
        sealed
    }

    fn seal_entries<E: Entry>(&self, entries: &Entries<E>) -> Vec<(Vec<u8>, Sealed)> {
        entries.iter().map(|(key, (entry, data_key))| self.seal(key, entry, data_key)).collect()
    }

    /// What is filed under nobody belongs to no one's rows: each such event is only read once more.
    fn retry_nobody(&self, view: &View, left_out: &BTreeSet<Sequence>) -> Result<Changes, FoldFailure> {
        let mut changes = Changes::default();
        for poison in view.parked().into_iter().filter(|poison| poison.user == UserRef::SYSTEM) {
            let event = self.runtime.block_on(self.log.get(poison.sequence));
            let Some(event) = event.map_err(|_| FoldFailure::Unavailable)? else { continue };
            let reads = match self.runtime.block_on(self.opener.open(&event)) {
                Ok(_) => true,
                Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                Err(OpenFailure::Poison(_)) => false,
            };
            if reads || left_out.contains(&poison.sequence) {
                changes.release(UserRef::SYSTEM, Some(poison.sequence));
            }
        }
        Ok(changes)
    }

    async fn refold_user(
        &self,
        user: UserRef,
        last: Sequence,
        left_out: &BTreeSet<Sequence>,
        tell_from: Option<Sequence>,
    ) -> Result<Refolded, FoldFailure> {
        let mut refolded = Refolded { tell_from, ..Refolded::default() };
        let mut from = ScanFrom::Sequence(1);
        loop {
            let events = self.log.scan(from, Some(&user)).await.map_err(|_| FoldFailure::Unavailable)?;
            let Some(end) = events.last() else { return Ok(refolded) };
            from = ScanFrom::Sequence(end.sequence().get() + 1);
            for event in events {
                if event.sequence() > last {
                    return Ok(refolded);
                }
                if left_out.contains(&event.sequence()) {
                    continue;
                }
                match self.opener.open(&event).await {
                    Ok(opened) => opened.into_iter().for_each(|opened| refolded.fold(opened)),
                    Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                    Err(OpenFailure::Poison(poison)) => {
                        refolded.poison = Some(poison);
                        return Ok(refolded);
                    }
                }
            }
        }
    }
}

/// Entries instead of others.
fn replace(
    changes: &mut Changes,
    user: UserRef,
    mut old: BTreeMap<Vec<u8>, Sealed>,
    new: Vec<(Vec<u8>, Sealed)>,
) -> Result<(), FoldFailure> {
    // What is damaged can't be taken out of the sum.
    if old.values().any(|sealed| sealed.hash().is_none()) {
        return Err(Incident::Row(user).into());
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
