//! Messages: what is appended to a stream, how the stream acknowledges it, and what is read from it.

use async_nats::HeaderMap;
use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A message to append.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Where to.
    pub subject: String,
    /// What names the message within the duplicate window: a second one with this id is not stored.
    pub id: Option<String>,
    /// What else travels with it.
    pub headers: Vec<(&'static str, String)>,
    /// Refuses the message unless the last sequence under the filter is this one (0: none yet).
    pub expected: Option<ExpectedSequence>,
    /// The stored bytes.
    pub payload: Bytes,
}

/// A condition on the stream.
#[derive(Debug, Clone)]
pub struct ExpectedSequence {
    /// Subjects, with wildcards.
    pub subject_filter: String,
    /// The last sequence stored under them.
    pub sequence: u64,
}

/// A message on stable storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppendAck {
    /// Its position in the stream.
    pub sequence: u64,
    /// Whether a message with this id was there already, from an earlier append. This one was not stored.
    pub is_duplicate: bool,
}

/// Why a message is not known to be on stable storage.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// It was not stored.
    #[error("the stream can't be reached; nothing was stored")]
    Unavailable,
    /// It may have been stored. The same id again will tell.
    #[error("the stream did not confirm in time; the message may have been stored")]
    Unknown,
    /// The stream has moved on from what was expected; it was not stored.
    #[error("the stream is not where it was expected to be; nothing was stored")]
    Conflict,
    /// The stream refused it; it was not stored.
    #[error("the stream refused the message: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u64,
        /// The server's words.
        description: String,
    },
}

/// A message with the one who waits for it.
pub(crate) struct PendingAppend {
    pub(crate) message: NewMessage,
    pub(crate) reply: oneshot::Sender<Result<AppendAck, AppendError>>,
    pub(crate) deadline: Instant,
}

/// A message of a stream.
#[derive(Debug, Clone)]
pub struct StoredMessage {
    /// Its position.
    pub sequence: u64,
    /// Its subject.
    pub subject: String,
    /// When the server stored it.
    pub stored_at: Timestamp,
    /// The stored bytes.
    pub payload: Bytes,
    pub(crate) headers: HeaderMap,
}

impl StoredMessage {
    /// What travelled with it under this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        header_text(&self.headers, name)
    }
}

/// A header's value as text.
pub(crate) fn header_text<'m>(headers: &'m HeaderMap, name: &str) -> Option<&'m str> {
    headers.get(name).map(async_nats::HeaderValue::as_str)
}
