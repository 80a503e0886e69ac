//! A device's signing key, given and taken back. Sealed under the account's data key; no key of the device is in it,
//! only its id.

use keys::{DataKey, DeviceId, SigningKeyId};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::envelope::EventHeader;
use crate::event_kind::EventKind;

/// A device was given its signing key; again, with another key id, when it was given that of a newer master.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceEnrolled {
    /// Which device.
    pub device: DeviceId,
    /// The key that it was given.
    pub key_id: SigningKeyId,
    /// The token's `jti`, where it had one.
    pub token_id: Option<String>,
}

/// A device's keys were revoked, of every version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceRevoked {
    /// Which device.
    pub device: DeviceId,
    /// The token's `jti`, where it had one.
    pub token_id: Option<String>,
}

/// A change of a device's signing key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceEvent {
    /// It got a key.
    Enrolled(DeviceEnrolled),
    /// Its keys were revoked.
    Revoked(DeviceRevoked),
}

impl DeviceEvent {
    /// The device.
    pub fn device_id(&self) -> DeviceId {
        match self {
            Self::Enrolled(event) => event.device,
            Self::Revoked(event) => event.device,
        }
    }

    pub(super) fn to_redacted_json(&self) -> Value {
        match self {
            Self::Enrolled(event) => json!({
                "device_id": event.device.to_string(), "key_id": event.key_id.to_string(), "jti": event.token_id,
            }),
            Self::Revoked(event) => json!({ "device_id": event.device.to_string(), "jti": event.token_id }),
        }
    }
}

/// The content of both, version 1; a revocation names no key.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct DeviceV1 {
    device_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
}

impl DeviceEnrolled {
    /// The event's stored bytes.
    pub fn seal(&self, head: &EventHeader, key: &DataKey) -> Vec<u8> {
        assert_eq!(head.kind, EventKind::DeviceEnrolledV1, "BUG: the head is of another kind");
        seal(head, key, &self.device, Some(&self.key_id), self.token_id.as_ref())
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let content: DeviceV1 = serde_json::from_slice(content).ok()?;
        Some(Self {
            device: content.device_id.parse().ok()?,
            key_id: content.key_id?.parse().ok()?,
            token_id: content.jti,
        })
    }
}

impl DeviceRevoked {
    /// The event's stored bytes.
    pub fn seal(&self, head: &EventHeader, key: &DataKey) -> Vec<u8> {
        assert_eq!(head.kind, EventKind::DeviceRevokedV1, "BUG: the head is of another kind");
        seal(head, key, &self.device, None, self.token_id.as_ref())
    }

    pub(super) fn decode(content: &[u8]) -> Option<Self> {
        let content: DeviceV1 = serde_json::from_slice(content).ok()?;
        content.key_id.is_none().then_some(())?;
        Some(Self { device: content.device_id.parse().ok()?, token_id: content.jti })
    }
}

fn seal(
    head: &EventHeader,
    key: &DataKey,
    device: &DeviceId,
    key_id: Option<&SigningKeyId>,
    token_id: Option<&String>,
) -> Vec<u8> {
    let content = serde_json::to_vec(&DeviceV1 {
        device_id: device.to_string(),
        key_id: key_id.map(ToString::to_string),
        jti: token_id.cloned(),
    });
    head.seal(key, &content.unwrap_or_else(|_| unreachable!("BUG: strings are JSON")))
}
