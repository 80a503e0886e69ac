//! What a batch of events, or the repair of a user, changes in a view.

use std::sync::Arc;

use aggregates::Account;
use keys::UserRef;
use schemas::Sequence;

use super::accounts::account_key;
use super::parked::{parked_key, parked_value};
use super::{Discarded, Sealed, State};
use crate::digest::Sum;
use crate::poison::Poison;

/// Changes that are written together.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    written: Vec<(Vec<u8>, Sealed)>,
    removed: Vec<Vec<u8>>,
    sum: Sum,
    parked: Vec<Poison>,
    released: Vec<(UserRef, Option<Sequence>)>,
    discarded: Option<Discarded>,
    account: Option<(UserRef, Account)>,
}

impl Changes {
    /// Writes an entry in place of an old one, where there was one.
    pub(crate) fn write_entry(&mut self, key: Vec<u8>, old: Option<&Sealed>, new: Sealed) {
        self.take(old);
        self.sum = self.sum.plus(new.hash().unwrap_or_default());
        self.written.push((key, new));
    }

    /// Takes an entry away.
    pub(crate) fn remove_entry(&mut self, key: &[u8], old: &Sealed) {
        self.take(Some(old));
        self.removed.push(key.to_vec());
    }

    fn take(&mut self, old: Option<&Sealed>) {
        let hash = old.and_then(Sealed::hash).unwrap_or_default();
        self.sum = self.sum.minus(hash);
    }

    /// Has an event, and its user's later ones, wait.
    pub(crate) fn park(&mut self, poison: Poison) {
        self.parked.push(poison);
    }

    /// Nothing of this user waits any more, or not this event.
    pub(crate) fn release(&mut self, user: UserRef, sequence: Option<Sequence>) {
        self.released.push((user, sequence));
    }

    /// Leaves an event out from here on.
    pub(crate) fn discard(&mut self, discarded: Discarded) {
        self.discarded = Some(discarded);
    }

    /// Says where an account stands on its way out.
    pub(crate) fn set_account(&mut self, user: UserRef, account: Account) {
        self.account = Some((user, account));
    }

    /// Into the state and the batch: first what goes, then what comes.
    pub(super) fn write(self, state: &mut State, batch: &mut sled::Batch) {
        for key in self.removed {
            batch.remove(key);
        }
        for (key, value) in self.written {
            batch.insert(key, value.0);
        }
        state.meta.sum = state.meta.sum.plus(self.sum);
        for (user, only) in self.released {
            let is_released = |parked: &UserRef, sequence: &Sequence| {
                *parked == user && only.is_none_or(|only| only == *sequence)
            };
            let released: Vec<_> = state
                .parked
                .keys()
                .filter(|(parked, sequence)| is_released(parked, sequence))
                .copied()
                .collect();
            for (user, sequence) in released {
                state.parked.remove(&(user, sequence));
                batch.remove(parked_key(&user, sequence).as_slice());
            }
        }
        if let Some(discarded) = self.discarded {
            batch.insert(discarded.key().as_slice(), discarded.value());
            state.discarded.insert(discarded.sequence, discarded);
            if state.parked.remove(&(discarded.user, discarded.sequence)).is_some() {
                batch.remove(parked_key(&discarded.user, discarded.sequence).as_slice());
            }
        }
        if let Some((user, account)) = self.account {
            batch.insert(account_key(&user).as_slice(), account.encode());
            if account.is_closed() && !state.closed.contains(&user) {
                Arc::make_mut(&mut state.closed).insert(user);
            }
        }
        for poison in self.parked {
            batch.insert(parked_key(&poison.user, poison.sequence).as_slice(), parked_value(&poison));
            state.parked.insert((poison.user, poison.sequence), poison);
        }
    }
}
