//! What a batch of events, or the repair of a user, changes in a view.

use std::sync::Arc;

use aggregates::AccountErasure;
use keys::UserRef;
use schemas::Sequence;

use super::accounts::account_key;
use super::parked_events::{DiscardedEvent, encode_parked_key, encode_parked_value};
use super::sealed_value::SealedValue;
use super::state::State;
use crate::parked_event::ParkedEvent;
use crate::view_digest::DigestSum;

/// Changes that are written together.
#[derive(Debug, Default)]
pub(crate) struct ViewChanges {
    written: Vec<(Vec<u8>, SealedValue)>,
    removed: Vec<Vec<u8>>,
    sum: DigestSum,
    parked: Vec<ParkedEvent>,
    released: Vec<(UserRef, Option<Sequence>)>,
    discarded: Option<DiscardedEvent>,
    account: Option<(UserRef, AccountErasure)>,
}

impl ViewChanges {
    /// Writes an entry in place of an old one, where there was one.
    pub(crate) fn write_entry(&mut self, key: Vec<u8>, old: Option<&SealedValue>, new: SealedValue) {
        self.subtract_hash(old);
        self.sum = self.sum.wrapping_add(new.hash().unwrap_or_default());
        self.written.push((key, new));
    }

    /// Takes an entry away.
    pub(crate) fn remove_entry(&mut self, key: &[u8], old: &SealedValue) {
        self.subtract_hash(Some(old));
        self.removed.push(key.to_vec());
    }

    fn subtract_hash(&mut self, old: Option<&SealedValue>) {
        let hash = old.and_then(SealedValue::hash).unwrap_or_default();
        self.sum = self.sum.wrapping_sub(hash);
    }

    /// Has an event, and its user's later ones, wait.
    pub(crate) fn park(&mut self, poison: ParkedEvent) {
        self.parked.push(poison);
    }

    /// Nothing of this user waits any more, or not this event.
    pub(crate) fn unpark(&mut self, user: UserRef, sequence: Option<Sequence>) {
        self.released.push((user, sequence));
    }

    /// Leaves an event out from here on.
    pub(crate) fn discard(&mut self, discarded: DiscardedEvent) {
        self.discarded = Some(discarded);
    }

    /// Says where an account stands on its way out.
    pub(crate) fn set_account(&mut self, user: UserRef, account: AccountErasure) {
        self.account = Some((user, account));
    }

    /// Into the state and the batch: first what goes, then what comes.
    pub(super) fn write_to(self, state: &mut State, batch: &mut sled::Batch) {
        for key in self.removed {
            batch.remove(key);
        }
        for (key, value) in self.written {
            batch.insert(key, value.0);
        }
        state.meta.sum = state.meta.sum.wrapping_add(self.sum);
        for (user, only) in self.released {
            let is_released = |parked: &UserRef, sequence: &Sequence| {
                *parked == user && only.is_none_or(|only| only == *sequence)
            };
            let released: Vec<_> = state
                .parked_events
                .keys()
                .filter(|(parked, sequence)| is_released(parked, sequence))
                .copied()
                .collect();
            for (user, sequence) in released {
                Arc::make_mut(&mut state.parked_events).remove(&(user, sequence));
                batch.remove(encode_parked_key(&user, sequence).as_slice());
            }
        }
        if let Some(discarded) = self.discarded {
            batch.insert(discarded.encode_key().as_slice(), discarded.encode_value());
            Arc::make_mut(&mut state.discarded_events).insert(discarded.sequence, discarded);
            let parked = (discarded.user, discarded.sequence);
            if Arc::make_mut(&mut state.parked_events).remove(&parked).is_some() {
                batch.remove(encode_parked_key(&discarded.user, discarded.sequence).as_slice());
            }
        }
        if let Some((user, account)) = self.account {
            batch.insert(account_key(&user).as_slice(), account.encode());
            if account.is_closed() && !state.closed_accounts.contains(&user) {
                Arc::make_mut(&mut state.closed_accounts).insert(user);
            }
        }
        for poison in self.parked {
            batch.insert(
                encode_parked_key(&poison.user, poison.sequence).as_slice(),
                encode_parked_value(&poison),
            );
            Arc::make_mut(&mut state.parked_events).insert((poison.user, poison.sequence), poison);
        }
    }
}
