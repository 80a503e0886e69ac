//! Requests to the keeper and its responses, as they are sent over core NATS: JSON under `keys.v1.`.
//!
//! [`crate::KeyClient`] and the lists of devices and users send them; the crate `keeper` answers them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::UserRef;
use crate::data_key::Year;
use crate::resource_id::ErasureId;

/// Subject prefix of requests for the current key of a year ([`CurrentKeyRequest`]); the user ref follows.
pub const CURRENT_KEY_PREFIX: &str = "keys.v1.current.";
/// Subject prefix of requests for all keys of a user; the user ref follows, the payload is empty.
pub const KEY_RING_PREFIX: &str = "keys.v1.ring.";
/// Subject of requests for the keys of several users: a JSON list of user refs.
pub const KEY_RINGS_SUBJECT: &str = "keys.v1.rings";
/// Subject prefix of requests to revoke a device ([`RevokeDeviceRequest`]); the user ref follows.
pub const REVOKE_DEVICE_PREFIX: &str = "keys.v1.revoke.";
/// Subject of requests for the list of revoked devices ([`ListChangesRequest`]).
pub const LIST_REVOKED_SUBJECT: &str = "keys.v1.revoked";
/// Subject prefix of reports of a compromised system ([`CompromiseReportRequest`]); the user ref follows.
pub const COMPROMISE_REPORT_PREFIX: &str = "keys.v1.report.";
/// Subject of requests for the list of compromised devices ([`ListChangesRequest`]).
pub const LIST_COMPROMISED_SUBJECT: &str = "keys.v1.compromised";
/// Subject prefix of requests for a step of an erasure ([`EraseStep`]); the user ref follows.
pub const ERASE_PREFIX: &str = "keys.v1.erase.";
/// Subject of requests for the list of users who are being erased or were erased ([`ListChangesRequest`]).
pub const LIST_ERASED_SUBJECT: &str = "keys.v1.erasing";

/// Limit of users in one request for [`KEY_RINGS_SUBJECT`].
pub const KEY_RINGS_USERS_MAX: usize = 100;

/// Request for the current key of a year.
#[derive(Debug, Serialize, Deserialize)]
pub struct CurrentKeyRequest {
    /// Year of the summaries, or [`crate::ACCOUNT_YEAR`].
    pub year: Year,
}

/// Request for the entries of a list that changed after a position.
#[derive(Debug, Serialize, Deserialize)]
pub struct ListChangesRequest {
    /// Sequence in the keys' stream, 0 for the whole list.
    pub after: u64,
}

/// Request to revoke a device.
#[derive(Debug, Serialize, Deserialize)]
pub struct RevokeDeviceRequest {
    /// Device id.
    pub device: String,
}

/// Report of a key holder about its own system.
#[derive(Debug, Serialize, Deserialize)]
pub struct CompromiseReportRequest {
    /// Device id, or `default`.
    pub holder: String,
    /// Whether the system is compromised.
    pub compromised: bool,
    /// Time of the report's signature. Of two reports the later one counts.
    pub signed_at: Timestamp,
}

/// One of the keeper's steps in an erasure. Idempotent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EraseStep {
    /// Marks the user: the keeper creates no more data keys for the user, and every ingest learns of it.
    Mark {
        /// Id of the erasure.
        erasure_id: ErasureId,
    },
    /// Deletes the revocations and compromise reports of the user's devices.
    EndSessions,
    /// Overwrites every data key of the user and leaves tombstones.
    DestroyKeys,
}

/// Response of the keeper.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeysResponse {
    /// Key ids and their records (base64), in the order of creation.
    Records(Vec<(String, String)>),
    /// The user is being erased or was erased.
    Erased,
    /// The keeper can't answer now, or can't parse the request.
    Unavailable,
    /// The request was carried out.
    Done,
    /// Current state of a key holder: whether it is compromised.
    Marked(bool),
    /// Page of the list of revoked devices.
    Revoked {
        /// User refs and device ids.
        devices: Vec<(String, String)>,
        /// Sequence of the page's last record in the keys' stream.
        last: u64,
    },
    /// Page of the list of compromised devices.
    Compromised {
        /// User refs, key holders, and whether the holder is compromised.
        holders: Vec<(String, String, bool)>,
        /// Sequence of the page's last record in the keys' stream.
        last: u64,
    },
    /// Page of the list of users who are being erased or were erased.
    Erasing {
        /// User refs and erasure ids.
        users: Vec<(String, String)>,
        /// Sequence of the page's last record in the keys' stream.
        last: u64,
    },
    /// Count of destroyed records.
    Destroyed(u64),
    /// Records of several users, by user ref. Erased users are left out.
    Rings(Vec<(String, Vec<(String, String)>)>),
}

pub(crate) fn current_key_subject(user: &UserRef) -> String {
    format!("{CURRENT_KEY_PREFIX}{user}")
}

pub(crate) fn key_ring_subject(user: &UserRef) -> String {
    format!("{KEY_RING_PREFIX}{user}")
}
