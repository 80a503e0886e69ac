//! What a receiver is told: that something changed, of whom, and where to read it. Pure.
//!
//! ```json
//! {"type":"summary.changed","timestamp":"…","data":{"user_ref":"…","date":"2026-02-16","link":"…/v1/summaries/2026-02-16","position":4711}}
//! ```
//!
//! Nothing of it is a health value: whoever wants those reads them with the user's own token. `position` is that of the
//! event, so that whoever reads can tell a row that has it folded in from one that does not yet.

use events::{ChangeKind, ChangeNotification, ChangeTarget};
use jiff::Timestamp;
use jiff::civil::Date;
use keys::UserRef;
use schemas::Sequence;
use serde::Serialize;

use super::endpoint::{EndpointSecrets, base32};

/// The type of what `syncwell webhooks test` sends.
const TEST_MESSAGE_TYPE: &str = "webhook.test";

/// A message, the same at every attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WebhookMessage {
    /// The `webhook-id`.
    pub(super) id: String,
    pub(super) body: Vec<u8>,
}

#[derive(Serialize)]
struct MessageBody<'a> {
    r#type: &'a str,
    timestamp: Timestamp,
    data: MessageData<'a>,
}

#[derive(Default, Serialize)]
struct MessageData<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_ref: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<Date>,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    export_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<Sequence>,
}

impl WebhookMessage {
    /// Tells of a change. Of what it is about, as far as that is known: a key may be missing.
    pub(super) fn from_change(
        change: &ChangeNotification,
        user: &UserRef,
        subject: Option<&ChangeTarget>,
        secrets: &EndpointSecrets,
        link_base: &str,
    ) -> Self {
        let date = subject.and_then(|subject| subject.date);
        let id = subject.and_then(|subject| subject.id.as_deref());
        let about = match change.kind {
            ChangeKind::SummaryChanged => MessageData {
                date,
                link: date.map(|date| format!("{link_base}/v1/summaries/{date}")),
                ..MessageData::default()
            },
            ChangeKind::ConnectionNeedsReauth => MessageData {
                connection_id: id,
                link: id.map(|id| format!("{link_base}/v1/connections/{id}")),
                ..MessageData::default()
            },
            ChangeKind::ExportReady => MessageData {
                export_id: id,
                link: id.map(|id| format!("{link_base}/v1/exports/{id}")),
                ..MessageData::default()
            },
            ChangeKind::AccountErased => MessageData::default(),
        };
        let data =
            MessageData { user_ref: Some(secrets.user(user)), position: Some(change.sequence), ..about };
        let body = MessageBody { r#type: change.kind.as_str(), timestamp: change.time, data };
        Self { id: secrets.message_id(change.event_id), body: encode(&body) }
    }

    /// Tells nothing, and shows whether a receiver takes and verifies what it is told.
    pub(super) fn new_test(now: Timestamp, random: &[u8; 16]) -> Self {
        let body = MessageBody { r#type: TEST_MESSAGE_TYPE, timestamp: now, data: MessageData::default() };
        Self { id: format!("msg_{}", base32(random)), body: encode(&body) }
    }
}

fn encode(body: &MessageBody<'_>) -> Vec<u8> {
    serde_json::to_vec(body).unwrap_or_else(|_| unreachable!("BUG: a message is JSON"))
}

#[cfg(test)]
mod tests {
    use keys::{TokenSealer, VersionedSecrets};
    use schemas::EventId;

    use super::super::endpoint::{Endpoint, EndpointId, StartPosition, UserRefMode};
    use super::*;

    fn secrets(user_refs: UserRefMode) -> EndpointSecrets {
        let time = "2026-02-16T12:00:00Z".parse().unwrap();
        let begins = StartPosition { stream: "s".to_owned(), sequence: 0 };
        let url = "https://receiver.example/".parse().unwrap();
        let id = EndpointId::from_bytes([1; 16]);
        let seal = TokenSealer::new(VersionedSecrets::parse(&format!("1 {}\n", "05".repeat(32))).unwrap());
        EndpointSecrets::derive(&Endpoint::new(id, url, &[], user_refs, 1, (time, begins)), &seal).unwrap()
    }

    fn told(kind: ChangeKind, subject: Option<&ChangeTarget>, link_base: &str) -> String {
        let user = UserRef::from_bytes([2; 16]);
        let time = "2026-02-16T23:59:46.5Z".parse().unwrap();
        let event = EventId::new(1_771_286_385_000, [7; 10]);
        let change = ChangeNotification::new(kind, user, event, Sequence::new(4_711).unwrap(), time);
        let secrets = secrets(UserRefMode::Shared);
        let message = WebhookMessage::from_change(&change, &user, subject, &secrets, link_base);
        assert_eq!(message.id, secrets.message_id(event));
        String::from_utf8(message.body).unwrap()
    }

    #[test]
    fn golden_bodies() {
        let date = ChangeTarget { date: Some("2026-02-16".parse().unwrap()), id: None };
        let id = ChangeTarget { date: None, id: Some("abc".to_owned()) };
        let base = "https://api.example";
        let head = |kind| {
            format!(
                r#"{{"type":"{kind}","timestamp":"2026-02-16T23:59:46.5Z","data":{{"user_ref":"aibaeaqcaibaeaqcaibaeaqcai","#
            )
        };
        for (kind, subject, expected) in [
            (
                ChangeKind::SummaryChanged,
                Some(&date),
                r#""date":"2026-02-16","link":"https://api.example/v1/summaries/2026-02-16","position":4711}}"#,
            ),
            (ChangeKind::SummaryChanged, None, r#""position":4711}}"#),
            (
                ChangeKind::ConnectionNeedsReauth,
                Some(&id),
                r#""connection_id":"abc","link":"https://api.example/v1/connections/abc","position":4711}}"#,
            ),
            (
                ChangeKind::ExportReady,
                Some(&id),
                r#""export_id":"abc","link":"https://api.example/v1/exports/abc","position":4711}}"#,
            ),
            (ChangeKind::AccountErased, None, r#""position":4711}}"#),
        ] {
            assert_eq!(told(kind, subject, base), head(kind.as_str()) + expected);
        }
        assert!(
            told(ChangeKind::SummaryChanged, Some(&date), "")
                .contains(r#""link":"/v1/summaries/2026-02-16""#)
        );
    }

    #[test]
    fn a_test_is_about_nobody() {
        let message = WebhookMessage::new_test("2026-02-16T12:00:00Z".parse().unwrap(), &[1; 16]);
        assert_eq!(message.id, "msg_aeaqcaibaeaqcaibaeaqcaibae");
        let golden = r#"{"type":"webhook.test","timestamp":"2026-02-16T12:00:00Z","data":{}}"#;
        assert_eq!(String::from_utf8(message.body).unwrap(), golden);
    }
}
