//! A connection's bytes, before they are sealed: one byte of format, then postcard's encoding of [`StoredConnection`].
//!
//! Its enums stand there as their numbers ([`crate::view_entry::stored_enums`]).

use aggregates::connection::ConnectionState;
use jiff::Timestamp;
use keys::UserRef;
use schemas::{ConnectionStatus, ProviderRevocation, ReauthReason};
use serde::{Deserialize, Serialize};

use crate::view_entry::stored_enums::StoredEnum;

const FORMAT: u8 = 1;

#[derive(Serialize, Deserialize)]
struct StoredConnection<'b> {
    #[serde(borrow)]
    provider: &'b str,
    #[serde(borrow)]
    redirect_uri: &'b str,
    status: u8,
    reason: Option<u8>,
    scopes: Option<Vec<&'b str>>,
    provider_user: Option<[u8; 16]>,
    created_at_ns: i128,
    authorized_at_ns: Option<i128>,
    access_until_ns: Option<i128>,
    needs_reauth_at_ns: Option<i128>,
    revoked_at_ns: Option<i128>,
    at_provider: Option<u8>,
}

pub(super) fn encode(connection: &ConnectionState) -> Vec<u8> {
    let ns = |time: Option<Timestamp>| time.map(Timestamp::as_nanosecond);
    let scopes = connection.scopes.as_ref();
    let stored = StoredConnection {
        provider: &connection.provider,
        redirect_uri: &connection.redirect_uri,
        status: connection.status.to_u8(),
        reason: connection.reason.map(ReauthReason::to_u8),
        scopes: scopes.map(|scopes| scopes.iter().map(String::as_str).collect()),
        provider_user: connection.provider_user.map(|user| *user.as_bytes()),
        created_at_ns: connection.created_at.as_nanosecond(),
        authorized_at_ns: ns(connection.authorized_at),
        access_until_ns: ns(connection.access_until),
        needs_reauth_at_ns: ns(connection.needs_reauth_at),
        revoked_at_ns: ns(connection.revoked_at),
        at_provider: connection.at_provider.map(ProviderRevocation::to_u8),
    };
    postcard::to_extend(&stored, vec![FORMAT])
        .unwrap_or_else(|_| unreachable!("BUG: a connection has no unwritable part"))
}

/// `None` for bytes that are not those of a connection.
pub(super) fn decode(bytes: &[u8]) -> Option<ConnectionState> {
    let (&FORMAT, stored) = bytes.split_first()? else { return None };
    let (stored, []): (StoredConnection<'_>, &[u8]) = postcard::take_from_bytes(stored).ok()? else {
        return None;
    };
    let time = |ns: Option<i128>| ns.map(Timestamp::from_nanosecond).transpose().ok();
    let scopes = stored.scopes.map(|scopes| scopes.into_iter().map(str::to_owned).collect());
    Some(ConnectionState {
        provider: stored.provider.to_owned(),
        redirect_uri: stored.redirect_uri.to_owned(),
        status: ConnectionStatus::from_u8(stored.status)?,
        reason: ReauthReason::from_optional_u8(stored.reason)?,
        scopes,
        provider_user: stored.provider_user.map(UserRef::from_bytes),
        created_at: Timestamp::from_nanosecond(stored.created_at_ns).ok()?,
        authorized_at: time(stored.authorized_at_ns)?,
        access_until: time(stored.access_until_ns)?,
        needs_reauth_at: time(stored.needs_reauth_at_ns)?,
        revoked_at: time(stored.revoked_at_ns)?,
        at_provider: ProviderRevocation::from_optional_u8(stored.at_provider)?,
    })
}
