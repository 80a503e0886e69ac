//! What every kind of entry has in common: how it is known, folded, told of, written and read. A batch, a repair, a
//! comparison and a question go through all kinds by this, so that none is forgotten.

pub(crate) mod connection;
pub(crate) mod device;
pub(crate) mod device_report;
pub(crate) mod export;
pub(crate) mod row;
pub(crate) mod stored_enums;

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use aggregates::connection::ConnectionState;
use aggregates::device::DeviceState;
use aggregates::export::ExportState;
use aggregates::row::Row;
use events::{ChangeKind, ChangeTarget};
use keys::UserRef;
use schemas::Outcome;
use serde_json::Value;

use self::device_report::DeviceReportEntry;
use crate::view::{AnyEntryKey, EntryKey, entry_table};

/// One kind of sealed entry of the view: a row, a device, a connection, a report.
pub(crate) trait ViewEntry: Sized {
    type Key: EntryKey;
    /// The part of an event that is folded into it.
    type Payload;

    /// The key of the entry that an event of this user is folded into.
    fn key(user: UserRef, payload: &Self::Payload) -> Self::Key;

    /// Folds an event. `None` if there is still no entry.
    fn fold(before: Option<Self>, payload: &Self::Payload, event: &EventMetadata) -> (Option<Self>, Outcome);

    /// The change that other systems are notified of, if such an event causes one.
    fn change_subject(payload: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)>;

    /// The plain bytes: one byte of format, and the rest.
    fn encode(&self) -> Vec<u8>;

    /// `None` for bytes that are not those of such an entry.
    fn decode(bytes: &[u8]) -> Option<Self>;

    /// Everything that it holds, by name.
    fn field_values(&self) -> BTreeMap<String, Value>;
}

macro_rules! define_entries {
    ($($(#[$doc:meta])* $kind:ident($key:ident, $entry:ty);)*) => {
        /// The part of an event that is folded into one entry.
        pub(crate) enum EntryPayload { $($(#[$doc])* $kind(<$entry as ViewEntry>::Payload),)* }

        /// An entry of any kind.
        pub(crate) enum AnyEntry { $($(#[$doc])* $kind($entry),)* }

        impl EntryPayload {
            pub(crate) fn key(&self, user: UserRef) -> AnyEntryKey {
                match self {
                    $(Self::$kind(payload) => AnyEntryKey::$kind(<$entry as ViewEntry>::key(user, payload)),)*
                }
            }

            pub(crate) fn change_subject(&self) -> Option<(ChangeKind, ChangeTarget)> {
                match self { $(Self::$kind(payload) => <$entry as ViewEntry>::change_subject(payload),)* }
            }
        }

        impl AnyEntry {
            pub(crate) fn fold(
                before: Option<Self>,
                payload: &EntryPayload,
                event: &EventMetadata,
            ) -> (Option<Self>, Outcome) {
                match payload {
                    $(EntryPayload::$kind(payload) => {
                        let before = before.map(|entry| {
                            let Self::$kind(entry) = entry else {
                                unreachable!("BUG: an entry is stored under another kind's key")
                            };
                            entry
                        });
                        let (entry, outcome) = <$entry as ViewEntry>::fold(before, payload, event);
                        (entry.map(Self::$kind), outcome)
                    })*
                }
            }

            pub(crate) fn encode(&self) -> Vec<u8> {
                match self { $(Self::$kind(entry) => <$entry as ViewEntry>::encode(entry),)* }
            }

            /// `None` for bytes that are not those of an entry of the key's kind.
            pub(crate) fn decode(key: &AnyEntryKey, bytes: &[u8]) -> Option<Self> {
                match key {
                    $(AnyEntryKey::$kind(_) => <$entry as ViewEntry>::decode(bytes).map(Self::$kind),)*
                }
            }

            /// Everything that it holds, by name.
            pub(crate) fn field_values(&self) -> BTreeMap<String, Value> {
                match self { $(Self::$kind(entry) => <$entry as ViewEntry>::field_values(entry),)* }
            }
        }
    };
}

entry_table!(define_entries);

/// Values by their names.
pub(crate) fn value_map<const N: usize>(values: [(&str, Value); N]) -> BTreeMap<String, Value> {
    values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use keys::{ConnectionId, DeviceId, ExportId, KeyHolder};
    use schemas::{ConnectionStatus, DeviceReport, KeyStorage, Sequence};

    use super::*;
    use crate::view::{ConnectionKey, DeviceKey, DeviceReportKey, ExportKey, RowKey};

    fn entries() -> [(AnyEntryKey, AnyEntry); 5] {
        let user = UserRef::from_bytes([7; 16]);
        let at = Timestamp::from_second(1).unwrap();
        let body = r#"{"date":"2026-02-16","generated_at":"2026-02-16T20:00:00Z","steps":9000}"#;
        let summary = schemas::Summary::parse_accepted(body.as_bytes()).unwrap();
        let event = EventMetadata {
            event_id: schemas::EventId::new(1, [7; 10]),
            sequence: Sequence::FIRST,
            time: at,
        };
        let row = <Row as ViewEntry>::fold(None, &summary, &event).0.unwrap();
        let connection = ConnectionState {
            provider: "fitbit".to_owned(),
            redirect_uri: "myapp://connected".to_owned(),
            status: ConnectionStatus::Pending,
            reason: None,
            scopes: None,
            provider_user: None,
            created_at: at,
            authorized_at: None,
            access_until: None,
            needs_reauth_at: None,
            revoked_at: None,
            at_provider: None,
        };
        let report = DeviceReport {
            os_compromised: true,
            key_storage: KeyStorage::None,
            app_version: "4.2.0".to_owned(),
            os: None,
            os_version: "26.1".to_owned(),
        };
        let report = DeviceReportEntry { report, sequence: Sequence::FIRST, received_at: at };
        let device = DeviceState { key_id: None, enrolled_at: Some(at), revoked_at: None };
        let export = ExportState { requested_at: at, ready: None, failed: None };
        [
            (AnyEntryKey::Row(RowKey { user, date: summary.date }), AnyEntry::Row(row)),
            (
                AnyEntryKey::Device(DeviceKey { user, id: DeviceId::from_bytes([1; 16]) }),
                AnyEntry::Device(device),
            ),
            (
                AnyEntryKey::Connection(ConnectionKey { user, id: ConnectionId::from_bytes([1; 16]) }),
                AnyEntry::Connection(connection),
            ),
            (
                AnyEntryKey::DeviceReport(DeviceReportKey::new(user, KeyHolder::User)),
                AnyEntry::DeviceReport(report),
            ),
            (
                AnyEntryKey::Export(ExportKey { user, id: ExportId::from_bytes([1; 16]) }),
                AnyEntry::Export(export),
            ),
        ]
    }

    #[test]
    fn an_entry_of_any_kind_reads_back_by_its_key() {
        for (key, entry) in entries() {
            let read = AnyEntry::decode(&key, &entry.encode());
            let read = read.unwrap_or_else(|| panic!("{key:?}"));
            assert_eq!(read.field_values(), entry.field_values(), "{key:?}");
        }
    }
}
