//! What changed, for other systems: the stream `CHANGES`, which the projector appends to and the worker delivers from.
//!
//! A change, version 1, is JSON on one line:
//!
//! ```json
//! {"version":1,"kind":"summary.changed","user_ref":"…","event_id":"…","sequence":4711,"time":"…","key_id":"…","sealed_base64":"…"}
//! ```
//!
//! No date stands in clear: which days somebody reports says something of their health. It is sealed under the user's data
//! key, bound to everything before it. A change of an account that is no more has no key, and nothing sealed.

use std::time::Duration;

use data_encoding::BASE64;
use jetstream::{
    AppendError, Appender, Broker, CommitMode, Discard, NewMessage, ReadError, ScanFrom, Stream, StreamSpec,
};
use jiff::Timestamp;
use jiff::civil::Date;
use keys::{DataKey, DataKeyId, UserRef};
use schemas::{EventId, Sequence};
use serde::{Deserialize, Serialize};

const SUBJECT: &str = "changes.v1";
const VERSION: u8 = 1;
/// Changes of one direct get.
const PAGE_CHANGES: usize = 500;
/// How long a change is kept: receivers are tried for 3 days.
pub const CHANGE_LIFETIME_DAYS: u64 = 7;
/// How long the server drops a second message about one event.
const DUPLICATE_WINDOW: Duration = Duration::from_secs(900);

/// The stream of changes.
pub static CHANGES_STREAM: StreamSpec = StreamSpec {
    discard: Discard::Old,
    max_age: Duration::from_secs(CHANGE_LIFETIME_DAYS * 86_400),
    duplicate_window: Some(DUPLICATE_WINDOW),
    deny_delete: false,
    deny_purge: false,
    ..StreamSpec::new("CHANGES", "WORK.API", SUBJECT, "SyncWell: what changed, for other systems")
};

/// The receivers of changes: the worker's bucket. The projector sees only how many there are.
pub static ENDPOINTS_STREAM: StreamSpec = StreamSpec {
    deny_delete: false,
    ..StreamSpec::new("KV_endpoints", "WORK.API", "$KV.endpoints.>", "SyncWell: the worker's")
};

/// What can change. The names are those on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ChangeKind {
    /// A row was made, or its values changed.
    #[serde(rename = "summary.changed")]
    SummaryChanged,
    /// A connection needs the user again.
    #[serde(rename = "connection.needs_reauth")]
    ConnectionNeedsReauth,
    /// An export can be downloaded.
    #[serde(rename = "export.ready")]
    ExportReady,
    /// An account is no more.
    #[serde(rename = "account.erased")]
    AccountErased,
}

impl ChangeKind {
    /// Every kind.
    pub const ALL: [Self; 4] =
        [Self::SummaryChanged, Self::ConnectionNeedsReauth, Self::ExportReady, Self::AccountErased];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SummaryChanged => "summary.changed",
            Self::ConnectionNeedsReauth => "connection.needs_reauth",
            Self::ExportReady => "export.ready",
            Self::AccountErased => "account.erased",
        }
    }
}

/// What a change is about. Sealed; nothing of it is a health value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeTarget {
    /// Of a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Of a connection or an export.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// A change's clear part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeNotification {
    version: u8,
    /// What changed.
    pub kind: ChangeKind,
    user_ref: String,
    /// The event that changed it.
    pub event_id: EventId,
    /// Where that event stands in the log.
    pub sequence: Sequence,
    /// When that event was received.
    pub time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sealed_base64: Option<String>,
}

impl ChangeNotification {
    /// A change of one event, with nothing sealed yet.
    pub fn new(
        kind: ChangeKind,
        user: UserRef,
        event_id: EventId,
        sequence: Sequence,
        time: Timestamp,
    ) -> Self {
        let user_ref = user.to_string();
        Self { version: VERSION, kind, user_ref, event_id, sequence, time, key_id: None, sealed_base64: None }
    }

    /// Says what it is about, for whoever has the key.
    #[must_use]
    pub fn with_target(mut self, subject: &ChangeTarget, key: &DataKey) -> Self {
        (self.key_id, self.sealed_base64) = (Some(key.id().to_string()), None);
        let subject = serde_json::to_vec(subject).unwrap_or_else(|_| unreachable!("BUG: a subject is JSON"));
        self.sealed_base64 = Some(BASE64.encode(&key.seal(&self.encode(), &subject)));
        self
    }

    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: a change is JSON"))
    }

    /// Reads stored bytes.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|change: &Self| change.version == VERSION)
    }

    /// Whose.
    pub fn user(&self) -> Option<UserRef> {
        self.user_ref.parse().ok()
    }

    /// The data key that the subject is sealed under.
    pub fn key_id(&self) -> Option<DataKeyId> {
        self.key_id.as_ref()?.parse().ok()
    }

    /// What it is about.
    pub fn open_target(&self, key: &DataKey) -> Option<ChangeTarget> {
        let sealed = BASE64.decode(self.sealed_base64.as_ref()?.as_bytes()).ok()?;
        let head = Self { sealed_base64: None, ..self.clone() }.encode();
        serde_json::from_slice(&key.open(&head, sealed).ok()?).ok()
    }
}

/// The stream of changes, over one role's connection. What works depends on the role's rights.
#[derive(Clone)]
pub struct ChangeFeed {
    stream: Stream,
}

impl ChangeFeed {
    /// The stream behind this connection.
    pub fn new(broker: Broker) -> Self {
        Self { stream: CHANGES_STREAM.stream(broker) }
    }

    /// The stream itself.
    pub fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Some changes behind a position in the stream, each with its own.
    pub async fn read_after(
        &self,
        position: u64,
    ) -> Result<Vec<(u64, Option<ChangeNotification>)>, ReadError> {
        let from = ScanFrom::Sequence(position.saturating_add(1));
        let stored = self.stream.scan(from, SUBJECT, PAGE_CHANGES).await?;
        Ok(stored
            .into_iter()
            .map(|stored| (stored.sequence, ChangeNotification::decode(&stored.payload)))
            .collect())
    }

    /// Starts appending.
    pub fn appender(&self) -> ChangeFeedAppender {
        ChangeFeedAppender(Appender::start(self.stream.broker().clone(), CommitMode::Grouped))
    }
}

/// Appends changes.
#[derive(Clone)]
pub struct ChangeFeedAppender(Appender);

impl ChangeFeedAppender {
    /// Appends changes, each once for its event, and returns when all are on stable storage.
    pub async fn append(&self, changes: &[ChangeNotification]) -> Result<(), AppendError> {
        let appending = changes.iter().map(|change| {
            self.0.append(NewMessage {
                subject: SUBJECT.to_owned(),
                id: Some(change.event_id.to_string()),
                headers: Vec::new(),
                expected: None,
                payload: change.encode().into(),
            })
        });
        futures_util::future::try_join_all(appending).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> DataKey {
        DataKey::new(DataKeyId::from_bytes([4; 10]), 2026, &[7; 32])
    }

    fn change() -> ChangeNotification {
        ChangeNotification::new(
            ChangeKind::SummaryChanged,
            UserRef::from_bytes([1; 16]),
            EventId::new(1_771_286_385_000, [7; 10]),
            Sequence::FIRST,
            "2026-02-16T23:59:46Z".parse().unwrap(),
        )
    }

    #[test]
    fn golden_bytes() {
        let text = String::from_utf8(change().encode()).unwrap();
        let golden = format!(
            concat!(
                r#"{{"version":1,"kind":"summary.changed","user_ref":"aeaqcaibaeaqcaibaeaqcaibae","#,
                r#""event_id":"{}","sequence":1,"time":"2026-02-16T23:59:46Z"}}"#
            ),
            change().event_id
        );
        assert_eq!(text, golden);
        assert_eq!(ChangeNotification::decode(golden.as_bytes()), Some(change()));
        assert_eq!(
            ChangeNotification::decode(golden.replace("\"version\":1", "\"version\":2").as_bytes()),
            None
        );
        for kind in ChangeKind::ALL {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }

    #[test]
    fn the_date_is_for_whoever_has_the_key() {
        let subject = ChangeTarget { date: Some("2026-02-16".parse().unwrap()), id: None };
        let sealed = change().with_target(&subject, &key());
        assert!(!String::from_utf8(sealed.encode()).unwrap().contains("2026-02-16\""));
        let stored = ChangeNotification::decode(&sealed.encode()).unwrap();
        assert_eq!((stored.open_target(&key()), stored.key_id()), (Some(subject), Some(key().id())));
        let moved = ChangeNotification { event_id: EventId::new(1, [0; 10]), ..stored.clone() };
        assert_eq!(moved.open_target(&key()), None, "bound to its event");
        assert_eq!(stored.open_target(&DataKey::new(key().id(), 2026, &[8; 32])), None);
    }
}
