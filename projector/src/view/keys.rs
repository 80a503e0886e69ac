//! The keys of entries, whichever kind. The numbers before every key are persisted: append, never change.
//!
//! Connections, reports, accounts and exports came later than the view's format 2 and the fold's version 1, and raised
//! neither: no log from before has events of theirs, so a view from before is what its log folds to.

use std::hash::Hash;

use keys::UserRef;

pub(super) const KEY_META: u8 = 0;
pub(super) const KEY_ROW: u8 = 1;
pub(super) const KEY_DEVICE: u8 = 2;
pub(super) const KEY_PARKED: u8 = 3;
pub(super) const KEY_DISCARDED: u8 = 4;
pub(super) const KEY_CONNECTION: u8 = 5;
pub(super) const KEY_REPORT: u8 = 6;
pub(super) const KEY_ACCOUNT: u8 = 7;
pub(super) const KEY_EXPORT: u8 = 8;

/// The kinds of sealed entries, ascending: what the digest is of, and what comparing and repairing go through.
pub(super) const ENTRY_KEY_KINDS: [u8; 5] = [KEY_ROW, KEY_DEVICE, KEY_CONNECTION, KEY_REPORT, KEY_EXPORT];

/// The key of one kind of entries: its number, the user ref (16), and what tells the user's entries of that kind apart.
pub(crate) trait EntryKey: Copy + Ord + Hash {
    /// The number before the key.
    const KIND: u8;

    /// Whose.
    fn user(&self) -> UserRef;

    /// What a person is told it is: a date, an id.
    fn name(&self) -> String;

    /// Sorts by user first.
    fn encode(&self) -> Vec<u8>;

    /// `None` for bytes that are no key of this kind.
    fn decode(key: &[u8]) -> Option<Self>;
}

/// What every key of a user's entries of one kind begins with.
pub(super) fn user_prefix(kind: u8, user: UserRef) -> [u8; 17] {
    let mut prefix = [kind; 17];
    prefix[1..].copy_from_slice(user.as_bytes());
    prefix
}

/// The user of a key of this kind, and what stands behind.
pub(super) fn split_user(kind: u8, key: &[u8]) -> Option<(UserRef, &[u8])> {
    let (user, rest) = key.strip_prefix(&[kind])?.split_first_chunk::<16>()?;
    Some((UserRef::from_bytes(*user), rest))
}
