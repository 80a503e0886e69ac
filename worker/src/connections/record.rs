//! A connection as the worker knows it: what was asked for, the tokens, and what is still to be done and to be told.
//!
//! Stored bytes, format 1:
//!
//! | offset | bytes | what |
//! |---|---|---|
//! | 0 | 1 | format, `1` |
//! | 1 | 8 | when something is due, unix milliseconds, big-endian; all ones for never |
//! | 9 | 10 | the data key's id |
//! | 19 | n | sealed twice ([`keys::TokenSealer`]), bound to user, connection and all of the above: JSON |
//!
//! What is due stands in clear, so that a worker finds its work without opening every record.

use jiff::Timestamp;
use keys::{ConnectionId, DataKey, DataKeyId, TokenSealer, UserRef};
use schemas::{ConnectionStatus, EventId, ProviderRevocation, ReauthReason};
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + 8 + 10;
const NEVER_DUE_MS: u64 = u64::MAX;

/// Whose connection, and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnectionRecordKey {
    pub(crate) user: UserRef,
    pub(crate) connection: ConnectionId,
}

impl ConnectionRecordKey {
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
pub(crate) struct ConnectionRecord {
    pub(crate) provider: String,
    pub(crate) redirect_uri: String,
    pub(crate) status: ConnectionStatus,
    /// The last command that was laid into it.
    pub(crate) sequence: u64,
    /// The last event that was appended for it.
    #[serde(rename = "told")]
    pub(crate) appended_sequence: u64,
    /// The data key of the last command: what is appended is sealed under it too.
    pub(crate) key_id: String,
    /// How many pairs of tokens there were: a late answer about one of the past is told by its number.
    #[serde(rename = "pairs")]
    pub(crate) last_generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tokens: Option<Tokens>,
    /// A code that is to be exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) exchange: Option<PendingExchange>,
    /// A refresh that was begun or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refresh: Option<RequestAttempt>,
    /// A revocation that is to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) revocation: Option<PendingRevocation>,
    /// What the log is still to be told.
    #[serde(rename = "tell", default, skip_serializing_if = "Option::is_none")]
    pub(crate) pending_event: Option<PendingEvent>,
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
pub(crate) struct PendingExchange {
    pub(crate) code: String,
    pub(crate) state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) code_verifier: Option<String>,
    pub(crate) command: CommandRef,
    /// When it was brought.
    pub(crate) since: Timestamp,
    pub(crate) attempt: RequestAttempt,
}

/// The event that asked for something, and who waits for what comes of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CommandRef {
    pub(crate) event_id: EventId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome_to: Option<String>,
}

/// How a request to the provider stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestAttempt {
    /// Written before the request leaves: from then on a code or a single-use token may be used up.
    #[serde(rename = "begun")]
    pub(crate) is_started: bool,
    pub(crate) failures: u32,
    pub(crate) not_before: Timestamp,
}

impl RequestAttempt {
    /// None yet.
    pub(crate) const NOT_STARTED: Self =
        Self { is_started: false, failures: 0, not_before: Timestamp::UNIX_EPOCH };
}

/// A revocation, and since when it is tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingRevocation {
    pub(crate) command: CommandRef,
    pub(crate) since: Timestamp,
    pub(crate) attempt: RequestAttempt,
}

/// An event that is to be appended: the same again and again until it is in the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PendingEvent {
    pub(crate) event_id: EventId,
    pub(crate) time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) outcome_to: Option<String>,
    #[serde(rename = "what")]
    pub(crate) kind: PendingEventKind,
}

/// What became of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PendingEventKind {
    Activated,
    ReauthNeeded(ReauthReason),
    Revoked(ProviderRevocation),
}

/// Why stored bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeRecordError {
    #[error("not a record of a known format")]
    UnknownFormat,
    #[error("the record does not open")]
    DecryptionFailed,
}

/// What stands in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RecordHeader {
    pub(crate) due_at: Option<Timestamp>,
    pub(crate) key_id: DataKeyId,
}

impl RecordHeader {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, DecodeRecordError> {
        let (head, _) = bytes.split_first_chunk::<HEADER_BYTES>().ok_or(DecodeRecordError::UnknownFormat)?;
        let (due, key_id) = head[1..].split_first_chunk::<8>().ok_or(DecodeRecordError::UnknownFormat)?;
        if head[0] != FORMAT {
            return Err(DecodeRecordError::UnknownFormat);
        }
        let due = match u64::from_be_bytes(*due) {
            NEVER_DUE_MS => None,
            ms => {
                let ms = i64::try_from(ms).map_err(|_| DecodeRecordError::UnknownFormat)?;
                Some(Timestamp::from_millisecond(ms).map_err(|_| DecodeRecordError::UnknownFormat)?)
            }
        };
        let key_id = key_id.try_into().map_err(|_| DecodeRecordError::UnknownFormat)?;
        Ok(Self { due_at: due, key_id: DataKeyId::from_bytes(key_id) })
    }

    fn encode(&self) -> Vec<u8> {
        // Rounded up: what is found due by the clear part is due by the sealed one.
        let up =
            |due: Timestamp| u64::try_from((due.as_nanosecond() + 999_999).max(0) / 1_000_000).unwrap_or(0);
        let due = self.due_at.map_or(NEVER_DUE_MS, up);
        [&[FORMAT], due.to_be_bytes().as_slice(), self.key_id.as_bytes()].concat()
    }
}

impl ConnectionRecord {
    /// The stored bytes.
    pub(crate) fn seal(
        &self,
        key: &ConnectionRecordKey,
        due: Option<Timestamp>,
        seal: &TokenSealer,
        data_key: &DataKey,
    ) -> Vec<u8> {
        let head = RecordHeader { due_at: due, key_id: data_key.id() }.encode();
        let content = serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: a record is JSON"));
        let content = zeroize::Zeroizing::new(content);
        let sealed = seal.seal(data_key, &associated_data(key, &head), &content);
        [head, sealed].concat()
    }

    /// Opens stored bytes.
    pub(crate) fn open(
        key: &ConnectionRecordKey,
        bytes: &[u8],
        seal: &TokenSealer,
        data_key: &DataKey,
    ) -> Result<Self, DecodeRecordError> {
        let (head, sealed) = bytes.split_at_checked(HEADER_BYTES).ok_or(DecodeRecordError::UnknownFormat)?;
        let content = seal
            .open(data_key, &associated_data(key, head), sealed)
            .map_err(|_| DecodeRecordError::DecryptionFailed)?;
        serde_json::from_slice(&content).map_err(|_| DecodeRecordError::UnknownFormat)
    }
}

fn associated_data(key: &ConnectionRecordKey, head: &[u8]) -> Vec<u8> {
    [key.user.as_bytes().as_slice(), key.connection.as_bytes(), head].concat()
}
