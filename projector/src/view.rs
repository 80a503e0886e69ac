//! One view, in sled.
//!
//! Keys and values: [`KeyKind`].
//!
//! One tree, so that one sled batch writes a fold's rows *and* its position, or nothing. It holds nothing that the log
//! can't give back.

mod accounts;
mod any_entry_key;
mod changes;
mod device_report_key;
mod entity_keys;
mod error;
mod format;
mod keys;
mod meta;
mod parked_events;
mod queries;
mod row_key;
mod sealed_value;
mod sled_store;
mod state;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::keys::UserRef;
use events::LogState;
use jiff::Timestamp;
use parking_lot::{RwLock, RwLockReadGuard};
use schemas::Sequence;
use tlog::{Frontier, TreeHead};

pub(crate) use any_entry_key::{AnyEntryKey, entry_table};
pub(crate) use changes::ViewChanges;
pub(crate) use device_report_key::DeviceReportKey;
pub(crate) use entity_keys::{ConnectionKey, DeviceKey, ExportKey};
pub use error::ViewError;
pub(crate) use keys::{EntryKey, KeyKind};
pub(crate) use meta::Tip;
use meta::ViewMeta;
pub(crate) use parked_events::DiscardedEvent;
pub(crate) use row_key::RowKey;
pub(crate) use sealed_value::SealedValue;
use state::State;

use crate::parked_event::ParkedEvent;
use crate::view_digest::{DigestSum, ViewDigest};

/// Entries read at once where all of them are.
const SUM_PAGE_ENTRIES: usize = 1_000;

/// Something read, and the position that it reflects.
pub(crate) type AtPosition<T> = (T, Option<Sequence>);

/// The view. Everything here blocks: call it from a thread that may.
pub(crate) struct View {
    store: sled::Db,
    dir: PathBuf,
    /// Written together with the rows, read together with them.
    state: RwLock<State>,
}

/// What a view says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ViewHead {
    /// Size and root of the tree over everything folded; the size is the position.
    pub(crate) tree: TreeHead,
    pub(crate) digest: ViewDigest,
}

impl ViewHead {
    pub(crate) fn position(&self) -> Option<Sequence> {
        Sequence::new(self.tree.size)
    }
}

impl View {
    /// Opens the view in `folder`, or begins one, and makes sure that it fits the log.
    pub(crate) fn open(folder: &Path, log: &LogState, now: Timestamp) -> Result<Self, ViewError> {
        Self::open_store(folder, log, now, false)
    }

    /// Begins a view whose files go with it.
    pub(crate) fn open_temporary(folder: &Path, log: &LogState, now: Timestamp) -> Result<Self, ViewError> {
        Self::open_store(folder, log, now, true)
    }

    fn open_store(
        folder: &Path,
        log: &LogState,
        now: Timestamp,
        for_a_while: bool,
    ) -> Result<Self, ViewError> {
        let store = sled_store::open_or_set_aside(folder, now, for_a_while)?;
        let store_error = |error| ViewError::Store(folder.to_owned(), error);
        let stored = store.get(KeyKind::Meta.prefix()).map_err(store_error)?;
        let meta = match stored {
            Some(bytes) => ViewMeta::decode_for_log(&bytes, log, folder)?,
            None => ViewMeta::new(log.identity.as_str().to_owned()),
        };
        store.insert(KeyKind::Meta.prefix(), meta.encode()).map_err(store_error)?;
        let closed = Arc::new(accounts::load_closed_accounts(&store).map_err(store_error)?);
        let (mut parked, mut discarded_events) = (BTreeMap::new(), BTreeMap::new());
        for entry in store.scan_prefix(KeyKind::Parked.prefix()) {
            let (key, value) = entry.map_err(store_error)?;
            let poison =
                parked_events::decode_parked(&key, &value).ok_or_else(|| parked_events_unreadable(folder))?;
            parked.insert((poison.user, poison.sequence), poison);
        }
        for entry in store.scan_prefix(KeyKind::Discarded.prefix()) {
            let (key, value) = entry.map_err(store_error)?;
            let discarded =
                DiscardedEvent::decode(&key, &value).ok_or_else(|| parked_events_unreadable(folder))?;
            discarded_events.insert(discarded.sequence, discarded);
        }
        let state = State {
            meta,
            parked_events: Arc::new(parked),
            discarded_events: Arc::new(discarded_events),
            closed_accounts: closed,
        };
        Ok(Self { store, dir: folder.to_owned(), state: RwLock::new(state) })
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read()
    }

    /// The sequence up to which the view has folded.
    pub(crate) fn position(&self) -> Option<Sequence> {
        Sequence::new(self.state().meta.tree.size())
    }

    /// The last event that the view has folded.
    pub(crate) fn tip(&self) -> Option<Tip> {
        self.state().meta.tip()
    }

    /// The tree over everything folded.
    pub(crate) fn tree(&self) -> Frontier {
        self.state().meta.tree.clone()
    }

    /// Position, root and digest, as one.
    pub(crate) fn head(&self) -> ViewHead {
        let state = self.state();
        let (size, root) = (state.meta.tree.size(), state.meta.tree.root());
        ViewHead {
            tree: TreeHead { size, root },
            digest: ViewDigest::from_sum(Sequence::new(size), state.meta.sum),
        }
    }

    /// The events that wait, by user and sequence.
    pub(crate) fn parked_events(&self) -> Vec<ParkedEvent> {
        self.state().parked_events.values().cloned().collect()
    }

    /// The event that a user's later events wait for.
    pub(crate) fn parked_event_of(&self, user: &UserRef) -> Option<ParkedEvent> {
        let range = (*user, Sequence::FIRST)..=(*user, Sequence::MAX);
        self.state().parked_events.range(range).next().map(|(_, poison)| poison.clone())
    }

    /// Whether an operator can know of trouble with this event: it waits, or is left out, or is still to be folded.
    pub(crate) fn may_have_parked(&self, sequence: Sequence) -> bool {
        let state = self.state();
        state.meta.tree.size() < sequence.get()
            || state.discarded_events.contains_key(&sequence)
            || state.parked_events.keys().any(|(_, parked)| *parked == sequence)
    }

    /// The events that are left out.
    pub(crate) fn discarded_events(&self) -> Vec<DiscardedEvent> {
        self.state().discarded_events.values().copied().collect()
    }

    /// Whether the view fits this state of the log, which may have changed since it was opened.
    pub(crate) fn check_fits_log(&self, log: &LogState) -> Result<(), ViewError> {
        let bytes = self.state().meta.encode();
        ViewMeta::decode_for_log(&bytes, log, &self.dir).map(drop)
    }

    /// Writes changes, and where they come from new events, the last of them with the tree behind it, together.
    pub(crate) fn apply(
        &self,
        changes: ViewChanges,
        moved: Option<(Tip, Frontier)>,
    ) -> Result<(), ViewError> {
        let mut state = self.state.write();
        let mut next = state.clone();
        if let Some((tip, tree)) = moved {
            assert_eq!(tip.sequence.get(), tree.size(), "BUG: the tree is of another position");
            assert!(tree.size() > next.meta.tree.size(), "BUG: the view's position moves forward only");
            (next.meta.leaf, next.meta.tree) = (Some(tip.leaf), tree);
        }
        let mut batch = sled::Batch::default();
        changes.write_to(&mut next, &mut batch);
        batch.insert(&KeyKind::Meta.prefix(), next.meta.encode());
        self.store.apply_batch(batch).map_err(|error| self.store_error(error))?;
        *state = next;
        Ok(())
    }

    /// Adds the entries' hashes up anew. Nobody may write meanwhile.
    pub(crate) fn recompute_sum(&self) -> Result<(), ViewError> {
        let mut sum = DigestSum::default();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let entries = self.entries(after.as_deref(), SUM_PAGE_ENTRIES)?;
            for (key, sealed) in &entries {
                sum = sum.wrapping_add(sealed.hash().unwrap_or_default());
                after = Some(key.clone());
            }
            if entries.len() < SUM_PAGE_ENTRIES {
                break;
            }
        }
        let mut state = self.state.write();
        state.meta.sum = sum;
        let written = self.store.insert(KeyKind::Meta.prefix(), state.meta.encode());
        written.map(drop).map_err(|error| self.store_error(error))
    }

    /// Waits until everything applied is on disk.
    pub(crate) fn flush(&self) -> Result<(), ViewError> {
        self.store.flush().map(drop).map_err(|error| self.store_error(error))
    }

    fn store_error(&self, error: sled::Error) -> ViewError {
        ViewError::Store(self.dir.clone(), error)
    }
}

/// What waits must not be forgotten because it can't be read: events behind it would be folded over a hole.
fn parked_events_unreadable(folder: &Path) -> ViewError {
    ViewError::ParkedEventsUnreadable(folder.to_owned())
}

#[cfg(test)]
mod tests;
