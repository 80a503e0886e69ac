//! What operators ask a worker over the broker, on `feed.v1.*`: JSON both ways.

use events::ChangeKind;
use jiff::Timestamp;
use schemas::{EventId, Sequence};
use serde::{Deserialize, Serialize};

use crate::webhooks::endpoint::{DisabledState, EndpointId, UserRefMode};

/// Behind which a question's name stands.
pub(super) const SUBJECT_FILTER: &str = "feed.v1.*";
pub(super) const SUBJECT_PREFIX: &str = "feed.v1.";

/// What can be asked. The names are those on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AdminMethod {
    Add,
    List,
    Remove,
    Test,
    UserRef,
    ListParked,
    RetryParked,
}

impl AdminMethod {
    const ALL: [Self; 7] =
        [Self::Add, Self::List, Self::Remove, Self::Test, Self::UserRef, Self::ListParked, Self::RetryParked];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::List => "list",
            Self::Remove => "remove",
            Self::Test => "test",
            Self::UserRef => "ref",
            Self::ListParked => "parked",
            Self::RetryParked => "retry",
        }
    }

    pub(super) fn from_subject(subject: &str) -> Option<Self> {
        let name = subject.strip_prefix(SUBJECT_PREFIX)?;
        Self::ALL.into_iter().find(|asked| asked.as_str() == name)
    }
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AddEndpointRequest {
    pub(super) url: String,
    /// Empty for all.
    #[serde(default)]
    pub(super) kinds: Vec<ChangeKind>,
    #[serde(default)]
    pub(super) user_refs: UserRefMode,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListEndpointsRequest {}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndpointIdRequest {
    pub(super) id: EndpointId,
}

/// The user id goes over the broker this once, and is kept nowhere.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserRefRequest {
    pub(super) id: EndpointId,
    pub(super) user_id: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParkedRequest {
    #[serde(default)]
    pub(super) id: Option<EndpointId>,
    /// Where the page before ended.
    #[serde(default)]
    pub(super) after: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetryParkedRequest {
    #[serde(default)]
    pub(super) id: Option<EndpointId>,
    #[serde(default)]
    pub(super) change: Option<u64>,
    #[serde(default)]
    pub(super) after: u64,
}

/// The worker's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum AdminResponse<T> {
    Done(T),
    /// No, and why.
    Refused(String),
    /// Not now.
    Unavailable,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ListParkedResponse {
    pub(super) parked: Vec<ParkedMessage>,
    pub(super) next: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RetryParkedResponse {
    pub(super) retried: u64,
    pub(super) disabled: u64,
    pub(super) next: Option<u64>,
}

/// A new endpoint.
#[derive(Serialize, Deserialize)]
pub struct AddEndpointResponse {
    /// Its name.
    pub id: EndpointId,
    /// What its messages are signed with: told this once.
    pub secret: String,
    /// Whether the projector has heard of it already.
    pub projector: ProjectorAck,
}

/// Whether the projector knows already that an endpoint is there or gone. It looks by itself, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorAck {
    /// It knows.
    #[serde(rename = "knows")]
    Acknowledged,
    /// It does not answer, and will find out within seconds when it runs.
    #[serde(rename = "silent")]
    NoResponse,
}

/// How an endpoint stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// Its name.
    pub id: EndpointId,
    /// Where messages are sent.
    pub url: String,
    /// What it wants to be told.
    pub kinds: Vec<ChangeKind>,
    /// How it is told of users.
    pub user_refs: UserRefMode,
    /// When it was registered.
    pub created_at: Timestamp,
    /// Since when nothing is delivered to it.
    pub disabled: Option<DisabledState>,
    /// Whether its secret can't be derived any more: it has to be registered anew.
    pub secret_gone: bool,
    /// Changes that it was not told yet; those that it does not want are counted too.
    pub behind: u64,
    /// Messages that are tried again.
    pub waiting: u64,
    /// Messages that are not.
    pub parked: u64,
}

/// What a receiver did with a test.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestEndpointResponse {
    /// Whether it answered 2xx.
    pub delivered: bool,
    /// The status, where it answered.
    pub status: Option<u16>,
    /// In words.
    pub detail: String,
    /// The `webhook-id`.
    pub message_id: String,
}

/// A message that is not tried any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// Of which endpoint.
    pub endpoint: EndpointId,
    /// Which change, by its sequence in the stream of changes.
    pub change: u64,
    /// What it tells of.
    pub kind: ChangeKind,
    /// The event that it tells of.
    pub event_id: EventId,
    /// Where that stands in the log.
    pub position: Sequence,
    /// The `webhook-id`.
    pub message_id: Option<String>,
    /// How often it was sent.
    pub attempts: u32,
    /// When it was first sent.
    pub since: Timestamp,
    /// When it was parked.
    pub parked_at: Timestamp,
    /// What came of the last attempt.
    pub last: String,
}

/// What became of a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetryParkedSummary {
    /// Messages that are sent again now.
    pub retried: u64,
    /// Messages of disabled endpoints, which stay parked.
    pub disabled: u64,
}

pub(super) fn encode(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|_| unreachable!("BUG: what is sent is JSON"))
}
