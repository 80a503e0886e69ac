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

use jetstream::StreamSpec;

/// The stream of wrapped data keys. A key that is lost takes every event under it along.
pub static KEYS_STREAM: StreamSpec = StreamSpec {
    max_msgs_per_subject: 1,
    deny_delete: false,
    verified: &[
        ("subjects", "keys would be missed or be joined by others"),
        ("retention", "keys could be lost"),
        ("storage", "keys could be lost"),
        ("discard", "keys could be lost"),
        ("max_msgs_per_subject", "keys that were replaced or destroyed would stay"),
        ("deny_purge", "keys could be lost"),
        ("max_msgs", "keys could be lost"),
        ("max_bytes", "keys could be lost"),
        ("max_age", "keys could be lost"),
    ],
    ..StreamSpec::new("KV_keys", "KEYS.API", "$KV.keys.>", "SyncWell: wrapped data keys")
};
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
