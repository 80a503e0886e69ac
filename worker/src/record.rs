//! A connection as the worker knows it: what was asked for, the tokens, and what is still to be done and to be told.
//!
//! Stored bytes, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 8 | when something is due, unix milliseconds, big-endian; all ones for never |
//! | 9 | 10 | the data key's id |
//! | 19 | n | sealed twice ([`keys::TokenSeal`]), bound to user, connection and all of the above: JSON |
//!
//! What is due stands in clear, so that a worker finds its work without opening every record.

use jiff::Timestamp;
use keys::{ConnectionId, DataKey, DataKeyId, TokenSealer, UserRef};
use schemas::{AtProvider, ConnectionStatus, EventId, ReauthReason};
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 10;
const NEVER_MS: u64 = u64::MAX;

/// Whose connection, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct RecordKey {
    pub(crate) user: UserRef,
    pub(crate) connection: ConnectionId,
}

impl RecordKey {
    pub(crate) fn encode(&self) -> String {
        format!("{}.{}", self.user, self.connection)
    }

    pub(crate) fn decode(key: &str) -> Option<Self> {
        let (user, connection) = key.split_once('.')?;
        Some(Self { user: user.parse().ok()?, connection: connection.parse().ok()? })
    }
}

/// The state of one connection.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Record {
    pub(crate) provider: String,
    pub(crate) redirect_uri: String,
    pub(crate) status: ConnectionStatus,
    /// The last command that was laid into it.
    pub(crate) sequence: u64,
    /// The last event that was appended for it.
    pub(crate) told: u64,
    /// The data key of the last command: what is appended is sealed under it too.
    pub(crate) key_id: String,
    /// How many pairs of tokens there were: a late answer about one of the past is told by its number.
    pub(crate) pairs: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<Tokens>,
    /// A code that is to be exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<Exchange>,
    /// A refresh that was begun or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<Attempt>,
    /// A revocation that is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation: Option<Revocation>,
    /// What the log is still to be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tell: Option<Tell>,
}

/// What a provider gave.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<String>,
    pub(crate) obtained_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) access_until: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) provider_user: Option<String>,
    /// Which pair of this connection.
    pub(crate) generation: u64,
}

/// A code, and the command that brought it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Exchange {
    pub(crate) code: String,
    pub(crate) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code_verifier: Option<String>,
    pub(crate) command: Command,
    /// When it was brought.
    pub(crate) since: Timestamp,
    pub(crate) attempt: Attempt,
}

/// The event that asked for something, and who waits for what comes of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Command {
    pub(crate) event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome_to: Option<String>,
}

/// How a request to the provider stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Attempt {
    /// Written before the request leaves: from then on a code or a single-use token may be used up.
    pub(crate) begun: bool,
    pub(crate) failures: u32,
    pub(crate) not_before: Timestamp,
}

impl Attempt {
    /// None yet.
    pub(crate) const NONE: Self = Self { begun: false, failures: 0, not_before: Timestamp::UNIX_EPOCH };
}

/// A revocation, and since when it is tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Revocation {
    pub(crate) command: Command,
    pub(crate) since: Timestamp,
    pub(crate) attempt: Attempt,
}

/// An event that is to be appended: the same again and again until it is in the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tell {
    pub(crate) event_id: EventId,
    pub(crate) time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome_to: Option<String>,
    pub(crate) what: Told,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Told {
    Activated,
    ReauthNeeded(ReauthReason),
    Revoked(AtProvider),
}

/// Why stored bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRecord {
    #[error("not a record of a known format")]
    Format,
    #[error("the record does not open")]
    Sealed,
}

/// What stands in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHead {
    pub(crate) due: Option<Timestamp>,
    pub(crate) key_id: DataKeyId,
}

impl RecordHead {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BadRecord> {
        let (head, _) = bytes.split_first_chunk::<HEAD_BYTES>().ok_or(BadRecord::Format)?;
        let (due, key_id) = head[1..].split_first_chunk::<8>().ok_or(BadRecord::Format)?;
        if head[0] != FORMAT {
            return Err(BadRecord::Format);
        }
        let due = match u64::from_be_bytes(*due) {
            NEVER_MS => None,
            ms => {
                let ms = i64::try_from(ms).map_err(|_| BadRecord::Format)?;
                Some(Timestamp::from_millisecond(ms).map_err(|_| BadRecord::Format)?)
            }
        };
        let key_id = key_id.try_into().map_err(|_| BadRecord::Format)?;
        Ok(Self { due, key_id: DataKeyId::from_bytes(key_id) })
    }

    fn encode(&self) -> Vec<u8> {
        // Rounded up: what is found due by the clear part is due by the sealed one.
        let up =
            |due: Timestamp| u64::try_from((due.as_nanosecond() + 999_999).max(0) / 1_000_000).unwrap_or(0);
        let due = self.due.map_or(NEVER_MS, up);
        [&[FORMAT], due.to_be_bytes().as_slice(), self.key_id.as_bytes()].concat()
    }
}

impl Record {
    /// The stored bytes.
    pub(crate) fn seal(
        &self,
        key: &RecordKey,
        due: Option<Timestamp>,
        seal: &TokenSealer,
        data_key: &DataKey,
    ) -> Vec<u8> {
        let head = RecordHead { due, key_id: data_key.id() }.encode();
        let content = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: a record is JSON"));
        let content = zeroize::Zeroizing::new(content);
        let sealed = seal.seal(data_key, &bound(key, &head), &content);
        [head, sealed].concat()
    }

    /// Opens stored bytes.
    pub(crate) fn open(
        key: &RecordKey,
        bytes: &[u8],
        seal: &TokenSealer,
        data_key: &DataKey,
    ) -> Result<Self, BadRecord> {
        let (head, sealed) = bytes.split_at_checked(HEAD_BYTES).ok_or(BadRecord::Format)?;
        let content = seal.open(data_key, &bound(key, head), sealed).map_err(|_| BadRecord::Sealed)?;
        serde_json::from_slice(&content).map_err(|_| BadRecord::Format)
    }
}

fn bound(key: &RecordKey, head: &[u8]) -> Vec<u8> {
    [key.user.as_bytes().as_slice(), key.connection.as_bytes(), head].concat()
}
