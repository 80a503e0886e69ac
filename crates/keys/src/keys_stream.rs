//! The stream of wrapped data keys.
//!
//! `KV_keys` is shaped as a key-value bucket, but allows a message to be deleted: an ordinary bucket refuses the secure
//! delete that overwrites bytes, and a purge leaves them on disk.
//!
//! | subject | holds |
//! |---|---|
//! | `$KV.keys.<user ref>.<key id>` | a wrapped data key, or its tombstone |
//! | `$KV.keys.<user ref>.erasing` | that the user is being erased: no key is made any more, those that are there still open |
//! | `$KV.keys.<user ref>.erased` | that the user was erased |
//! | `$KV.keys.retention-<occasion>.erasing` | that keys of past years were destroyed, so that nobody goes on with one from memory |
//! | `$KV.keys.kek.<version>` | a check of that version of the KEK |
//! | `$KV.keys.revoked.<user ref>.<device id>` | that the device was revoked |
//! | `$KV.keys.compromised.<user ref>.<device id or "default">` | what whoever signs with this key last told of its system |

pub mod record;

use jetstream::{Broker, ReadError, Stream};
use serde_json::json;

/// The stream of wrapped data keys.
pub const KEYS_STREAM: &str = "KV_keys";
/// The keys' stream as the roles that may reach it see it.
const API_PREFIX: &str = "KEYS.API";
/// Every wrapped data key and every tombstone; checks of the KEK too.
pub const ALL_KEYS_FILTER: &str = "$KV.keys.*.*";
/// What stands in place of a key's id for a user who is being erased.
pub const ERASING_TOKEN: &str = "erasing";
/// The same for one who was.
pub const ERASED_TOKEN: &str = "erased";
/// Every user who is being erased, or was.
pub const ALL_ERASING_FILTER: &str = "$KV.keys.*.erasing";
/// What a revoked device's subject begins with.
pub const REVOKED_PREFIX: &str = "$KV.keys.revoked.";
/// What the subject begins with under which stands whether a system is compromised.
pub const COMPROMISED_PREFIX: &str = "$KV.keys.compromised.";

/// What stands in place of a user where everybody's keys of past years were destroyed.
pub(crate) const RETENTION_PREFIX: &str = "retention-";

/// Why the keys' stream can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysStreamError {
    /// The stream can't be read.
    #[error("the keys' stream can't be read")]
    Read(#[from] ReadError),
    /// The stream is not configured to keep keys: the setting, and its value.
    #[error("the keys' stream can't be trusted: its `{0}` is {1}, and keys could be lost")]
    ConfigMismatch(&'static str, String),
}

/// The stream of wrapped keys, as setup creates it.
pub struct KeysStream;

impl KeysStream {
    /// Over this connection, which must have the rights for what is asked.
    pub fn open(broker: Broker) -> Stream {
        Stream::new(broker, API_PREFIX, KEYS_STREAM)
    }

    /// What the stream must be.
    pub fn config(replicas: u8) -> serde_json::Value {
        json!({
            "name": KEYS_STREAM,
            "description": "SyncWell: wrapped data keys",
            "subjects": ["$KV.keys.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "num_replicas": replicas,
            "allow_direct": true,
            "allow_atomic": true,
            "allow_rollup_hdrs": false,
            "deny_delete": false,
            "deny_purge": true,
        })
    }

    /// Holds what is there against what setup creates. A key that is lost takes every event under it along.
    pub async fn verify(stream: &Stream) -> Result<(), KeysStreamError> {
        let info = stream.info().await?.ok_or(ReadError::Unavailable)?;
        let keys = ["subjects", "retention", "storage", "discard", "max_msgs_per_subject", "deny_purge"];
        if let Some((key, is)) = info.config_mismatch(&Self::config(1), &keys) {
            return Err(KeysStreamError::ConfigMismatch(key, is));
        }
        for (key, unlimited) in [("max_msgs", -1), ("max_bytes", -1), ("max_age", 0)] {
            if info.config[key].as_i64().is_some_and(|limit| limit != unlimited) {
                return Err(KeysStreamError::ConfigMismatch(key, info.config[key].to_string()));
            }
        }
        Ok(())
    }
}
