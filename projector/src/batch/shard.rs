//! The users of one thread. A user's events are always the same shard's, in the log's order, so shards need nothing of
//! each other.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use aggregates::export::Export;
use events::{Change, FoldedEvent, RecordedEvent};
use jiff::Timestamp;
use keys::{DataKey, UserRef};

use super::telling::change;
use super::{EntryFailure, FoldFailure, Folder, Ready, Told, read_entry};
use crate::connection::Connection;
use crate::device::Device;
use crate::entry::Entry;
use crate::open::{OpenFailure, Opened, OpenedEvent};
use crate::poison::Poison;
use crate::report::Report;
use crate::row::Row;
use crate::view::{EntryKey, Sealed, View};

/// An entry as it was found in the store, and as it is now.
pub(super) struct PendingEntry<E> {
    pub(super) old: Option<Sealed>,
    /// None only while an event is being folded into it, or where there is nothing.
    pub(super) now: Option<E>,
    /// What it will be sealed under.
    pub(super) key: Arc<DataKey>,
}

/// The entries of one kind.
pub(super) type PendingEntries<E> = HashMap<<E as Entry>::Key, PendingEntry<E>>;

/// What was folded of some users and is not written yet.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) rows: PendingEntries<Row>,
    pub(super) devices: PendingEntries<Device>,
    pub(super) connections: PendingEntries<Connection>,
    pub(super) reports: PendingEntries<Report>,
    pub(super) exports: PendingEntries<Export>,
    pub(super) parked: Vec<Poison>,
}

impl Shard {
    /// How many entries wait to be written.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
            + self.devices.len()
            + self.connections.len()
            + self.reports.len()
            + self.exports.len()
    }
}

/// Which of so many shards an event belongs to: by the subject, so by the user.
pub(super) fn shard_of(event: &RecordedEvent, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    event.subject().hash(&mut hasher);
    (hasher.finish() % shards as u64) as usize
}

/// One thread's part of a batch.
pub(super) struct Folding<'f> {
    folder: &'f Folder,
    view: &'f View,
    shard: &'f mut Shard,
    waiting: BTreeSet<UserRef>,
    /// Other systems are told of events received since then.
    feed_since: Option<Timestamp>,
    pub(super) told: Vec<Told>,
    pub(super) changes: Vec<Change>,
}

impl<'f> Folding<'f> {
    pub(super) fn new(
        folder: &'f Folder,
        view: &'f View,
        shard: &'f mut Shard,
        waiting: &BTreeSet<UserRef>,
        feed_since: Option<Timestamp>,
    ) -> Self {
        let mut waiting = waiting.clone();
        waiting.extend(shard.parked.iter().map(|poison| poison.user));
        Self { folder, view, shard, waiting, feed_since, told: Vec::new(), changes: Vec::new() }
    }

    /// Folds an event, or has it wait.
    pub(super) fn fold(&mut self, ready: Ready) -> Result<(), FoldFailure> {
        let Ready { event, opened, .. } = ready;
        if event.filed_under().is_some_and(|user| self.view.is_closed(&user)) {
            return Ok(());
        }
        if !self.waiting.is_empty() && event.filed_under().is_some_and(|user| self.waits(&user)) {
            return Ok(());
        }
        let opened =
            opened.map_or_else(|| self.folder.now(self.folder.opener.open(&event)), |opened| *opened);
        match opened {
            Ok(None) => Ok(()),
            Ok(Some(opened)) if self.waits(&opened.user()) => Ok(()),
            Ok(Some(Opened::Summary(event))) => self.fold_into(|shard| &mut shard.rows, event),
            Ok(Some(Opened::Device(event))) => self.fold_into(|shard| &mut shard.devices, event),
            Ok(Some(Opened::Connection(event))) => self.fold_into(|shard| &mut shard.connections, event),
            Ok(Some(Opened::Export(event))) => self.fold_into(|shard| &mut shard.exports, event),
            Ok(Some(Opened::Report(event))) => self.fold_into(|shard| &mut shard.reports, event),
            Ok(Some(Opened::Discard(_) | Opened::Erasure(..) | Opened::Retention(_))) => {
                unreachable!("BUG: a stretch has no event that is folded by itself")
            }
            Err(OpenFailure::Unavailable) => Err(FoldFailure::Unavailable),
            Err(OpenFailure::Poison(poison)) if self.waits(&poison.user) => Ok(()),
            Err(OpenFailure::Poison(poison)) => self.park(poison),
        }
    }

    fn park(&mut self, poison: Poison) -> Result<(), FoldFailure> {
        self.folder.tolerate(&poison)?;
        self.waiting.insert(poison.user);
        self.shard.parked.push(poison);
        Ok(())
    }

    /// Whether this user's events wait. What is filed under nobody belongs together by accident only.
    fn waits(&self, user: &UserRef) -> bool {
        *user != UserRef::SYSTEM && self.waiting.contains(user)
    }

    /// Folds an event into the entry that it is about, one of these.
    fn fold_into<E: Entry>(
        &mut self,
        entries: fn(&mut Shard) -> &mut PendingEntries<E>,
        event: OpenedEvent<E::Said>,
    ) -> Result<(), FoldFailure> {
        let key = E::key(event.head.user, &event.said);
        let pending = match entries(self.shard).entry(key) {
            Slot::Occupied(occupied) => occupied.into_mut(),
            Slot::Vacant(vacant) => {
                let old = self.view.entry(&key.encode())?.0;
                let read = match &old {
                    Some(sealed) => {
                        self.folder.now(read_entry::<E>(&key, sealed, &self.folder.opener.keys)).map(Some)
                    }
                    None => Ok(None),
                };
                let now = match read {
                    Ok(now) => now,
                    // Its user is erased at this moment; the event that says so comes, and takes the entry along.
                    Err(EntryFailure::Erased) => return Ok(()),
                    Err(EntryFailure::Key(why)) => {
                        return self.park(Poison::of_entry(event.sequence, key.user(), &why));
                    }
                    Err(failure) => return Err(failure.into()),
                };
                vacant.insert(PendingEntry { old, now, key: event.key.clone() })
            }
        };
        let (now, outcome) = E::fold(pending.now.take(), &event);
        pending.now = now;
        if self.feed_since.is_some_and(|since| event.head.time >= since) {
            self.changes.extend(change::<E>(&event, outcome));
        }
        if self.folder.tells {
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.sequence, outcome };
            self.told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
        }
        pending.key = event.key;
        Ok(())
    }
}
