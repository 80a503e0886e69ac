//! The break-glass index: which requests a user made in the last 72 hours, readable only by whoever breaks the glass.
//!
//! It is the only way from a user id to log lines. Ingest writes it and can't read it: an entry is sealed to the
//! break-glass role's public key (HPKE, RFC 9180, base mode: X25519, HKDF-SHA-256, AES-256-GCM). `KV_breakglass` is
//! shaped as a key-value bucket whose entries end by themselves (`$KV.breakglass.<user ref>`).
//!
//! An entry, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 4 | version of the break-glass key, big-endian |
//! | 5 | 32 | HPKE's encapsulated key |
//! | 37 | 48 | HPKE's ciphertext of an entry key: 32 random bytes |
//! | 85 | n | sealed under the entry key ([`crate::aead`]), the user ref as associated data: JSON, `[{"correlation_id":"…","time":"…"},…]` |
//!
//! An entry key is used for some minutes, so that a request costs no curve arithmetic.

mod hpke;
mod recorder;

use std::time::Duration;

use jetstream::{Broker, Discard, ReadError, ScanFrom, Stream, StreamSpec};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use hpke::{AccessIndexKey, AccessIndexRecipient};
pub use recorder::AccessIndexRecorder;

use crate::UserRef;

/// How long an entry lasts.
const LIFETIME: Duration = Duration::from_secs(72 * 3_600);
/// Entries of one direct get.
const PAGE_MESSAGES_MAX: usize = 500;
/// Entries that one look-up tells at most, the newest.
const ENTRIES_MAX: usize = 10_000;

/// The index: a bucket.
pub static ACCESS_INDEX_STREAM: StreamSpec = StreamSpec {
    discard: Discard::Old,
    max_age: LIFETIME,
    verified: &[
        ("subjects", "entries would be missed"),
        ("retention", "entries would go once they are read"),
        ("max_age", "entries would not end after 72 hours"),
        ("deny_delete", "entries could be deleted"),
        ("deny_purge", "entries could be purged"),
        ("allow_atomic", "group commit would be refused"),
    ],
    ..StreamSpec::new("KV_breakglass", "GLASS.API", "$KV.breakglass.>", "SyncWell: the break-glass index")
};

/// One request that was authorised.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessIndexEntry {
    /// The name that its log lines carry.
    pub correlation_id: String,
    /// When it was authorised.
    pub time: Timestamp,
}

/// Why the index can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessIndexError {
    /// The bucket can't be read.
    #[error("the break-glass index can't be read")]
    Read(#[from] ReadError),
    /// The recipient's file can't be used.
    #[error("{0} holds no break-glass key: a line `<version> <64 hex characters>`")]
    InvalidRecipient(String),
}

fn subject(user: &UserRef) -> String {
    format!("$KV.breakglass.{user}")
}

/// Reads the index. The break-glass role's alone.
pub struct AccessIndexReader {
    stream: Stream,
    key: AccessIndexKey,
}

impl AccessIndexReader {
    /// Over this connection, opening with this key.
    pub fn new(broker: Broker, key: AccessIndexKey) -> Self {
        Self { stream: ACCESS_INDEX_STREAM.stream(broker), key }
    }

    /// The user's requests of the last 72 hours, oldest first, the newest 10,000 where there are more; and how many
    /// messages could not be opened: what was not sealed for this role hides nothing else.
    pub async fn entries(&self, user: &UserRef) -> Result<(Vec<AccessIndexEntry>, usize), AccessIndexError> {
        let mut entries = Vec::new();
        let mut unreadable = 0;
        let mut from = 1;
        loop {
            let page = self.stream.scan(ScanFrom::Sequence(from), &subject(user), PAGE_MESSAGES_MAX).await?;
            let Some(last) = page.last() else { break };
            from = last.sequence + 1;
            for stored in &page {
                match self.key.open(user, &stored.payload) {
                    Ok(mut opened) => entries.append(&mut opened),
                    Err(_) => unreadable += 1,
                }
            }
            let surplus = entries.len().saturating_sub(ENTRIES_MAX);
            entries.drain(..surplus);
        }
        entries.sort_by_key(|entry| entry.time);
        Ok((entries, unreadable))
    }
}
