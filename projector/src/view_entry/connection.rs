//! A connection as the view keeps it ([`aggregates::connection`] says what it is).

mod codec;

use std::collections::BTreeMap;

use aggregates::connection::{ConnectionChange, ConnectionState, fold};
use events::{ChangeKind, ChangeTarget};
use keys::{ConnectionId, UserRef};
use schemas::Outcome;
use serde_json::{Value, json};

use crate::decrypted_event::DecryptedEvent;
use crate::view::ConnectionKey;
use crate::view_entry::{ViewEntry, value_map};

impl ViewEntry for ConnectionState {
    type Key = ConnectionKey;
    type Payload = (ConnectionId, ConnectionChange);

    fn key(user: UserRef, (id, _): &Self::Payload) -> ConnectionKey {
        ConnectionKey { user, id: *id }
    }

    fn fold(before: Option<Self>, event: &DecryptedEvent<Self::Payload>) -> (Option<Self>, Outcome) {
        fold(before, &event.payload.1, event.head.time)
    }

    /// Only the id is told: which provider somebody uses is nobody else's matter.
    fn change_subject((id, change): &Self::Payload) -> Option<(ChangeKind, ChangeTarget)> {
        match change {
            ConnectionChange::ReauthNeeded(_) => {
                let subject = ChangeTarget { date: None, id: Some(id.to_string()) };
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

    fn field_values(&self) -> BTreeMap<String, Value> {
        value_map([
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
