use events::{ConnectionReauthNeeded, ConnectionReauthRequested, ConnectionRevoked};
use jiff::Timestamp;
use keys::ConnectionId;
use schemas::{ConnectionStatus, ProviderRevocation, ReauthReason};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

#[test]
fn only_a_need_is_told_and_not_to_whom_the_connection_is() {
    let connection_id = ConnectionId::from_bytes([7; 16]);
    let reason = ReauthReason::RefreshRefused;
    let at_provider = ProviderRevocation::Revoked;
    for (change, is_need) in [
        (ConnectionEvent::ReauthNeeded(ConnectionReauthNeeded { connection_id, reason }), true),
        (ConnectionEvent::ReauthRequested(ConnectionReauthRequested { connection_id, jti: None }), false),
        (ConnectionEvent::Revoked(ConnectionRevoked { connection_id, at_provider }), false),
    ] {
        let told = ConnectionState::change_subject(&change);
        let subject = ChangeTarget { date: None, id: Some(connection_id.to_string()) };
        let transition = change.transition();
        assert_eq!(told, is_need.then_some((ChangeKind::ConnectionNeedsReauth, subject)), "{transition:?}");
    }
}

/// Every field has something in it.
fn full() -> ConnectionState {
    ConnectionState {
        provider: "fitbit".to_owned(),
        redirect_uri: "myapp://connected".to_owned(),
        status: ConnectionStatus::NeedsReauth,
        reason: Some(ReauthReason::RefreshRefused),
        scopes: Some(vec!["activity".to_owned(), "sleep".to_owned()]),
        provider_user: Some(UserRef::from_bytes([0xab; 16])),
        created_at: at(1),
        authorized_at: Some(at(2)),
        access_until: Some(at(4)),
        needs_reauth_at: Some(at(3)),
        revoked_at: Some(at(5)),
        at_provider: Some(ProviderRevocation::Unsupported),
    }
}

#[test]
fn golden_bytes() {
    // Written once by a second implementation of postcard's wire format, in Python.
    let golden = concat!(
        "01",
        "06666974626974",
        "116d796170703a2f2f636f6e6e6563746564",
        "03",
        "0103",
        "010208616374697669747905736c656570",
        "01abababababababababababababababab",
        "80a8d6b907",
        "0180d0acf30e",
        "0180a0d9e61d",
        "0180f882ad16",
        "0180c8afa025",
        "0102"
    );
    assert_eq!(data_encoding::HEXLOWER.encode(&full().encode()), golden);
}

#[test]
fn what_is_encoded_decodes_to_itself_and_nothing_else_does() {
    for status in ConnectionStatus::ALL {
        let connection = ConnectionState { status, ..full() };
        assert_eq!(ConnectionState::decode(&connection.encode()), Some(connection));
    }
    let bytes = full().encode();
    assert_eq!(ConnectionState::decode(&bytes), Some(full()));
    assert_eq!(ConnectionState::decode(&[&bytes[..], &[0]].concat()), None, "one too many");
    for cut in 0..bytes.len() {
        assert_eq!(ConnectionState::decode(&bytes[..cut]), None, "cut to {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(ConnectionState::decode(&changed), Some(full()), "bit {bit}");
    }
}

#[test]
fn every_field_is_seen_by_a_comparison() {
    let other = ConnectionState {
        provider: "oura".to_owned(),
        redirect_uri: "https://app.example/connected".to_owned(),
        status: ConnectionStatus::Revoked,
        reason: None,
        scopes: None,
        provider_user: None,
        created_at: at(6),
        authorized_at: None,
        access_until: None,
        needs_reauth_at: None,
        revoked_at: None,
        at_provider: None,
    };
    let (one, other) = (full().field_values(), other.field_values());
    assert_eq!((one.len(), other.len()), (12, 12));
    assert!(one.iter().all(|(name, value)| other[name] != *value), "{one:?} {other:?}");
}
