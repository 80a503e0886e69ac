//! What happens to a connection to a health provider. Commands come in through the door, and name the token they came
//! with; what came of them is the worker's. All are sealed under the account's data key. No token of a provider is ever in
//! an event: those are the worker's alone to see. An authorisation code is, and is dead once it was exchanged.

use jiff::Timestamp;
use keys::ConnectionId;
use schemas::{ProviderRevocation, ReauthReason};
use serde::{Deserialize, Serialize};

use super::SealedContent;
use crate::envelope::EventKind;

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
    pub provider_user_ref: Option<String>,
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
