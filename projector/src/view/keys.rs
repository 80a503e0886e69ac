//! The keys of a view.
//!
//! Connections, reports, accounts and exports came later than the view's format 2 and the fold's version 1, and raised
//! neither: no log from before has events of theirs, so a view from before is what its log folds to.

use std::hash::Hash;

use keys::UserRef;

/// The kinds of keys in a view. The number is the first byte of the key. Stored: append, never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum KeyKind {
    /// Key: `00`. Value: format, fold version, position, tree, sum, and identity of the log ([`super::meta`]).
    Meta = 0,
    /// Key: `01` user ref (16) year + 10,000 (2) month (1) day (1). Value: sealed row ([`super::sealed_value`]).
    Row = 1,
    /// Key: `02` user ref (16) device id (16). Value: sealed device.
    Device = 2,
    /// Key: `03` user ref (16) sequence (8). Value: format (1), reason (1), detail (text) ([`super::parked_events`]).
    Parked = 3,
    /// Key: `04` sequence (8). Value: format (1), user ref (16), sequence of the discarding event (8).
    Discarded = 4,
    /// Key: `05` user ref (16) connection id (16). Value: sealed connection.
    Connection = 5,
    /// Key: `06` user ref (16), then `00`, or `01` device id (16). Value: sealed device report.
    DeviceReport = 6,
    /// Key: `07` user ref (16). Value: format (1), [`aggregates::AccountErasure`] as plaintext JSON.
    Account = 7,
    /// Key: `08` user ref (16) export id (16). Value: sealed export.
    Export = 8,
}

impl KeyKind {
    /// The first byte of every key of this kind.
    pub(super) const fn prefix(self) -> [u8; 1] {
        [self as u8]
    }
}

/// The key of one kind of entries: its number, the user ref (16), and what tells the user's entries of that kind apart.
pub(crate) trait EntryKey: Copy + Ord + Hash {
    const KIND: KeyKind;

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
pub(super) fn user_prefix(kind: KeyKind, user: UserRef) -> [u8; 17] {
    let mut prefix = [kind as u8; 17];
    prefix[1..].copy_from_slice(user.as_bytes());
    prefix
}

/// The user of a key of this kind, and what stands behind.
pub(super) fn split_user(kind: KeyKind, key: &[u8]) -> Option<(UserRef, &[u8])> {
    let (user, rest) = key.strip_prefix(&kind.prefix())?.split_first_chunk::<16>()?;
    Some((UserRef::from_bytes(*user), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_stored() {
        let stored = [
            (KeyKind::Meta, 0),
            (KeyKind::Row, 1),
            (KeyKind::Device, 2),
            (KeyKind::Parked, 3),
            (KeyKind::Discarded, 4),
            (KeyKind::Connection, 5),
            (KeyKind::DeviceReport, 6),
            (KeyKind::Account, 7),
            (KeyKind::Export, 8),
        ];
        for (kind, number) in stored {
            assert_eq!(kind.prefix(), [number], "{kind:?}");
        }
    }
}
