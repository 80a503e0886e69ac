//! The users of one thread. A user's events are always the same shard's, in the log's order, so shards need nothing of
//! each other.

use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use events::{ChangeNotification, EventOutcome, RecordedEvent};
use jiff::Timestamp;
use keys::{DataKey, UserRef};

use super::entry_sealing::{ReadEntryError, read_any_entry};
use super::fold_error::FoldError;
use super::prepare::PreparedEvent;
use super::publish_changes::published_change;
use super::{OutcomeNotice, Projection};
use crate::decrypt::DecryptError;
use crate::decrypted_event::{DecryptedEvent, FoldableEvent};
use crate::parked_event::ParkedEvent;
use crate::view::{AnyEntryKey, SealedValue, View};
use crate::view_entry::AnyEntry;

/// An entry as it was read from the store, and as it is now.
pub(super) struct PendingEntry {
    pub(super) old: Option<SealedValue>,
    /// `None` only while an event is folded into it, or if there is no entry.
    pub(super) current: Option<AnyEntry>,
    /// Data key that it will be sealed under.
    pub(super) data_key: Arc<DataKey>,
}

/// State of some users that is folded and not written yet.
#[derive(Default)]
pub(super) struct Shard {
    pub(super) entries: HashMap<AnyEntryKey, PendingEntry>,
    pub(super) parked: Vec<ParkedEvent>,
}

/// Which of so many shards an event belongs to: by the subject, so by the user.
pub(super) fn shard_index(event: &RecordedEvent, shards: usize) -> usize {
    let mut hasher = DefaultHasher::new();
    event.subject().hash(&mut hasher);
    (hasher.finish() % shards as u64) as usize
}

/// One thread's part of a batch.
pub(super) struct ShardFold<'f> {
    projection: &'f Projection,
    view: &'f View,
    shard: &'f mut Shard,
    parked_users: BTreeSet<UserRef>,
    /// Other systems are told of events received since then.
    publish_since: Option<Timestamp>,
    pub(super) outcomes: Vec<OutcomeNotice>,
    pub(super) changes: Vec<ChangeNotification>,
}

impl<'f> ShardFold<'f> {
    pub(super) fn new(
        folder: &'f Projection,
        view: &'f View,
        shard: &'f mut Shard,
        waiting: &BTreeSet<UserRef>,
        feed_since: Option<Timestamp>,
    ) -> Self {
        let mut waiting = waiting.clone();
        waiting.extend(shard.parked.iter().map(|poison| poison.user));
        Self {
            projection: folder,
            view,
            shard,
            parked_users: waiting,
            publish_since: feed_since,
            outcomes: Vec::new(),
            changes: Vec::new(),
        }
    }

    /// Folds an event, or has it wait.
    pub(super) fn fold(&mut self, ready: PreparedEvent) -> Result<(), FoldError> {
        let PreparedEvent { event, decrypted: opened, .. } = ready;
        if event.user().is_some_and(|user| self.view.is_account_closed(&user)) {
            return Ok(());
        }
        if !self.parked_users.is_empty() && event.user().is_some_and(|user| self.is_parked(&user)) {
            return Ok(());
        }
        let opened = opened.map_or_else(
            || self.projection.block_on(self.projection.decryptor.decrypt(&event)),
            |opened| *opened,
        );
        match opened {
            Ok(None) => Ok(()),
            Ok(Some(opened)) if self.is_parked(&opened.user()) => Ok(()),
            Ok(Some(FoldableEvent::Entry(event))) => self.fold_into_entry(event),
            Ok(Some(
                FoldableEvent::Discard(_) | FoldableEvent::Erasure(..) | FoldableEvent::Retention(_),
            )) => {
                unreachable!("BUG: a stretch has no event that is folded by itself")
            }
            Err(DecryptError::Unavailable) => Err(FoldError::Unavailable),
            Err(DecryptError::Poison(poison)) if self.is_parked(&poison.user) => Ok(()),
            Err(DecryptError::Poison(poison)) => self.park(poison),
        }
    }

    fn park(&mut self, poison: ParkedEvent) -> Result<(), FoldError> {
        self.projection.check_park_policy(&poison)?;
        self.parked_users.insert(poison.user);
        self.shard.parked.push(poison);
        Ok(())
    }

    /// Whether this user's events wait. What is filed under nobody belongs together by accident only.
    fn is_parked(&self, user: &UserRef) -> bool {
        *user != UserRef::SYSTEM && self.parked_users.contains(user)
    }

    /// Folds an event into its entry.
    fn fold_into_entry(&mut self, event: DecryptedEvent) -> Result<(), FoldError> {
        let key = event.payload.key(event.header.user);
        let pending = match self.shard.entries.entry(key) {
            Slot::Occupied(occupied) => occupied.into_mut(),
            Slot::Vacant(vacant) => {
                let old = self.view.entry(&key.encode())?.0;
                let read = match &old {
                    Some(sealed) => self
                        .projection
                        .block_on(read_any_entry(&key, sealed, &self.projection.decryptor.keys))
                        .map(Some),
                    None => Ok(None),
                };
                let now = match read {
                    Ok(now) => now,
                    // Its user is erased at this moment; the event that says so comes, and takes the entry along.
                    Err(ReadEntryError::Erased) => return Ok(()),
                    Err(ReadEntryError::KeyUnusable(why)) => {
                        return self.park(ParkedEvent::entry_key_failed(event.sequence, key.user(), &why));
                    }
                    Err(failure) => return Err(failure.into()),
                };
                vacant.insert(PendingEntry { old, current: now, data_key: event.data_key.clone() })
            }
        };
        let (now, outcome) = AnyEntry::fold(pending.current.take(), &event.payload, &event.metadata());
        pending.current = now;
        if self.publish_since.is_some_and(|since| event.header.time >= since) {
            self.changes.extend(published_change(&event, outcome));
        }
        if self.projection.is_collecting_outcomes {
            let folded = EventOutcome { event_id: event.header.id, sequence: event.sequence, outcome };
            self.outcomes.push(OutcomeNotice {
                outcome_to: event.outcome_to,
                stored_at: event.stored_at,
                folded,
            });
        }
        pending.data_key = event.data_key;
        Ok(())
    }
}
