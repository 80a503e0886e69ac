//! The key of an entry of any kind.

use keys::UserRef;

use super::device_report_key::DeviceReportKey;
use super::entity_keys::{ConnectionKey, DeviceKey, ExportKey};
use super::keys::EntryKey;
use super::row_key::RowKey;

/// A key of any kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnyKey {
    Row(RowKey),
    Device(DeviceKey),
    Connection(ConnectionKey),
    Report(DeviceReportKey),
    Export(ExportKey),
}

impl AnyKey {
    /// `None` for bytes that are no entry's key.
    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let row = RowKey::decode(key).map(Self::Row);
        let device = || DeviceKey::decode(key).map(Self::Device);
        let connection = || ConnectionKey::decode(key).map(Self::Connection);
        let report = || DeviceReportKey::decode(key).map(Self::Report);
        let export = || ExportKey::decode(key).map(Self::Export);
        row.or_else(device).or_else(connection).or_else(report).or_else(export)
    }

    pub(crate) fn user(&self) -> UserRef {
        match self {
            Self::Row(key) => key.user(),
            Self::Device(key) => key.user(),
            Self::Connection(key) => key.user(),
            Self::Report(key) => key.user(),
            Self::Export(key) => key.user(),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Self::Row(key) => key.name(),
            Self::Device(key) => key.name(),
            Self::Connection(key) => key.name(),
            Self::Report(key) => key.name(),
            Self::Export(key) => key.name(),
        }
    }
}
