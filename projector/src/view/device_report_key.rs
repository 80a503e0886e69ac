//! The key of a device's report.
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | `06` |
//! | 1 | 16 | user ref |
//! | 17 | 1 | whose key signed: `00` the user's default key, and the key ends here; `01` a device's |
//! | 18 | 16 | the device id |

use keys::{DeviceId, KeyHolder, UserRef};

use super::keys::{EntryKey, KeyKind, split_user, user_prefix};

const HOLDER_USER: u8 = 0;
const HOLDER_DEVICE: u8 = 1;

/// Whose report: that of one device, or of whichever signs with the user's default key (no device).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct DeviceReportKey {
    pub(crate) user: UserRef,
    device: Option<DeviceId>,
}

impl DeviceReportKey {
    pub(crate) fn new(user: UserRef, holder: KeyHolder) -> Self {
        let device = match holder {
            KeyHolder::User => None,
            KeyHolder::Device(device) => Some(device),
        };
        Self { user, device }
    }

    /// The device id, or `default`.
    pub(crate) fn holder(&self) -> String {
        self.device.map_or_else(|| "default".to_owned(), |device| device.to_string())
    }
}

impl EntryKey for DeviceReportKey {
    const KIND: KeyKind = KeyKind::DeviceReport;

    fn user(&self) -> UserRef {
        self.user
    }

    fn name(&self) -> String {
        format!("report of {}", self.holder())
    }

    fn encode(&self) -> Vec<u8> {
        let user = user_prefix(KeyKind::DeviceReport, self.user);
        match &self.device {
            None => [user.as_slice(), &[HOLDER_USER]].concat(),
            Some(device) => [user.as_slice(), &[HOLDER_DEVICE], device.as_bytes()].concat(),
        }
    }

    fn decode(key: &[u8]) -> Option<Self> {
        let (user, rest) = split_user(KeyKind::DeviceReport, key)?;
        let device = match rest.split_first()? {
            (&HOLDER_USER, []) => None,
            (&HOLDER_DEVICE, device) => Some(DeviceId::from_bytes(device.try_into().ok()?)),
            (_, _) => return None,
        };
        Some(Self { user, device })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> [DeviceReportKey; 3] {
        let user = UserRef::from_bytes([0xab; 16]);
        let device = |byte| KeyHolder::Device(DeviceId::from_bytes([byte; 16]));
        [KeyHolder::User, device(0xcd), device(0xce)].map(|holder| DeviceReportKey::new(user, holder))
    }

    #[test]
    fn golden_keys() {
        let [default, device, _] = keys().map(|key| data_encoding::HEXLOWER.encode(&key.encode()));
        assert_eq!(default, format!("06{}00", "ab".repeat(16)));
        assert_eq!(device, format!("06{}01{}", "ab".repeat(16), "cd".repeat(16)));
        assert_eq!(keys()[0].holder(), "default");
    }

    #[test]
    fn keys_read_back_sort_and_nothing_else_is_one() {
        for key in keys() {
            let encoded = key.encode();
            assert_eq!(DeviceReportKey::decode(&encoded), Some(key));
            for wrong in [&encoded[..encoded.len() - 1], &[&encoded[..], &[0]].concat(), &[6; 34], &[]] {
                assert_eq!(DeviceReportKey::decode(wrong), None, "{wrong:?}");
            }
        }
        assert!(keys().windows(2).all(|pair| pair[0].encode() < pair[1].encode() && pair[0] < pair[1]));
    }
}
