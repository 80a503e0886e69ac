//! What every kind of entry has in common: how it is known, folded, told of, written and read. A batch, a repair, a
//! comparison and a question go through all kinds by this, so that none is forgotten.

pub(crate) mod connection;
pub(crate) mod device;
pub(crate) mod device_report;
pub(crate) mod export;
pub(crate) mod row;
pub(crate) mod stored_enums;

use std::collections::BTreeMap;

use events::{ChangeKind, ChangeTarget};
use keys::UserRef;
use schemas::Outcome;
use serde_json::Value;

use crate::decrypted_event::DecryptedEvent;
use crate::view::EntryKey;

/// One kind of sealed entry of the view: a row, a device, a connection, a report.
pub(crate) trait ViewEntry: Sized {
    type Key: EntryKey;
    /// What an event says of it.
    type Payload;

    /// Which entry an event of this user is about.
    fn key(user: UserRef, said: &Self::Payload) -> Self::Key;

    /// Folds an event. `None` where there is still nothing.
    fn fold(before: Option<Self>, event: &DecryptedEvent<Self::Payload>) -> (Option<Self>, Outcome);

    /// What other systems are told of what such an event did, where they are told of it.
    fn change_subject(said: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)>;

    /// The plain bytes: one byte of format, and the rest.
    fn encode(&self) -> Vec<u8>;

    /// `None` for bytes that are not those of such an entry.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Everything that it holds, by name.
    fn field_values(&self) -> BTreeMap<String, Value>;
}

/// Values by their names.
pub(crate) fn value_map<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, Value> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
