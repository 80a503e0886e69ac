//! What was folded and is not written yet.
//!
//! The view that serves is written after every batch. One that is built beside it can wait: a row that is met again and
//! again is loaded, sealed and written once for all of that, and the view's position moves with it. A process that dies
//! before begins again from the position that was written.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tlog::Frontier;
use vault::{DataKey, UserRef};

use super::Folder;
use crate::device::Device;
use crate::poison::Poison;
use crate::row::Row;
use crate::view::{Changes, DeviceKey, RowKey, Sealed, Tip, View};

/// An entry as it was found in the store, and as it is now.
pub(super) struct PendingEntry<T> {
    pub(super) old: Option<Sealed>,
    pub(super) now: T,
    /// What it will be sealed under.
    pub(super) key: Arc<DataKey>,
}

/// Folded and not written.
#[derive(Default)]
pub(crate) struct Pending {
    pub(super) rows: HashMap<RowKey, PendingEntry<Row>>,
    pub(super) devices: BTreeMap<DeviceKey, PendingEntry<Device>>,
    pub(super) parked: Vec<Poison>,
    /// The tree behind the last event that was folded, where one was.
    moved: Option<(Tip, Frontier)>,
}

impl Pending {
    /// How many entries wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.rows.len() + self.devices.len()
    }

    /// The tree over everything folded, written or not.
    pub(super) fn tree(&self, view: &View) -> Frontier {
        self.moved.as_ref().map_or_else(|| view.tree(), |(_, tree)| tree.clone())
    }

    /// How many events were folded, written or not.
    pub(crate) fn position(&self, view: &View) -> u64 {
        self.moved.as_ref().map_or_else(
            || view.position().map_or(0, |position| position.get()),
            |(tip, _)| tip.sequence.get(),
        )
    }

    pub(super) fn move_to(&mut self, tip: Tip, tree: Frontier) {
        self.moved = Some((tip, tree));
    }

    /// Whose events wait.
    pub(super) fn waiting(&self, view: &View) -> BTreeSet<UserRef> {
        let parked = view.parked();
        parked.iter().chain(&self.parked).map(|poison| poison.user).collect()
    }

    /// Into the view, all of it or nothing.
    pub(super) fn take(&mut self, folder: &Folder) -> (Changes, Option<(Tip, Frontier)>) {
        let Self { rows, devices, parked, moved } = std::mem::take(self);
        let mut changes = Changes::default();
        parked.into_iter().for_each(|poison| changes.park(poison));
        for (key, sealed, old) in folder.seal_rows(rows) {
            changes.write_entry(&key.encode(), old.as_ref(), sealed);
        }
        for (key, PendingEntry { old, now, key: data_key }) in devices {
            changes.write_entry(&key.encode(), old.as_ref(), folder.seal_device(&key, &now, &data_key));
        }
        (changes, moved)
    }
}
