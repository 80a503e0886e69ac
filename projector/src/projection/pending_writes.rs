//! What was folded and is not written yet.
//!
//! The view that serves is written after every batch. One that is built beside it can wait: a row that is met again and
//! again is loaded, sealed and written once for all of that, and the view's position moves with it. A process that dies
//! before begins again from the position that was written.

use std::collections::BTreeSet;

use events::ChangeNotification;
use keys::UserRef;
use schemas::Sequence;
use tlog::Frontier;

use super::Projection;
use super::shard::{PendingEntry, Shard};
use crate::view::{SealedValue, Tip, View, ViewChanges};

/// Folded and not written.
pub(crate) struct PendingWrites {
    /// One for each processor.
    pub(super) shards: Vec<Shard>,
    /// What other systems are told before any of it is written.
    pub(super) to_publish: Vec<ChangeNotification>,
    /// The tree behind the last event that was folded, where one was.
    advanced_to: Option<(Tip, Frontier)>,
}

impl Default for PendingWrites {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let shards = (0..processors).map(|_| Shard::default()).collect();
        Self { shards, to_publish: Vec::new(), advanced_to: None }
    }
}

impl PendingWrites {
    /// How many entries wait to be written.
    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.entries.len()).sum()
    }

    /// The tree over everything folded, written or not.
    pub(super) fn tree(&self, view: &View) -> Frontier {
        self.advanced_to.as_ref().map_or_else(|| view.tree(), |(_, tree)| tree.clone())
    }

    /// How many events were folded, written or not.
    pub(crate) fn position(&self, view: &View) -> u64 {
        let written = || view.position().map_or(0, Sequence::get);
        self.advanced_to.as_ref().map_or_else(written, |(tip, _)| tip.sequence.get())
    }

    pub(super) fn advance_to(&mut self, tip: Tip, tree: Frontier) {
        self.advanced_to = Some((tip, tree));
    }

    /// Whose events wait, by what is written.
    pub(crate) fn parked_users(view: &View) -> BTreeSet<UserRef> {
        view.parked_events().iter().map(|poison| poison.user).collect()
    }

    /// As changes of the view, to be written all or not at all.
    pub(super) fn drain(&mut self, folder: &Projection) -> (ViewChanges, Option<(Tip, Frontier)>) {
        let Self { mut shards, to_publish: _, advanced_to: moved } = std::mem::take(self);
        let parked: Vec<_> = shards.iter_mut().flat_map(|shard| std::mem::take(&mut shard.parked)).collect();
        let many =
            shards.iter().map(|shard| shard.entries.len()).sum::<usize>() >= super::PARALLEL_EVENTS_MIN;
        let sealed: Vec<Vec<EntryWrite>> = if many {
            std::thread::scope(|scope| {
                let threads: Vec<_> =
                    shards.into_iter().map(|shard| scope.spawn(move || seal_shard(shard, folder))).collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined.map(|sealed| sealed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            })
        } else {
            shards.into_iter().map(|shard| seal_shard(shard, folder)).collect()
        };
        let mut entries = Vec::with_capacity(sealed.iter().map(Vec::len).sum());
        sealed.into_iter().for_each(|mut sealed| entries.append(&mut sealed));
        // In key order: a store that is written from left to right is written faster.
        entries.sort_unstable_by(|(one, ..), (other, ..)| one.cmp(other));
        let mut changes = ViewChanges::default();
        for (key, old, new) in entries {
            changes.write_entry(key, old.as_ref(), new);
        }
        parked.into_iter().for_each(|poison| changes.park(poison));
        (changes, moved)
    }
}

/// A key, what stands there, and what is to stand there.
type EntryWrite = (Vec<u8>, Option<SealedValue>, SealedValue);

fn seal_shard(shard: Shard, projection: &Projection) -> Vec<EntryWrite> {
    let mut sealed = Vec::with_capacity(shard.entries.len());
    for (key, PendingEntry { old, current, data_key }) in shard.entries {
        if let Some(current) = current {
            let (key, new) = projection.seal_entry(&key, &current, &data_key);
            sealed.push((key, old, new));
        }
    }
    sealed
}
