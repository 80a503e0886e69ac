//! What happens to a connection to a health provider. Commands come in through the door, and name the token they came
//! with; what came of them is the worker's. All are sealed under the account's data key. No token of a provider is ever in
//! an event: those are the worker's alone to see. An authorisation code is, and is dead once it was exchanged.

use jiff::Timestamp;
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionTransition, ProviderRevocation, ReauthReason};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::sealed_content::SealedContent;
use crate::event_kind::EventKind;

/// A user wants a connection. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRequested {
    /// Which.
    pub connection_id: ConnectionId,
    /// To whom.
    pub provider: String,
    /// Where the provider sends the user back to.
    pub redirect_uri: String,
    /// The token's `jti`, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// The app brought what the provider handed back. Version 1.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionAuthorized {
    /// Which.
    pub connection_id: ConnectionId,
    /// The authorisation code.
    pub code: String,
    /// The state that it came with.
    pub state: String,
    /// The app's own PKCE verifier, where the app made the challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_verifier: Option<String>,
    /// The token's `jti`, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// The app asked for another authorisation. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionReauthRequested {
    /// Which.
    pub connection_id: ConnectionId,
    /// The token's `jti`, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// The user wants the connection gone. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRevocationRequested {
    /// Which.
    pub connection_id: ConnectionId,
    /// The token's `jti`, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jti: Option<String>,
}

/// The provider gave tokens for a code, and they are stored. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionActivated {
    /// Which.
    pub connection_id: ConnectionId,
    /// What the provider granted, where it said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Vec<String>>,
    /// The pseudonym under which the provider's deliveries about this user are filed, where the provider named the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_user_ref: Option<UserRef>,
    /// When the access token ends, where the provider said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_until: Option<Timestamp>,
}

/// There are no tokens that are good. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionReauthNeeded {
    /// Which.
    pub connection_id: ConnectionId,
    /// Why.
    pub reason: ReauthReason,
}

/// The tokens are destroyed. Version 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConnectionRevoked {
    /// Which.
    pub connection_id: ConnectionId,
    /// What became of them at the provider.
    pub at_provider: ProviderRevocation,
}

/// A change of a connection. No `Debug`: [`ConnectionAuthorized`] holds an authorisation code.
#[derive(Clone, PartialEq, Eq)]
pub enum ConnectionEvent {
    /// A user requested it.
    Requested(ConnectionRequested),
    /// The app posted the authorisation code.
    Authorized(ConnectionAuthorized),
    /// The app asked for another authorisation.
    ReauthRequested(ConnectionReauthRequested),
    /// The user asked to end it.
    RevocationRequested(ConnectionRevocationRequested),
    /// The provider issued tokens.
    Activated(ConnectionActivated),
    /// No valid tokens are left.
    ReauthNeeded(ConnectionReauthNeeded),
    /// The tokens are destroyed.
    Revoked(ConnectionRevoked),
}

impl ConnectionEvent {
    /// The connection.
    pub fn connection_id(&self) -> ConnectionId {
        match self {
            Self::Requested(event) => event.connection_id,
            Self::Authorized(event) => event.connection_id,
            Self::ReauthRequested(event) => event.connection_id,
            Self::RevocationRequested(event) => event.connection_id,
            Self::Activated(event) => event.connection_id,
            Self::ReauthNeeded(event) => event.connection_id,
            Self::Revoked(event) => event.connection_id,
        }
    }

    /// The status transition.
    pub const fn transition(&self) -> ConnectionTransition {
        match self {
            Self::Requested(_) => ConnectionTransition::Requested,
            Self::Authorized(_) => ConnectionTransition::Authorized,
            Self::ReauthRequested(_) => ConnectionTransition::ReauthRequested,
            Self::RevocationRequested(_) => ConnectionTransition::RevocationRequested,
            Self::Activated(_) => ConnectionTransition::Activated,
            Self::ReauthNeeded(_) => ConnectionTransition::ReauthNeeded,
            Self::Revoked(_) => ConnectionTransition::Revoked,
        }
    }

    /// Whether the worker appended it.
    pub const fn is_from_worker(&self) -> bool {
        match self {
            Self::Activated(_) | Self::ReauthNeeded(_) | Self::Revoked(_) => true,
            Self::Requested(_)
            | Self::Authorized(_)
            | Self::ReauthRequested(_)
            | Self::RevocationRequested(_) => false,
        }
    }

    pub(super) fn to_redacted_json(&self) -> Value {
        match self {
            Self::Requested(event) => json!(event),
            // A code is worthless once it was exchanged, and secret until then.
            Self::Authorized(event) => json!({
                "connection_id": event.connection_id, "code": "[redacted]", "jti": event.jti,
            }),
            Self::ReauthRequested(event) => json!(event),
            Self::RevocationRequested(event) => json!(event),
            Self::Activated(event) => json!(event),
            Self::ReauthNeeded(event) => json!(event),
            Self::Revoked(event) => json!(event),
        }
    }
}

impl SealedContent for ConnectionRequested {
    const KIND: EventKind = EventKind::ConnectionRequestedV1;
}

impl SealedContent for ConnectionAuthorized {
    const KIND: EventKind = EventKind::ConnectionAuthorizedV1;
}

impl SealedContent for ConnectionReauthRequested {
    const KIND: EventKind = EventKind::ConnectionReauthRequestedV1;
}

impl SealedContent for ConnectionRevocationRequested {
    const KIND: EventKind = EventKind::ConnectionRevocationRequestedV1;
}

impl SealedContent for ConnectionActivated {
    const KIND: EventKind = EventKind::ConnectionActivatedV1;
}

impl SealedContent for ConnectionReauthNeeded {
    const KIND: EventKind = EventKind::ConnectionReauthNeededV1;
}

impl SealedContent for ConnectionRevoked {
    const KIND: EventKind = EventKind::ConnectionRevokedV1;
}
