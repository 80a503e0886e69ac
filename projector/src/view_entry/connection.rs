//! A connection as the view keeps it ([`aggregates::connection`] says what it is).

mod codec;

use std::collections::BTreeMap;

use aggregates::EventMetadata;
use aggregates::connection::{ConnectionState, fold};
use events::{ChangeKind, ChangeTarget, ConnectionEvent};
use keys::UserRef;
use schemas::Outcome;
use serde_json::{Value, json};

use crate::view::ConnectionKey;
use crate::view_entry::{ViewEntry, value_map};

impl ViewEntry for ConnectionState {
    type Key = ConnectionKey;
    type Payload = ConnectionEvent;

    fn key(user: UserRef, change: &Self::Payload) -> ConnectionKey {
        ConnectionKey { user, id: change.connection_id() }
    }

    fn fold(before: Option<Self>, change: &Self::Payload, event: &EventMetadata) -> (Option<Self>, Outcome) {
        fold(before, change, event.time)
    }

    /// Only the id is published: the user's choice of provider is private.
    fn change_subject(change: &Self::Payload) -> Option<(ChangeKind, ChangeTarget)> {
        let ConnectionEvent::ReauthNeeded(needed) = change else { return None };
        let target = ChangeTarget { date: None, id: Some(needed.connection_id.to_string()) };
        Some((ChangeKind::ConnectionNeedsReauth, target))
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
