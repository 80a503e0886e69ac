//! A device's key: `02`, user ref (16), device id (16).

use vault::{DeviceId, UserRef};

use super::KEY_DEVICE;

const KEY_BYTES: usize = 33;

/// Which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceKey {
    pub(crate) user: UserRef,
    pub(crate) device: DeviceId,
}

impl DeviceKey {
    /// Sorts by user, then by device.
    pub(crate) fn encode(&self) -> [u8; KEY_BYTES] {
        let mut key = [KEY_DEVICE; KEY_BYTES];
        key[1..17].copy_from_slice(self.user.as_bytes());
        key[17..].copy_from_slice(self.device.as_bytes());
        key
    }

    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let user: [u8; 16] = key[1..17].try_into().ok()?;
        let device: [u8; 16] = key[17..].try_into().ok()?;
        (key[0] == KEY_DEVICE)
            .then_some(Self { user: UserRef::from_bytes(user), device: DeviceId::from_bytes(device) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_key() {
        let key =
            DeviceKey { user: UserRef::from_bytes([0xab; 16]), device: DeviceId::from_bytes([0xcd; 16]) };
        let encoded = data_encoding::HEXLOWER.encode(&key.encode());
        assert_eq!(encoded, format!("02{}{}", "ab".repeat(16), "cd".repeat(16)));
        assert_eq!(DeviceKey::decode(&key.encode()), Some(key));
        assert_eq!(DeviceKey::decode(&[1; KEY_BYTES]), None);
    }
}
