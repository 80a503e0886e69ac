//! Devices and their signing keys (`/v1/devices`).

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::patterns;

/// What an enrolment may say. Nothing enrols a new device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EnrolRequest {
    /// A device of one's own that is to be given the key of the newest master: once its key id's version is not the
    /// current one any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub device_id: Option<String>,
}

/// A device's signing key. It is shown this once and stored nowhere.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct EnrolledDevice {
    /// The device's name: 26 characters of lowercase base32.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub device_id: String,
    /// What `X-Sync-Key-Id` must say when this key signs.
    pub key_id: String,
    /// The key: 64 characters of lowercase hex.
    #[schemars(extend("pattern" = patterns::HEX_32_BYTES))]
    pub signing_key_hex: String,
}

/// A device as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeviceDocument {
    /// The device's name.
    #[schemars(extend("pattern" = patterns::OWN_ID))]
    pub device_id: String,
    /// The id of the newest key that it was given.
    pub key_id: Option<String>,
    /// When it was enrolled.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub enrolled_at: Option<Timestamp>,
    /// When it was revoked; for good.
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub revoked_at: Option<Timestamp>,
    /// The position that this reflects; left out within a list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<u64>,
}

/// All devices of a user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DevicesDocument {
    /// By name.
    pub devices: Vec<DeviceDocument>,
    /// The position that this reflects.
    pub position: u64,
}
