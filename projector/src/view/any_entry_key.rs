//! The entry kinds of a view, listed once, and the key of an entry of any kind.

use keys::UserRef;

use super::device_report_key::DeviceReportKey;
use super::entity_keys::{ConnectionKey, DeviceKey, ExportKey};
use super::keys::{EntryKey, KeyKind};
use super::row_key::RowKey;

/// The table: `Kind(key, entry);`, ascending by [`KeyKind`]. The keys are made from it here, the entries in `view_entry`.
/// A new kind is one line here, its file, and its [`KeyKind`].
macro_rules! entry_table {
    ($define:ident) => {
        $define! {
            /// A day's values.
            Row(RowKey, Row);
            /// A device and its signing key.
            Device(DeviceKey, DeviceState);
            /// A connection to a provider.
            Connection(ConnectionKey, ConnectionState);
            /// A device's latest report.
            DeviceReport(DeviceReportKey, DeviceReportEntry);
            /// An export of the user's data.
            Export(ExportKey, ExportState);
        }
    };
}
pub(crate) use entry_table;

macro_rules! define_keys {
    ($($(#[$doc:meta])* $kind:ident($key:ty, $entry:ident);)*) => {
        /// The key of an entry of any kind. Sorts like its bytes.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(crate) enum AnyEntryKey { $($(#[$doc])* $kind($key),)* }

        impl AnyEntryKey {
            /// The key kinds of entries, ascending: the digest, comparing and repairing go through them.
            pub(crate) const KINDS: &'static [KeyKind] = &[$(<$key as EntryKey>::KIND,)*];

            /// `None` for bytes that are no entry's key.
            pub(crate) fn decode(key: &[u8]) -> Option<Self> {
                None$(.or_else(|| <$key as EntryKey>::decode(key).map(Self::$kind)))*
            }

            pub(crate) fn encode(&self) -> Vec<u8> {
                match self { $(Self::$kind(key) => key.encode(),)* }
            }

            pub(crate) fn user(&self) -> UserRef {
                match self { $(Self::$kind(key) => key.user(),)* }
            }

            /// The name shown to an operator: a date, an id.
            pub(crate) fn name(&self) -> String {
                match self { $(Self::$kind(key) => key.name(),)* }
            }
        }
    };
}

entry_table!(define_keys);

#[cfg(test)]
mod tests {
    use keys::{ConnectionId, DeviceId, ExportId, KeyHolder};
    use proptest::prelude::*;

    use super::*;

    fn any_key() -> impl Strategy<Value = AnyEntryKey> {
        (0..6u8, 0..3u8, 0..3u8, 1..4i8).prop_map(|(kind, user, id, day)| {
            let user = UserRef::from_bytes([user; 16]);
            let device = DeviceId::from_bytes([id; 16]);
            match kind {
                0 => AnyEntryKey::Row(RowKey { user, date: jiff::civil::date(2026, 2, day) }),
                1 => AnyEntryKey::Device(DeviceKey { user, id: device }),
                2 => AnyEntryKey::Connection(ConnectionKey { user, id: ConnectionId::from_bytes([id; 16]) }),
                3 => AnyEntryKey::DeviceReport(DeviceReportKey::new(user, KeyHolder::Device(device))),
                4 => AnyEntryKey::DeviceReport(DeviceReportKey::new(user, KeyHolder::User)),
                _ => AnyEntryKey::Export(ExportKey { user, id: ExportId::from_bytes([id; 16]) }),
            }
        })
    }

    #[test]
    fn kinds_are_as_stored() {
        let numbers: Vec<u8> = AnyEntryKey::KINDS.iter().map(|kind| *kind as u8).collect();
        assert_eq!(numbers, [1, 2, 5, 6, 8], "ascending: pages of all kinds rely on it");
    }

    proptest! {
        #[test]
        fn keys_read_back_and_sort_like_their_bytes(one in any_key(), other in any_key()) {
            prop_assert_eq!(AnyEntryKey::decode(&one.encode()), Some(one));
            prop_assert_eq!(one.cmp(&other), one.encode().cmp(&other.encode()));
        }
    }
}
