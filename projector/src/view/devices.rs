//! A device's key and its sealed value.
//!
//! | offset | bytes | the key |    | offset | bytes | the value |
//! |---|---|---|---|---|---|---|
//! | 0 | 1 | `02` | | 0 | 1 | format, `1` |
//! | 1 | 16 | user ref | | 1 | 10 | the data key's id |
//! | 17 | 16 | device id | | 11 | n | the device's bytes, sealed; the key is its associated data |

use vault::{DataKey, DataKeyId, DeviceId, UserRef};

use super::KEY_DEVICE;
use crate::device::{Device, decode, encode};

const FORMAT: u8 = 1;
const KEY_BYTES: usize = 33;
const HEAD_BYTES: usize = 11;

/// Which device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceKey {
    pub(crate) user: UserRef,
    pub(crate) device: DeviceId,
}

impl DeviceKey {
    /// Sorts by user.
    pub(crate) fn encode(&self) -> [u8; KEY_BYTES] {
        let mut key = [KEY_DEVICE; KEY_BYTES];
        key[1..17].copy_from_slice(self.user.as_bytes());
        key[17..].copy_from_slice(self.device.as_bytes());
        key
    }

    pub(crate) fn decode(key: &[u8]) -> Option<Self> {
        let key: &[u8; KEY_BYTES] = key.try_into().ok()?;
        let user = UserRef::from_bytes(key[1..17].try_into().ok()?);
        let device = DeviceId::from_bytes(key[17..].try_into().ok()?);
        (key[0] == KEY_DEVICE).then_some(Self { user, device })
    }
}

/// A device's stored value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SealedDevice(pub(super) Vec<u8>);

impl SealedDevice {
    /// Seals a device.
    pub(crate) fn seal(key: &DeviceKey, device: &Device, data_key: &DataKey) -> Self {
        let sealed = data_key.seal(&key.encode(), &encode(device));
        Self([&[FORMAT], data_key.id().as_bytes().as_slice(), &sealed].concat())
    }

    /// The data key that it is sealed under.
    pub(crate) fn key_id(&self) -> Option<DataKeyId> {
        let (head, _) = self.0.split_first_chunk::<HEAD_BYTES>()?;
        let [FORMAT, id @ ..] = head else { return None };
        Some(DataKeyId::from_bytes(*id))
    }

    /// `None` where it is damaged, or not this device, or not under this key.
    pub(crate) fn open(&self, key: &DeviceKey, data_key: &DataKey) -> Option<Device> {
        let content = self.0.get(HEAD_BYTES..)?.to_vec();
        decode(&data_key.open(&key.encode(), content).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_key_and_the_value_s_binding() {
        let key =
            DeviceKey { user: UserRef::from_bytes([0xab; 16]), device: DeviceId::from_bytes([0xcd; 16]) };
        let encoded = data_encoding::HEXLOWER.encode(&key.encode());
        assert_eq!(encoded, format!("02{}{}", "ab".repeat(16), "cd".repeat(16)));
        assert_eq!(DeviceKey::decode(&key.encode()), Some(key));
        assert_eq!(DeviceKey::decode(&[1; KEY_BYTES]), None);
        let data_key = DataKey::new(DataKeyId::from_bytes([4; 10]), vault::ACCOUNT, &[7; 32]);
        let sealed = SealedDevice::seal(&key, &Device::default(), &data_key);
        assert_eq!(sealed.0[..12], [1, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 1]);
        assert_eq!(sealed.key_id(), Some(data_key.id()));
        assert_eq!(sealed.open(&key, &data_key), Some(Device::default()));
        let other = DeviceKey { device: DeviceId::from_bytes([1; 16]), ..key };
        assert_eq!(sealed.open(&other, &data_key), None);
        assert_eq!(SealedDevice(vec![2; 40]).key_id(), None);
    }
}
