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

use jetstream::{Broker, ReadError, ScanFrom, Stream};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use hpke::{AccessIndexKey, AccessIndexRecipient};
pub use recorder::AccessIndexRecorder;

use crate::UserRef;

/// The bucket's stream.
pub const ACCESS_INDEX_STREAM: &str = "KV_breakglass";
/// The bucket as the roles that may reach it see it.
const API_PREFIX: &str = "GLASS.API";
/// How long an entry lasts.
const LIFETIME_HOURS: u64 = 72;
/// Entries of one direct get.
const PAGE_MESSAGES_MAX: usize = 500;
/// Entries that one look-up tells at most, the newest.
const ENTRIES_MAX: usize = 10_000;

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
    /// It does not exist.
    #[error("there is no break-glass index here; the owner creates it with `syncwell setup`")]
    Missing,
    /// It is not the bucket that it should be.
    #[error("the break-glass index can't be trusted: its `{0}` is {1}")]
    ConfigMismatch(&'static str, String),
    /// The recipient's file can't be used.
    #[error("{0} holds no break-glass key: a line `<version> <64 hex characters>`")]
    InvalidRecipient(String),
}

/// The bucket, as setup creates it.
pub struct AccessIndexStream;

impl AccessIndexStream {
    /// Over this connection, which must have the rights for what is asked.
    pub fn open(broker: Broker) -> Stream {
        Stream::new(broker, API_PREFIX, ACCESS_INDEX_STREAM)
    }

    /// What the bucket must be.
    pub fn config(replicas: u8) -> serde_json::Value {
        json!({
            "name": ACCESS_INDEX_STREAM,
            "description": "SyncWell: the break-glass index",
            "subjects": ["$KV.breakglass.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "old",
            "max_age": LIFETIME_HOURS * 3_600 * 1_000_000_000,
            "num_replicas": replicas,
            "allow_direct": true,
            "allow_atomic": true,
            "allow_rollup_hdrs": false,
            "deny_delete": true,
            "deny_purge": true,
        })
    }

    /// Holds what is there against what setup creates.
    pub async fn verify(stream: &Stream) -> Result<(), AccessIndexError> {
        let info = stream.info().await?.ok_or(AccessIndexError::Missing)?;
        let keys = ["subjects", "retention", "max_age", "deny_delete", "deny_purge", "allow_atomic"];
        match info.config_mismatch(&Self::config(1), &keys) {
            Some((key, is)) => Err(AccessIndexError::ConfigMismatch(key, is)),
            None => Ok(()),
        }
    }
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
        Self { stream: AccessIndexStream::open(broker), key }
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
