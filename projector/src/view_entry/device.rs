//! A device as the view keeps it ([`aggregates::device`] says what it is).

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use aggregates::device::{DeviceState, fold};
use events::{ChangeKind, ChangeTarget, DeviceEvent};
use jiff::Timestamp;
use keys::UserRef;
use schemas::Outcome;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::view::DeviceKey;
use crate::view_entry::{ViewEntry, value_map};

const FORMAT: u8 = 1;

/// One byte of format, then postcard's encoding of this.
#[derive(Serialize, Deserialize)]
struct StoredDevice {
    key_id: Option<String>,
    enrolled_at_ns: Option<i128>,
    revoked_at_ns: Option<i128>,
}

impl ViewEntry for DeviceState {
    type Key = DeviceKey;
    type Payload = DeviceEvent;

    fn key(user: UserRef, change: &Self::Payload) -> DeviceKey {
        DeviceKey { user, id: change.device_id() }
    }

    fn fold(before: Option<Self>, change: &Self::Payload, event: &EventMetadata) -> (Option<Self>, Outcome) {
        let (device, outcome) = fold(before, change, event.time);
        (Some(device), outcome)
    }

    fn change_subject(_: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)> {
        None
    }

    fn encode(&self) -> Vec<u8> {
        let stored = StoredDevice {
            key_id: self.key_id.map(|key_id| key_id.to_string()),
            enrolled_at_ns: self.enrolled_at.map(Timestamp::as_nanosecond),
            revoked_at_ns: self.revoked_at.map(Timestamp::as_nanosecond),
        };
        postcard::to_extend(&stored, vec![FORMAT])
            .unwrap_or_else(|_| unreachable!("BUG: a device has no unwritable part"))
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (&FORMAT, stored) = bytes.split_first()? else { return None };
        let (stored, []): (StoredDevice, &[u8]) = postcard::take_from_bytes(stored).ok()? else {
            return None;
        };
        let time = |ns: Option<i128>| ns.map(Timestamp::from_nanosecond).transpose().ok();
        Some(Self {
            key_id: stored.key_id.map(|key_id| key_id.parse()).transpose().ok()?,
            enrolled_at: time(stored.enrolled_at_ns)?,
            revoked_at: time(stored.revoked_at_ns)?,
        })
    }

    fn field_values(&self) -> BTreeMap<String, Value> {
        value_map([
            ("key_id", json!(self.key_id.map(|key_id| key_id.to_string()))),
            ("enrolled_at", json!(self.enrolled_at)),
            ("revoked_at", json!(self.revoked_at)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use keys::{DeviceId, SigningKeyId};

    use super::*;

    fn key(version: u32) -> SigningKeyId {
        format!("{version}.{}", DeviceId::from_bytes([0xab; 16])).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn golden_bytes() {
        let device = DeviceState { key_id: Some(key(2)), enrolled_at: Some(at(1)), revoked_at: None };
        let golden = concat!(
            "01",
            "011c",
            "322e766f7632786b356c766f7632786b356c766f7632786b356c766d",
            "0180a8d6b907",
            "00"
        );
        assert_eq!(data_encoding::HEXLOWER.encode(&device.encode()), golden);
        assert_eq!(DeviceState::decode(&device.encode()), Some(device));
    }

    #[test]
    fn other_bytes_are_no_device() {
        let bytes = DeviceState::default().encode();
        for wrong in
            [vec![], vec![2], bytes[..2].to_vec(), [&bytes[..], &[0]].concat(), [&[2], &bytes[1..]].concat()]
        {
            assert_eq!(DeviceState::decode(&wrong), None, "{wrong:?}");
        }
    }
}
