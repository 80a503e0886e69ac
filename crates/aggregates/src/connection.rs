//! The fold of a user's connections to providers, as pure as that of the rows. What a step does to the status is judged by
//! [`ConnectionStatus::next`] alone: a step that it calls impossible changes nothing, whatever the event says.

#[cfg(test)]
mod tests;

use events::ConnectionEvent;
use jiff::Timestamp;
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionDocument, ConnectionStatus, Outcome, ProviderRevocation, ReauthReason};

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

/// Folds an event.
pub fn fold(
    connection: Option<ConnectionState>,
    event: &ConnectionEvent,
    time: Timestamp,
) -> (Option<ConnectionState>, Outcome) {
    let current = connection.as_ref().map(|connection| connection.status);
    let Some(status) = ConnectionStatus::next(current, event.transition()) else {
        return (connection, Outcome::Unchanged);
    };
    let Some(before) = connection else { return (new_connection(status, event, time), Outcome::Created) };
    let after = apply_change(ConnectionState { status, ..before.clone() }, event, time);
    let outcome = if after == before { Outcome::Unchanged } else { Outcome::Merged };
    (Some(after), outcome)
}

fn new_connection(
    status: ConnectionStatus,
    event: &ConnectionEvent,
    time: Timestamp,
) -> Option<ConnectionState> {
    let ConnectionEvent::Requested(requested) = event else {
        unreachable!("BUG: only a request begins a connection")
    };
    Some(ConnectionState {
        provider: requested.provider.clone(),
        redirect_uri: requested.redirect_uri.clone(),
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

/// What a possible event does beside moving the status.
fn apply_change(connection: ConnectionState, event: &ConnectionEvent, time: Timestamp) -> ConnectionState {
    match event {
        // A request only begins a connection; the worker's event that follows the other two changes it.
        ConnectionEvent::Requested(_)
        | ConnectionEvent::Authorized(_)
        | ConnectionEvent::ReauthRequested(_) => connection,
        ConnectionEvent::Activated(activated) => ConnectionState {
            reason: None,
            needs_reauth_at: None,
            scopes: activated.scopes.clone().or(connection.scopes),
            provider_user: activated.provider_user_ref.or(connection.provider_user),
            authorized_at: Some(time),
            access_until: activated.access_until,
            ..connection
        },
        ConnectionEvent::ReauthNeeded(needed) => ConnectionState {
            reason: Some(needed.reason),
            needs_reauth_at: connection.needs_reauth_at.or(Some(time)),
            ..connection
        },
        ConnectionEvent::RevocationRequested(_) => {
            ConnectionState { reason: None, needs_reauth_at: None, ..connection }
        }
        ConnectionEvent::Revoked(revoked) => {
            ConnectionState { revoked_at: Some(time), at_provider: Some(revoked.at_provider), ..connection }
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
