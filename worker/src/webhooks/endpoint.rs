//! A receiver of the change feed, as it is registered.
//!
//! Stored bytes, version 1, are JSON on one line:
//!
//! ```json
//! {"version":1,"id":"…","url":"https://…","kinds":["summary.changed"],"user_refs":"pairwise","created_at":"…","secret_version":1,"begins":{"stream":"…","sequence":4711}}
//! ```
//!
//! Without `kinds` it wants all of them. It begins behind the change at `sequence`, where the stream of changes ended when it
//! was registered: so one write registers it whole. `disabled` says since when and why nothing is delivered to it any more.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use events::ChangeKind;
use jiff::Timestamp;
use keys::{Pseudonymizer, TokenSealer, UserRef};
use providers::standard_webhooks::StandardWebhookSecret;
use schemas::EventId;
use serde::{Deserialize, Serialize};
use url::Url;

const VERSION: u8 = 1;
const ID_BYTES: usize = 16;
/// Characters of 128 bits in base32.
const ID_CHARS: usize = 26;

/// A receiver's name: random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointId([u8; ID_BYTES]);

/// The text is no endpoint's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an endpoint's id is 26 characters of lowercase base32")]
pub struct ParseEndpointIdError;

impl EndpointId {
    /// The id with these bytes.
    pub fn from_bytes(bytes: [u8; ID_BYTES]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base32(&self.0))
    }
}

impl fmt::Debug for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EndpointId {
    type Err = ParseEndpointIdError;

    fn from_str(text: &str) -> Result<Self, ParseEndpointIdError> {
        if text.len() != ID_CHARS || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return Err(ParseEndpointIdError);
        }
        let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes());
        bytes.ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(ParseEndpointIdError)
    }
}

impl TryFrom<String> for EndpointId {
    type Error = ParseEndpointIdError;

    fn try_from(text: String) -> Result<Self, ParseEndpointIdError> {
        text.parse()
    }
}

impl From<EndpointId> for String {
    fn from(id: EndpointId) -> Self {
        id.to_string()
    }
}

/// How an endpoint is told of users.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserRefMode {
    /// By names that no other endpoint is told, so that two receivers can't find out that they know the same user.
    #[default]
    Pairwise,
    /// By the user ref that stands in logs and in the log.
    Shared,
}

/// Why nothing is delivered to an endpoint any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DisabledReason {
    /// It answered 410 Gone, which says so (Standard Webhooks, "Delivery").
    Gone,
    /// More of its messages are parked than are kept.
    TooManyParked,
}

/// Since when and why an endpoint is disabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DisabledState {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub reason: DisabledReason,
}

/// Where in which stream of changes an endpoint begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StartPosition {
    pub(super) stream: String,
    pub(super) sequence: u64,
}

/// A registered receiver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    version: u8,
    pub(super) id: EndpointId,
    pub(super) url: Url,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) kinds: Option<Vec<ChangeKind>>,
    pub(super) user_refs: UserRefMode,
    pub(super) created_at: Timestamp,
    pub(super) secret_version: u32,
    pub(super) begins: StartPosition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) disabled: Option<DisabledState>,
}

impl Endpoint {
    /// A new one. `kinds`: empty for all.
    pub(super) fn new(
        id: EndpointId,
        url: Url,
        kinds: &[ChangeKind],
        user_refs: UserRefMode,
        secret_version: u32,
        (created_at, begins): (Timestamp, StartPosition),
    ) -> Self {
        let wanted = ChangeKind::ALL.into_iter().filter(|kind| kinds.contains(kind)).collect();
        let kinds = (!kinds.is_empty()).then_some(wanted);
        Self {
            version: VERSION,
            id,
            url,
            kinds,
            user_refs,
            created_at,
            secret_version,
            begins,
            disabled: None,
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: an endpoint is JSON"))
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().filter(|endpoint: &Self| endpoint.version == VERSION)
    }

    pub(super) fn is_subscribed_to(&self, kind: ChangeKind) -> bool {
        self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&kind))
    }

    /// All of its URL that is logged.
    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }
}

/// What the worker and one receiver share, and what names users and messages to it: both derived, neither stored.
pub(super) struct EndpointSecrets {
    pub(super) signing: StandardWebhookSecret,
    /// Unlike the signing secret the receiver does not have it: nobody can make up names from refs that were overheard.
    naming: Pseudonymizer,
    user_refs: UserRefMode,
}

impl EndpointSecrets {
    /// `None` where the version of the worker's secret is gone that the endpoint was registered under.
    pub(super) fn derive(endpoint: &Endpoint, seal: &TokenSealer) -> Option<Self> {
        let (version, id) = (endpoint.secret_version, endpoint.id.to_string());
        let signing = seal.endpoint_secret(version, &id)?;
        let naming = seal.endpoint_secret(version, &format!("{id}.names"))?;
        Some(Self {
            signing: StandardWebhookSecret::from_bytes(&*signing).ok()?,
            naming: Pseudonymizer::new(naming),
            user_refs: endpoint.user_refs,
        })
    }

    /// What this endpoint calls a user.
    pub(super) fn user(&self, user: &UserRef) -> String {
        match self.user_refs {
            UserRefMode::Shared => user.to_string(),
            UserRefMode::Pairwise => self.short_hash("syncwell.pairwise-user.v1", user.as_bytes()),
        }
    }

    /// The `webhook-id` of what this endpoint is told of an event: the same at every attempt.
    pub(super) fn message_id(&self, event: EventId) -> String {
        format!("msg_{}", self.short_hash("syncwell.webhook-id.v1", event.as_bytes()))
    }

    /// 128 bits of a keyed hash.
    fn short_hash(&self, purpose: &str, part: &[u8]) -> String {
        base32(&self.naming.keyed_hash(purpose, &[part])[..ID_BYTES])
    }
}

/// RFC 4648, in lowercase and without padding, as every other name here.
pub(super) fn base32(bytes: &[u8]) -> String {
    BASE32_NOPAD.encode(bytes).to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
