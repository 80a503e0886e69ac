//! The fold of a user's connections to providers, as pure as that of the rows. What a step does to the status is judged by
//! [`ConnectionStatus::after`] alone: a step that it calls impossible changes nothing, whatever the event says.

mod codec;

use std::collections::BTreeMap;

use events::{ChangeKind, ChangeSubject};
use jiff::Timestamp;
use schemas::{AtProvider, ConnectionDocument, ConnectionStatus, ConnectionStep, Outcome, ReauthReason};
use serde_json::{Value, json};
use vault::{ConnectionId, UserRef};

use crate::entry::{Entry, named};
use crate::open::OpenedEvent;
use crate::view::ConnectionKey;

/// What is known of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) provider: String,
    /// Where the provider sends the user back to.
    pub(crate) redirect_uri: String,
    pub(crate) status: ConnectionStatus,
    /// Why it needs the user again, while it does.
    pub(crate) reason: Option<ReauthReason>,
    /// What the provider granted, as it last said.
    pub(crate) scopes: Option<Vec<String>>,
    /// The pseudonym under which the provider's deliveries are filed, as the provider last named the user.
    pub(crate) provider_user: Option<UserRef>,
    pub(crate) created_at: Timestamp,
    /// When tokens were last given by a code.
    pub(crate) authorized_at: Option<Timestamp>,
    /// When the access token that was given then ends; the ones after it are in no event.
    pub(crate) access_until: Option<Timestamp>,
    /// Since when it needs the user again, while it does.
    pub(crate) needs_reauth_at: Option<Timestamp>,
    pub(crate) revoked_at: Option<Timestamp>,
    pub(crate) at_provider: Option<AtProvider>,
}

/// What happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ConnectionChange {
    Requested { provider: String, redirect_uri: String },
    Authorized,
    ReauthRequested,
    RevocationRequested,
    Activated { scopes: Option<Vec<String>>, provider_user: Option<UserRef>, access_until: Option<Timestamp> },
    ReauthNeeded(ReauthReason),
    Revoked(AtProvider),
}

impl ConnectionChange {
    const fn step(&self) -> ConnectionStep {
        match self {
            Self::Requested { .. } => ConnectionStep::Requested,
            Self::Authorized => ConnectionStep::Authorized,
            Self::ReauthRequested => ConnectionStep::ReauthRequested,
            Self::RevocationRequested => ConnectionStep::RevocationRequested,
            Self::Activated { .. } => ConnectionStep::Activated,
            Self::ReauthNeeded(_) => ConnectionStep::ReauthNeeded,
            Self::Revoked(_) => ConnectionStep::Revoked,
        }
    }
}

/// Folds a change.
pub(crate) fn fold(
    connection: Option<Connection>,
    change: &ConnectionChange,
    time: Timestamp,
) -> (Option<Connection>, Outcome) {
    let current = connection.as_ref().map(|connection| connection.status);
    let Some(status) = ConnectionStatus::after(current, change.step()) else {
        return (connection, Outcome::Unchanged);
    };
    let Some(before) = connection else { return (begun(status, change, time), Outcome::Created) };
    let after = changed(Connection { status, ..before.clone() }, change, time);
    let outcome = if after == before { Outcome::Unchanged } else { Outcome::Merged };
    (Some(after), outcome)
}

fn begun(status: ConnectionStatus, change: &ConnectionChange, time: Timestamp) -> Option<Connection> {
    let ConnectionChange::Requested { provider, redirect_uri } = change else {
        unreachable!("BUG: only a request begins a connection")
    };
    Some(Connection {
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
fn changed(connection: Connection, change: &ConnectionChange, time: Timestamp) -> Connection {
    match change {
        // A request only begins, and the other two are answered by what comes of them.
        ConnectionChange::Requested { .. }
        | ConnectionChange::Authorized
        | ConnectionChange::ReauthRequested => connection,
        ConnectionChange::Activated { scopes, provider_user, access_until } => Connection {
            reason: None,
            needs_reauth_at: None,
            scopes: scopes.clone().or(connection.scopes),
            provider_user: provider_user.or(connection.provider_user),
            authorized_at: Some(time),
            access_until: *access_until,
            ..connection
        },
        ConnectionChange::ReauthNeeded(reason) => Connection {
            reason: Some(*reason),
            needs_reauth_at: connection.needs_reauth_at.or(Some(time)),
            ..connection
        },
        ConnectionChange::RevocationRequested => {
            Connection { reason: None, needs_reauth_at: None, ..connection }
        }
        ConnectionChange::Revoked(at_provider) => {
            Connection { revoked_at: Some(time), at_provider: Some(*at_provider), ..connection }
        }
    }
}

/// As its owner sees it.
pub(crate) fn document(id: ConnectionId, connection: &Connection) -> ConnectionDocument {
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

impl Entry for Connection {
    type Key = ConnectionKey;
    type Said = (ConnectionId, ConnectionChange);

    fn key(user: UserRef, (id, _): &Self::Said) -> ConnectionKey {
        ConnectionKey { user, id: *id }
    }

    fn fold(before: Option<Self>, event: &OpenedEvent<Self::Said>) -> (Option<Self>, Outcome) {
        fold(before, &event.said.1, event.head.time)
    }

    /// Only the id is told: which provider somebody uses is nobody else's matter.
    fn change((id, change): &Self::Said) -> Option<(ChangeKind, ChangeSubject)> {
        match change {
            ConnectionChange::ReauthNeeded(_) => {
                let subject = ChangeSubject { date: None, id: Some(id.to_string()) };
                Some((ChangeKind::ConnectionNeedsReauth, subject))
            }
            ConnectionChange::Requested { .. }
            | ConnectionChange::Authorized
            | ConnectionChange::ReauthRequested
            | ConnectionChange::RevocationRequested
            | ConnectionChange::Activated { .. }
            | ConnectionChange::Revoked(_) => None,
        }
    }

    fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        codec::decode(bytes)
    }

    fn values(&self) -> BTreeMap<String, Value> {
        named([
            ("provider", json!(self.provider)),
            ("redirect_uri", json!(self.redirect_uri)),
            ("status", json!(self.status)),
            ("reason", json!(self.reason)),
            ("scopes", json!(self.scopes)),
            ("provider_user", json!(self.provider_user.map(|user| user.to_string()))),
            ("created_at", json!(self.created_at)),
            ("authorized_at", json!(self.authorized_at)),
            ("access_until", json!(self.access_until)),
            ("needs_reauth_at", json!(self.needs_reauth_at)),
            ("revoked_at", json!(self.revoked_at)),
            ("at_provider", json!(self.at_provider)),
        ])
    }
}

#[cfg(test)]
mod tests;
