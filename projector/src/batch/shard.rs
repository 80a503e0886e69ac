//! The users of one thread. A user's events are always the same shard's, in the log's order, so shards need nothing of
//! each other.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use events::{FoldedEvent, RecordedEvent};
use vault::{DataKey, UserRef};

use super::{EntryFailure, FoldFailure, Folder, Ready, Told, read_device, read_row};
use crate::device::{self, Device};
use crate::fold::fold;
use crate::open::{OpenFailure, Opened, OpenedDevice, OpenedEvent, open};
use crate::poison::Poison;
use crate::row::Row;
use crate::view::{DeviceKey, RowKey, Sealed, View};

/// An entry as it was found in the store, and as it is now.
pub(super) struct PendingEntry<T> {
    pub(super) old: Option<Sealed>,
    /// None only while an event is being folded into it, or where there was no row.
    pub(super) now: Option<T>,
    /// What it will be sealed under.
    pub(super) key: Arc<DataKey>,
}

/// What was folded of some users and is not written yet.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) rows: HashMap<RowKey, PendingEntry<Row>>,
    pub(super) devices: BTreeMap<DeviceKey, PendingEntry<Device>>,
    pub(super) parked: Vec<Poison>,
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
    pub(super) told: Vec<Told>,
}

impl<'f> Folding<'f> {
    pub(super) fn new(
        folder: &'f Folder,
        view: &'f View,
        shard: &'f mut Shard,
        waiting: &BTreeSet<UserRef>,
    ) -> Self {
        let mut waiting = waiting.clone();
        waiting.extend(shard.parked.iter().map(|poison| poison.user));
        Self { folder, view, shard, waiting, told: Vec::new() }
    }

    /// Folds an event, or has it wait.
    pub(super) fn fold(&mut self, ready: Ready) -> Result<(), FoldFailure> {
        let Ready { event, opened, .. } = ready;
        if !self.waiting.is_empty() && event.filed_under().is_some_and(|user| self.waits(&user)) {
            return Ok(());
        }
        let opened =
            opened.map_or_else(|| self.folder.now(open(&event, &self.folder.keys)), |opened| *opened);
        match opened {
            Ok(None) => Ok(()),
            Ok(Some(opened)) if self.waits(&opened.user()) => Ok(()),
            Ok(Some(Opened::Summary(event))) => self.fold_summary(event),
            Ok(Some(Opened::Device(event))) => self.fold_device(event),
            Ok(Some(Opened::Discard(_))) => unreachable!("BUG: a stretch has no discarded event"),
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
        *user != UserRef::NOBODY && self.waiting.contains(user)
    }

    fn fold_summary(&mut self, event: OpenedEvent) -> Result<(), FoldFailure> {
        let key = RowKey { user: event.head.user, date: event.summary.date };
        let pending = match self.shard.rows.entry(key) {
            Entry::Occupied(occupied) => occupied.into_mut(),
            Entry::Vacant(vacant) => {
                let old = self.view.row(&key)?.0;
                let read = match &old {
                    Some(sealed) => self.folder.now(read_row(&key, sealed, &self.folder.keys)).map(Some),
                    None => Ok(None),
                };
                let now = match read {
                    Ok(now) => now,
                    Err(EntryFailure::Key(why)) => {
                        return self.park(Poison::of_entry(event.origin.sequence, key.user, &why));
                    }
                    Err(failure) => return Err(failure.into()),
                };
                vacant.insert(PendingEntry { old, now, key: event.key.clone() })
            }
        };
        let (row, outcome) = fold(pending.now.take(), &event.summary, event.origin);
        (pending.now, pending.key) = (Some(row), event.key);
        if self.folder.tells {
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.origin.sequence, outcome };
            self.told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
        }
        Ok(())
    }

    fn fold_device(&mut self, event: OpenedDevice) -> Result<(), FoldFailure> {
        let key = DeviceKey { user: event.head.user, device: event.device };
        let (old, before) = match self.shard.devices.remove(&key) {
            Some(PendingEntry { old, now, .. }) => (old, now),
            None => match self.view.entry(&key.encode())?.0 {
                Some(sealed) => match self.folder.now(read_device(&key, &sealed, &self.folder.keys)) {
                    Ok(device) => (Some(sealed), Some(device)),
                    Err(EntryFailure::Key(why)) => {
                        return self.park(Poison::of_entry(event.sequence, key.user, &why));
                    }
                    Err(failure) => return Err(failure.into()),
                },
                None => (None, None),
            },
        };
        let (now, outcome) = device::fold(before, event.change, event.head.time);
        if self.folder.tells {
            let folded = FoldedEvent { event_id: event.head.id, sequence: event.sequence, outcome };
            self.told.push(Told { to: event.outcome_to, stored_at: event.stored_at, folded });
        }
        self.shard.devices.insert(key, PendingEntry { old, now: Some(now), key: event.key });
        Ok(())
    }
}
