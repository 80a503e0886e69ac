//! An export as the view keeps it ([`aggregates::export`] says what it is).

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use aggregates::export::{ExportState, ReadyExport, fold};
use events::{ChangeKind, ChangeTarget, ExportEvent};
use jiff::Timestamp;
use keys::UserRef;
use schemas::{Outcome, Sequence};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::view::ExportKey;
use crate::view_entry::stored_enums::StoredEnum;
use crate::view_entry::{ViewEntry, value_map};

const FORMAT: u8 = 1;

/// One byte of format, then postcard's encoding of this.
#[derive(Serialize, Deserialize)]
struct StoredExport {
    requested_at_ns: i128,
    /// Position, bytes, and when it is deleted.
    ready: Option<(u64, u64, i128)>,
    /// [`StoredEnum`] number of the failure.
    failed: Option<u8>,
}

impl ViewEntry for ExportState {
    type Key = ExportKey;
    type Payload = ExportEvent;

    fn key(user: UserRef, change: &Self::Payload) -> ExportKey {
        ExportKey { user, id: change.export_id() }
    }

    fn fold(before: Option<Self>, change: &Self::Payload, event: &EventMetadata) -> (Option<Self>, Outcome) {
        fold(before, change, event.time)
    }

    fn change_subject(change: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)> {
        let ExportEvent::Ready(ready) = change else { return None };
        let target = ChangeTarget { date: None, id: Some(ready.export_id.to_string()) };
        Some((ChangeKind::ExportReady, target))
    }

    fn encode(&self) -> Vec<u8> {
        let ready =
            |ready: ReadyExport| (ready.position.get(), ready.bytes, ready.deleted_at.as_nanosecond());
        let stored = StoredExport {
            requested_at_ns: self.requested_at.as_nanosecond(),
            ready: self.ready.map(ready),
            failed: self.failed.map(StoredEnum::to_u8),
        };
        postcard::to_extend(&stored, vec![FORMAT])
            .unwrap_or_else(|_| unreachable!("BUG: an export has no unwritable part"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, stored) = bytes.split_first()? else { return None };
        let (stored, []): (StoredExport, &[u8]) = postcard::take_from_bytes(stored).ok()? else {
            return None;
        };
        let time = |ns| Timestamp::from_nanosecond(ns).ok();
        let ready = match stored.ready {
            Some((position, bytes, deleted_at)) => {
                Some(ReadyExport { position: Sequence::new(position)?, bytes, deleted_at: time(deleted_at)? })
            }
            None => None,
        };
        let failed = StoredEnum::from_optional_u8(stored.failed)?;
        Some(Self { requested_at: time(stored.requested_at_ns)?, ready, failed })
    }

    fn field_values(&self) -> BTreeMap<String, Value> {
        value_map([
            ("requested_at", json!(self.requested_at)),
            ("position", json!(self.ready.map(|ready| ready.position))),
            ("bytes", json!(self.ready.map(|ready| ready.bytes))),
            ("deleted_at", json!(self.ready.map(|ready| ready.deleted_at))),
            ("failed", json!(self.failed)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use schemas::ExportFailure;

    use super::*;

    #[test]
    fn golden_bytes() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let ready = ReadyExport { position: Sequence::new(7).unwrap(), bytes: 300, deleted_at: at(2) };
        for (export, golden) in [
            (ExportState { requested_at: at(1), ready: None, failed: None }, "0180a8d6b9070000"),
            (
                ExportState { requested_at: at(1), ready: Some(ready), failed: None },
                "0180a8d6b9070107ac0280d0acf30e00",
            ),
            (
                ExportState { requested_at: at(1), ready: None, failed: Some(ExportFailure::NotMadeInTime) },
                "0180a8d6b907000100",
            ),
        ] {
            assert_eq!(data_encoding::HEXLOWER.encode(&export.encode()), golden);
            assert_eq!(ExportState::decode(&export.encode()), Some(export));
        }
        assert_eq!(ExportState::decode(&[2, 0, 0, 0]), None);
        // No variant has the number 1: it is rejected, not read as another.
        assert_eq!(
            ExportState::decode(&data_encoding::HEXLOWER.decode(b"0180a8d6b907000101").unwrap()),
            None
        );
    }
}
