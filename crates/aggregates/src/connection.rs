//! The fold of a user's connections to providers, as pure as that of the rows. What a step does to the status is judged by
//! [`ConnectionStatus::next`] alone: a step that it calls impossible changes nothing, whatever the event says.

#[cfg(test)]
mod tests;

use jiff::Timestamp;
use keys::{ConnectionId, UserRef};
use schemas::{
    ConnectionDocument, ConnectionStatus, ConnectionTransition, Outcome, ProviderRevocation, ReauthReason,
};

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionState {
    /// Which provider.
    pub provider: String,
    /// Where the provider sends the user back to.
    pub redirect_uri: String,
    /// Where it is.
    pub status: ConnectionStatus,
    /// Why it needs the user again, while it does.
    pub reason: Option<ReauthReason>,
    /// What the provider granted, as it last said.
    pub scopes: Option<Vec<String>>,
    /// The pseudonym under which the provider's deliveries are filed, as the provider last named the user.
    pub provider_user: Option<UserRef>,
    /// When it was asked for.
    pub created_at: Timestamp,
    /// When tokens were last given by a code.
    pub authorized_at: Option<Timestamp>,
    /// When the access token that was given then ends; the ones after it are in no event.
    pub access_until: Option<Timestamp>,
    /// Since when it needs the user again, while it does.
    pub needs_reauth_at: Option<Timestamp>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// What came of revoking it there.
    pub at_provider: Option<ProviderRevocation>,
}

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ConnectionChange {
    /// A user asked for it.
    Requested {
        /// Of which provider.
        provider: String,
        /// Where that sends the user back to.
        redirect_uri: String,
    },
    /// The app brought a code.
    Authorized,
    /// The app asked for another authorisation.
    ReauthRequested,
    /// The user wants it gone.
    RevocationRequested,
    /// There are tokens.
    Activated {
        /// What the provider granted.
        scopes: Option<Vec<String>>,
        /// Under which pseudonym its deliveries are filed.
        provider_user: Option<UserRef>,
        /// When the access token ends.
        access_until: Option<Timestamp>,
    },
    /// There are no tokens that are good.
    ReauthNeeded(ReauthReason),
    /// The tokens are destroyed.
    Revoked(ProviderRevocation),
}

impl ConnectionChange {
    /// The step of the status that it is.
    pub const fn transition(&self) -> ConnectionTransition {
        match self {
            Self::Requested { .. } => ConnectionTransition::Requested,
            Self::Authorized => ConnectionTransition::Authorized,
            Self::ReauthRequested => ConnectionTransition::ReauthRequested,
            Self::RevocationRequested => ConnectionTransition::RevocationRequested,
            Self::Activated { .. } => ConnectionTransition::Activated,
            Self::ReauthNeeded(_) => ConnectionTransition::ReauthNeeded,
            Self::Revoked(_) => ConnectionTransition::Revoked,
        }
    }
}

/// Folds a change.
pub fn fold(
    connection: Option<ConnectionState>,
    change: &ConnectionChange,
    time: Timestamp,
) -> (Option<ConnectionState>, Outcome) {
    let current = connection.as_ref().map(|connection| connection.status);
    let Some(status) = ConnectionStatus::next(current, change.transition()) else {
        return (connection, Outcome::Unchanged);
    };
    let Some(before) = connection else { return (new_connection(status, change, time), Outcome::Created) };
    let after = apply_change(ConnectionState { status, ..before.clone() }, change, time);
    let outcome = if after == before { Outcome::Unchanged } else { Outcome::Merged };
    (Some(after), outcome)
}

fn new_connection(
    status: ConnectionStatus,
    change: &ConnectionChange,
    time: Timestamp,
) -> Option<ConnectionState> {
    let ConnectionChange::Requested { provider, redirect_uri } = change else {
        unreachable!("BUG: only a request begins a connection")
    };
    Some(ConnectionState {
        provider: provider.clone(),
        redirect_uri: redirect_uri.clone(),
        status,
        reason: None,
        scopes: None,
        provider_user: None,
        created_at: time,
        authorized_at: None,
        access_until: None,
        needs_reauth_at: None,
        revoked_at: None,
        at_provider: None,
    })
}

/// What a possible change does beside moving the status.
fn apply_change(connection: ConnectionState, change: &ConnectionChange, time: Timestamp) -> ConnectionState {
    match change {
        // A request only begins, and the other two are answered by what comes of them.
        ConnectionChange::Requested { .. }
        | ConnectionChange::Authorized
        | ConnectionChange::ReauthRequested => connection,
        ConnectionChange::Activated { scopes, provider_user, access_until } => ConnectionState {
            reason: None,
            needs_reauth_at: None,
            scopes: scopes.clone().or(connection.scopes),
            provider_user: provider_user.or(connection.provider_user),
            authorized_at: Some(time),
            access_until: *access_until,
            ..connection
        },
        ConnectionChange::ReauthNeeded(reason) => ConnectionState {
            reason: Some(*reason),
            needs_reauth_at: connection.needs_reauth_at.or(Some(time)),
            ..connection
        },
        ConnectionChange::RevocationRequested => {
            ConnectionState { reason: None, needs_reauth_at: None, ..connection }
        }
        ConnectionChange::Revoked(at_provider) => {
            ConnectionState { revoked_at: Some(time), at_provider: Some(*at_provider), ..connection }
        }
    }
}

/// As its owner sees it.
pub fn document(id: ConnectionId, connection: &ConnectionState) -> ConnectionDocument {
    ConnectionDocument {
        connection_id: id.to_string(),
        provider: connection.provider.clone(),
        status: connection.status,
        reason: connection.reason,
        scopes: connection.scopes.clone(),
        created_at: connection.created_at,
        authorized_at: connection.authorized_at,
        needs_reauth_at: connection.needs_reauth_at,
        revoked_at: connection.revoked_at,
        at_provider: connection.at_provider,
        position: None,
    }
}
