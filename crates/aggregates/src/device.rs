//! The fold of a user's devices, as pure as that of the rows: enrolled, given a newer key, revoked for good.

use events::DeviceEvent;
use jiff::Timestamp;
use keys::{DeviceId, SigningKeyId};
use schemas::{DeviceDocument, Outcome};

/// What is known of a device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceState {
    /// Its newest key.
    pub key_id: Option<SigningKeyId>,
    /// When it was given its first.
    pub enrolled_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// Folds an event. Of several keys the newest counts, of several revocations the first.
pub fn fold(device: Option<DeviceState>, event: &DeviceEvent, time: Timestamp) -> (DeviceState, Outcome) {
    let should_send = device.is_none();
    let before = device.unwrap_or_default();
    let mut after = before.clone();
    match event {
        DeviceEvent::Enrolled(enrolled) => {
            let key_id = enrolled.key_id;
            after.enrolled_at = before.enrolled_at.or(Some(time));
            if before.key_id.is_none_or(|known| known.version() < key_id.version()) {
                after.key_id = Some(key_id);
            }
        }
        DeviceEvent::Revoked(_) => after.revoked_at = before.revoked_at.or(Some(time)),
    }
    let outcome = match (should_send, after == before) {
        (true, _) => Outcome::Created,
        (false, true) => Outcome::Unchanged,
        (false, false) => Outcome::Merged,
    };
    (after, outcome)
}

/// As its owner sees it.
pub fn document(id: DeviceId, device: &DeviceState) -> DeviceDocument {
    DeviceDocument {
        device_id: id.to_string(),
        key_id: device.key_id.map(|key_id| key_id.to_string()),
        enrolled_at: device.enrolled_at,
        revoked_at: device.revoked_at,
        position: None,
    }
}

#[cfg(test)]
mod tests {
    use events::{DeviceEnrolled, DeviceRevoked};

    use super::*;

    fn device_id() -> DeviceId {
        DeviceId::from_bytes([0xab; 16])
    }

    fn enrolled(version: u32) -> DeviceEvent {
        DeviceEvent::Enrolled(DeviceEnrolled { device: device_id(), key_id: key(version), token_id: None })
    }

    fn revoked() -> DeviceEvent {
        DeviceEvent::Revoked(DeviceRevoked { device: device_id(), token_id: None })
    }

    fn key(version: u32) -> SigningKeyId {
        format!("{version}.{}", device_id()).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_device_is_enrolled_renewed_and_revoked_for_good() {
        let (device, outcome) = fold(None, &enrolled(1), at(1));
        assert_eq!(
            (device.key_id, device.enrolled_at, outcome),
            (Some(key(1)), Some(at(1)), Outcome::Created)
        );
        let (device, outcome) = fold(Some(device), &enrolled(2), at(2));
        assert_eq!(
            (device.key_id, device.enrolled_at, outcome),
            (Some(key(2)), Some(at(1)), Outcome::Merged)
        );
        let (device, outcome) = fold(Some(device), &enrolled(1), at(3));
        assert_eq!((device.key_id, outcome), (Some(key(2)), Outcome::Unchanged));
        let (device, outcome) = fold(Some(device), &revoked(), at(4));
        assert_eq!((device.revoked_at, outcome), (Some(at(4)), Outcome::Merged));
        for change in [revoked(), enrolled(2)] {
            let (again, outcome) = fold(Some(device.clone()), &change, at(5));
            assert_eq!((again, outcome), (device.clone(), Outcome::Unchanged));
        }
    }
}
