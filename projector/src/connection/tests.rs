use jiff::Timestamp;
use schemas::{AtProvider, ConnectionStatus, ReauthReason};

use super::*;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn requested() -> ConnectionChange {
    ConnectionChange::Requested {
        provider: "fitbit".to_owned(),
        redirect_uri: "myapp://connected".to_owned(),
    }
}

fn activated(scopes: Option<&[&str]>, until: Option<i64>) -> ConnectionChange {
    ConnectionChange::Activated {
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        provider_user: scopes.map(|_| UserRef::from_bytes([0xab; 16])),
        access_until: until.map(at),
    }
}

fn changes() -> [ConnectionChange; 7] {
    [
        requested(),
        ConnectionChange::Authorized,
        ConnectionChange::ReauthRequested,
        activated(Some(&["sleep"]), None),
        ConnectionChange::ReauthNeeded(ReauthReason::RefreshRefused),
        ConnectionChange::RevocationRequested,
        ConnectionChange::Revoked(AtProvider::Revoked),
    ]
}

/// Folds these, one a second from 1 on.
fn folded(changes: &[ConnectionChange]) -> Option<Connection> {
    (1..).zip(changes).fold(None, |connection, (second, change)| fold(connection, change, at(second)).0)
}

/// The shortest way to each status.
fn at_status(status: Option<ConnectionStatus>) -> Option<Connection> {
    let [requested, _, _, activated, needed, revocation, revoked] = changes();
    let way = match status {
        None => vec![],
        Some(ConnectionStatus::Pending) => vec![requested],
        Some(ConnectionStatus::Active) => vec![requested, activated],
        Some(ConnectionStatus::NeedsReauth) => vec![requested, activated, needed],
        Some(ConnectionStatus::Revoking) => vec![requested, activated, revocation],
        Some(ConnectionStatus::Revoked) => vec![requested, activated, revocation, revoked],
    };
    folded(&way)
}

#[test]
fn every_transition_is_the_statuses_own_and_an_impossible_one_changes_nothing() {
    let statuses = ConnectionStatus::ALL.map(Some).into_iter().chain([None]);
    for from in statuses {
        let before = at_status(from);
        assert_eq!(before.as_ref().map(|connection| connection.status), from);
        for change in changes() {
            let (after, outcome) = fold(before.clone(), &change, at(9));
            match ConnectionStatus::after(from, change.step()) {
                None => assert_eq!((&after, outcome), (&before, Outcome::Unchanged), "{from:?} {change:?}"),
                Some(status) => {
                    assert_eq!(after.as_ref().unwrap().status, status, "{from:?} {change:?}");
                    let expected = match (&before, after == before) {
                        (None, _) => Outcome::Created,
                        (Some(_), true) => Outcome::Unchanged,
                        (Some(_), false) => Outcome::Merged,
                    };
                    assert_eq!(outcome, expected, "{from:?} {change:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_begins_and_is_all_there_is() {
    let connection = folded(&[requested()]).unwrap();
    assert_eq!(
        (connection.provider.as_str(), connection.redirect_uri.as_str(), connection.created_at),
        ("fitbit", "myapp://connected", at(1))
    );
    let shown = document(ConnectionId::from_bytes([7; 16]), &connection);
    assert_eq!((shown.status, shown.authorized_at, shown.scopes), (ConnectionStatus::Pending, None, None));
}

#[test]
fn tokens_end_a_need_and_what_a_provider_does_not_say_again_stays() {
    let needed = ConnectionChange::ReauthNeeded(ReauthReason::ExchangeRefused);
    let connection = folded(&[requested(), needed.clone()]).unwrap();
    assert_eq!(
        (connection.reason, connection.needs_reauth_at),
        (Some(ReauthReason::ExchangeRefused), Some(at(2)))
    );
    let said = activated(Some(&["sleep"]), Some(60));
    let connection = folded(&[requested(), needed, said, activated(None, None)]).unwrap();
    assert_eq!((connection.reason, connection.needs_reauth_at), (None, None));
    assert_eq!((connection.authorized_at, connection.access_until), (Some(at(4)), None));
    assert_eq!(connection.scopes, Some(vec!["sleep".to_owned()]));
    assert_eq!(connection.provider_user, Some(UserRef::from_bytes([0xab; 16])));
}

#[test]
fn a_need_that_is_said_again_is_as_old_as_it_was() {
    let needed = |reason| ConnectionChange::ReauthNeeded(reason);
    let before = at_status(Some(ConnectionStatus::NeedsReauth));
    let (again, outcome) = fold(before.clone(), &needed(ReauthReason::RefreshRefused), at(9));
    assert_eq!((&again, outcome), (&before, Outcome::Unchanged));
    let (other, outcome) = fold(before, &needed(ReauthReason::TokensMissing), at(9));
    let other = other.unwrap();
    assert_eq!((other.reason, other.needs_reauth_at), (Some(ReauthReason::TokensMissing), Some(at(3))));
    assert_eq!(outcome, Outcome::Merged);
}

#[test]
fn a_connection_that_goes_needs_nobody_and_says_what_became_of_it() {
    let connection = folded(&[
        requested(),
        ConnectionChange::ReauthNeeded(ReauthReason::RefreshMissing),
        ConnectionChange::RevocationRequested,
    ]);
    let connection = connection.unwrap();
    assert_eq!((connection.reason, connection.needs_reauth_at), (None, None));
    let (gone, _) = fold(Some(connection), &ConnectionChange::Revoked(AtProvider::Unconfirmed), at(9));
    let gone = gone.unwrap();
    assert_eq!((gone.revoked_at, gone.at_provider), (Some(at(9)), Some(AtProvider::Unconfirmed)));
}

#[test]
fn only_a_need_is_told_and_not_to_whom_the_connection_is() {
    let id = ConnectionId::from_bytes([7; 16]);
    for change in changes() {
        let told = Connection::change(&(id, change.clone()));
        let is_need = matches!(change, ConnectionChange::ReauthNeeded(_));
        let subject = ChangeSubject { date: None, id: Some(id.to_string()) };
        assert_eq!(told, is_need.then_some((ChangeKind::ConnectionNeedsReauth, subject)), "{change:?}");
    }
}

/// Every field has something in it.
fn full() -> Connection {
    Connection {
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
        at_provider: Some(AtProvider::Unsupported),
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
    for connection in ConnectionStatus::ALL.into_iter().filter_map(|status| at_status(Some(status))) {
        assert_eq!(Connection::decode(&connection.encode()), Some(connection));
    }
    let bytes = full().encode();
    assert_eq!(Connection::decode(&bytes), Some(full()));
    assert_eq!(Connection::decode(&[&bytes[..], &[0]].concat()), None, "one too many");
    for cut in 0..bytes.len() {
        assert_eq!(Connection::decode(&bytes[..cut]), None, "cut to {cut}");
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(Connection::decode(&changed), Some(full()), "bit {bit}");
    }
}

#[test]
fn every_field_is_seen_by_a_comparison() {
    let other = Connection {
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
    let (one, other) = (full().values(), other.values());
    assert_eq!((one.len(), other.len()), (12, 12));
    assert!(one.iter().all(|(name, value)| other[name] != *value), "{one:?} {other:?}");
}
