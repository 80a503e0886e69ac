//! The latest report of each device of a user. The later event counts, whenever the phone made it: what a phone says of its
//! clock is worth no more than what it says of itself.

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use events::{ChangeKind, ChangeTarget};
use jiff::Timestamp;
use keys::{KeyHolder, UserRef};
use schemas::{DeviceReport, KeyStorage, Outcome, Sequence};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::view::DeviceReportKey;
use crate::view_entry::stored_enums::StoredEnum;
use crate::view_entry::{ViewEntry, value_map};

const FORMAT: u8 = 1;

/// What a device last said of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeviceReportEntry {
    pub(crate) report: DeviceReport,
    /// The event that it is from.
    pub(crate) sequence: Sequence,
    /// When that was received.
    pub(crate) received_at: Timestamp,
}

/// Of two reports the later one counts.
fn fold_report(
    before: Option<DeviceReportEntry>,
    reported: DeviceReportEntry,
) -> (DeviceReportEntry, Outcome) {
    match before {
        None => (reported, Outcome::Created),
        Some(before) if before.sequence > reported.sequence => (before, Outcome::Unchanged),
        Some(before) if before.report == reported.report => (reported, Outcome::Unchanged),
        Some(_) => (reported, Outcome::Merged),
    }
}

/// One byte of format, then postcard's encoding of this.
#[derive(Serialize, Deserialize)]
struct StoredReport<'b> {
    os_compromised: bool,
    key_storage: u8,
    #[serde(borrow)]
    app_version: &'b str,
    #[serde(borrow)]
    os: Option<&'b str>,
    #[serde(borrow)]
    os_version: &'b str,
    sequence: u64,
    received_at_ns: i128,
}

impl ViewEntry for DeviceReportEntry {
    type Key = DeviceReportKey;
    type Payload = (KeyHolder, DeviceReport);

    fn key(user: UserRef, (holder, _): &Self::Payload) -> DeviceReportKey {
        DeviceReportKey::new(user, *holder)
    }

    fn fold(
        before: Option<Self>,
        (_, report): &Self::Payload,
        event: &EventMetadata,
    ) -> (Option<Self>, Outcome) {
        let (report, sequence, received_at) = (report.clone(), event.sequence, event.time);
        let (report, outcome) = fold_report(before, Self { report, sequence, received_at });
        (Some(report), outcome)
    }

    fn change_subject(_: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)> {
        None
    }

    fn encode(&self) -> Vec<u8> {
        let report = &self.report;
        let stored = StoredReport {
            os_compromised: report.os_compromised,
            key_storage: report.key_storage.to_u8(),
            app_version: &report.app_version,
            os: report.os.as_deref(),
            os_version: &report.os_version,
            sequence: self.sequence.get(),
            received_at_ns: self.received_at.as_nanosecond(),
        };
        postcard::to_extend(&stored, vec![FORMAT])
            .unwrap_or_else(|_| unreachable!("BUG: a report has no unwritable part"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, stored) = bytes.split_first()? else { return None };
        let (stored, []): (StoredReport<'_>, &[u8]) = postcard::take_from_bytes(stored).ok()? else {
            return None;
        };
        let report = DeviceReport {
            os_compromised: stored.os_compromised,
            key_storage: KeyStorage::from_u8(stored.key_storage)?,
            app_version: stored.app_version.to_owned(),
            os: stored.os.map(str::to_owned),
            os_version: stored.os_version.to_owned(),
        };
        let received_at = Timestamp::from_nanosecond(stored.received_at_ns).ok()?;
        Some(Self { report, sequence: Sequence::new(stored.sequence)?, received_at })
    }

    fn field_values(&self) -> BTreeMap<String, Value> {
        value_map([
            ("os_compromised", json!(self.report.os_compromised)),
            ("key_storage", json!(self.report.key_storage)),
            ("app_version", json!(self.report.app_version)),
            ("os", json!(self.report.os)),
            ("os_version", json!(self.report.os_version)),
            ("sequence", json!(self.sequence)),
            ("received_at", json!(self.received_at)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(sequence: u64, app_version: &str) -> DeviceReportEntry {
        let report = DeviceReport {
            os_compromised: true,
            key_storage: KeyStorage::None,
            app_version: app_version.to_owned(),
            os: Some("ios".to_owned()),
            os_version: "26.1".to_owned(),
        };
        let received_at = Timestamp::from_second(1).unwrap();
        DeviceReportEntry { report, sequence: Sequence::new(sequence).unwrap(), received_at }
    }

    #[test]
    fn the_later_event_counts_in_whatever_order() {
        let (first, outcome) = fold_report(None, report(1, "4.2.0"));
        assert_eq!((&first, outcome), (&report(1, "4.2.0"), Outcome::Created));
        let (second, outcome) = fold_report(Some(first.clone()), report(2, "4.3.0"));
        assert_eq!((&second, outcome), (&report(2, "4.3.0"), Outcome::Merged));
        assert_eq!(fold_report(Some(second.clone()), first), (second.clone(), Outcome::Unchanged));
        let (same, outcome) = fold_report(Some(second), report(3, "4.3.0"));
        assert_eq!((same, outcome), (report(3, "4.3.0"), Outcome::Unchanged), "said once more");
    }

    #[test]
    fn golden_bytes() {
        // Written once by a second implementation of postcard's wire format, in Python.
        let golden =
            concat!("01", "01", "03", "05342e322e30", "0103696f73", "0432362e31", "e724", "80a8d6b907");
        assert_eq!(data_encoding::HEXLOWER.encode(&report(4711, "4.2.0").encode()), golden);
    }

    #[test]
    fn what_is_encoded_decodes_to_itself_and_nothing_else_does() {
        let bytes = report(4711, "4.2.0").encode();
        assert_eq!(DeviceReportEntry::decode(&bytes), Some(report(4711, "4.2.0")));
        assert_eq!(DeviceReportEntry::decode(&[&bytes[..], &[0]].concat()), None, "one too many");
        for cut in 0..bytes.len() {
            assert_eq!(DeviceReportEntry::decode(&bytes[..cut]), None, "cut to {cut}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_ne!(DeviceReportEntry::decode(&changed), Some(report(4711, "4.2.0")), "bit {bit}");
        }
    }
}
