//! The fold of a user's devices, as pure as that of the rows: enrolled, given a newer key, revoked for good.

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

/// What happened to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeviceChange {
    /// It was given this key.
    Enrolled(SigningKeyId),
    /// Its keys are good no more.
    Revoked,
}

/// Folds a change. Of several keys the newest counts, of several revocations the first.
pub fn fold(device: Option<DeviceState>, change: DeviceChange, time: Timestamp) -> (DeviceState, Outcome) {
    let should_send = device.is_none();
    let before = device.unwrap_or_default();
    let mut after = before.clone();
    match change {
        DeviceChange::Enrolled(key_id) => {
            after.enrolled_at = before.enrolled_at.or(Some(time));
            if before.key_id.is_none_or(|known| known.version() < key_id.version()) {
                after.key_id = Some(key_id);
            }
        }
        DeviceChange::Revoked => after.revoked_at = before.revoked_at.or(Some(time)),
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
    use super::*;

    fn key(version: u32) -> SigningKeyId {
        format!("{version}.{}", DeviceId::from_bytes([0xab; 16])).parse().unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_device_is_enrolled_renewed_and_revoked_for_good() {
        let (device, outcome) = fold(None, DeviceChange::Enrolled(key(1)), at(1));
        assert_eq!(
            (device.key_id, device.enrolled_at, outcome),
            (Some(key(1)), Some(at(1)), Outcome::Created)
        );
        let (device, outcome) = fold(Some(device), DeviceChange::Enrolled(key(2)), at(2));
        assert_eq!(
            (device.key_id, device.enrolled_at, outcome),
            (Some(key(2)), Some(at(1)), Outcome::Merged)
        );
        let (device, outcome) = fold(Some(device), DeviceChange::Enrolled(key(1)), at(3));
        assert_eq!((device.key_id, outcome), (Some(key(2)), Outcome::Unchanged));
        let (device, outcome) = fold(Some(device), DeviceChange::Revoked, at(4));
        assert_eq!((device.revoked_at, outcome), (Some(at(4)), Outcome::Merged));
        for change in [DeviceChange::Revoked, DeviceChange::Enrolled(key(2))] {
            let (again, outcome) = fold(Some(device.clone()), change, at(5));
            assert_eq!((again, outcome), (device.clone(), Outcome::Unchanged));
        }
    }
}
