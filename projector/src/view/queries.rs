//! What is read of a view's store.

use std::ops::Bound;

use aggregates::AccountErasure;
use jiff::civil::Date;
use keys::UserRef;
use schemas::Sequence;

use super::accounts::account_key;
use super::any_entry_key::AnyEntryKey;
use super::error::ViewError;
use super::keys::{EntryKey, KeyKind, user_prefix};
use super::row_key::RowKey;
use super::sealed_value::SealedValue;
use super::{AtPosition, View};

/// An entry as it is stored.
pub(crate) type StoredEntry = (Vec<u8>, SealedValue);

impl View {
    /// One entry and the position it reflects.
    pub(crate) fn entry(&self, key: &[u8]) -> Result<AtPosition<Option<SealedValue>>, ViewError> {
        let state = self.state();
        let found = self.store.get(key).map_err(|error| self.store_error(error))?;
        Ok((found.map(|value| SealedValue(value.to_vec())), Sequence::new(state.meta.tree.size())))
    }

    /// A user's rows from one date to another, both inclusive, and the position that they reflect.
    pub(crate) fn rows(
        &self,
        user: UserRef,
        from: Date,
        to: Date,
    ) -> Result<AtPosition<Vec<(Date, SealedValue)>>, ViewError> {
        let state = self.state();
        let range = RowKey { user, date: from }.encode()..=RowKey { user, date: to }.encode();
        let mut rows = Vec::new();
        for entry in self.store.range(range) {
            let (key, row) = entry.map_err(|error| self.store_error(error))?;
            if let Some(key) = RowKey::decode(&key) {
                rows.push((key.date, SealedValue(row.to_vec())));
            }
        }
        Ok((rows, Sequence::new(state.meta.tree.size())))
    }

    /// A user's entries of one kind, at most so many, and the position that they reflect.
    pub(crate) fn entries_of_user<K: EntryKey>(
        &self,
        user: UserRef,
        entries_max: usize,
    ) -> Result<AtPosition<Vec<(K, SealedValue)>>, ViewError> {
        let state = self.state();
        let mut entries = Vec::new();
        for entry in self.store.scan_prefix(user_prefix(K::KIND, user)).take(entries_max) {
            let (key, value) = entry.map_err(|error| self.store_error(error))?;
            if let Some(key) = K::decode(&key) {
                entries.push((key, SealedValue(value.to_vec())));
            }
        }
        Ok((entries, Sequence::new(state.meta.tree.size())))
    }

    /// All of a user's entries, of every kind.
    pub(crate) fn all_entries_of_user(&self, user: UserRef) -> Result<Vec<StoredEntry>, ViewError> {
        let of_kind = |kind| self.store.scan_prefix(user_prefix(kind, user));
        AnyEntryKey::KINDS.iter().copied().flat_map(of_kind).map(|entry| self.stored_entry(entry)).collect()
    }

    /// Some entries behind a key, in the keys' order, of every kind.
    pub(crate) fn entries(
        &self,
        after: Option<&[u8]>,
        entries_max: usize,
    ) -> Result<Vec<StoredEntry>, ViewError> {
        let mut entries = Vec::new();
        for kind in AnyEntryKey::KINDS.iter().copied() {
            entries.extend(self.entries_with_kind(kind, after, entries_max - entries.len())?);
            if entries.len() == entries_max {
                break;
            }
        }
        Ok(entries)
    }

    /// Some entries of one kind behind a key.
    pub(crate) fn entries_of_kind<K: EntryKey>(
        &self,
        after: Option<&[u8]>,
        entries_max: usize,
    ) -> Result<Vec<StoredEntry>, ViewError> {
        self.entries_with_kind(K::KIND, after, entries_max)
    }

    fn entries_with_kind(
        &self,
        kind: KeyKind,
        after: Option<&[u8]>,
        entries_max: usize,
    ) -> Result<Vec<StoredEntry>, ViewError> {
        let (begin, end) = (kind.prefix(), [kind as u8 + 1]);
        let from = match after {
            Some(after) if after >= &end[..] => return Ok(Vec::new()),
            Some(after) if after >= &begin[..] => Bound::Excluded(after),
            Some(_) | None => Bound::Included(&begin[..]),
        };
        let until = Bound::Excluded(&end[..]);
        let found = self.store.range::<&[u8], _>((from, until)).take(entries_max);
        found.map(|entry| self.stored_entry(entry)).collect()
    }

    fn stored_entry(&self, entry: sled::Result<(sled::IVec, sled::IVec)>) -> Result<StoredEntry, ViewError> {
        let (key, value) = entry.map_err(|error| self.store_error(error))?;
        Ok((key.to_vec(), SealedValue(value.to_vec())))
    }

    /// Whether the account is being erased, or was.
    pub(crate) fn is_account_closed(&self, user: &UserRef) -> bool {
        self.state().closed_accounts.contains(user)
    }

    /// Where an account stands on its way out; `None` for one that is not.
    pub(crate) fn account(&self, user: &UserRef) -> Result<Option<AccountErasure>, ViewError> {
        let found = self.store.get(account_key(user)).map_err(|error| self.store_error(error))?;
        Ok(found.and_then(|value| AccountErasure::decode(&value)))
    }
}
