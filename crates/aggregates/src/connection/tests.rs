use events::{
    ConnectionActivated, ConnectionAuthorized, ConnectionReauthNeeded, ConnectionReauthRequested,
    ConnectionRequested, ConnectionRevocationRequested, ConnectionRevoked,
};

use super::*;

fn id() -> ConnectionId {
    ConnectionId::from_bytes([7; 16])
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn requested() -> ConnectionEvent {
    ConnectionEvent::Requested(ConnectionRequested {
        connection_id: id(),
        provider: "fitbit".to_owned(),
        redirect_uri: "myapp://connected".to_owned(),
        jti: None,
    })
}

fn activated(scopes: Option<&[&str]>, until: Option<i64>) -> ConnectionEvent {
    ConnectionEvent::Activated(ConnectionActivated {
        connection_id: id(),
        scopes: scopes.map(|scopes| scopes.iter().map(|scope| (*scope).to_owned()).collect()),
        provider_user_ref: scopes.map(|_| UserRef::from_bytes([0xab; 16])),
        access_until: until.map(at),
    })
}

fn needed(reason: ReauthReason) -> ConnectionEvent {
    ConnectionEvent::ReauthNeeded(ConnectionReauthNeeded { connection_id: id(), reason })
}

fn revocation_requested() -> ConnectionEvent {
    ConnectionEvent::RevocationRequested(ConnectionRevocationRequested { connection_id: id(), jti: None })
}

fn revoked(at_provider: ProviderRevocation) -> ConnectionEvent {
    ConnectionEvent::Revoked(ConnectionRevoked { connection_id: id(), at_provider })
}

fn changes() -> [ConnectionEvent; 7] {
    [
        requested(),
        ConnectionEvent::Authorized(ConnectionAuthorized {
            connection_id: id(),
            code: "c-1".to_owned(),
            state: "s-1".to_owned(),
            code_verifier: None,
            jti: None,
        }),
        ConnectionEvent::ReauthRequested(ConnectionReauthRequested { connection_id: id(), jti: None }),
        activated(Some(&["sleep"]), None),
        needed(ReauthReason::RefreshRefused),
        revocation_requested(),
        revoked(ProviderRevocation::Revoked),
    ]
}

/// Folds these, one a second from 1 on.
fn folded(changes: &[ConnectionEvent]) -> Option<ConnectionState> {
    (1..).zip(changes).fold(None, |connection, (second, change)| fold(connection, change, at(second)).0)
}

/// The shortest way to each status.
fn at_status(status: Option<ConnectionStatus>) -> Option<ConnectionState> {
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
            let transition = change.transition();
            match ConnectionStatus::next(from, transition) {
                None => {
                    assert_eq!((&after, outcome), (&before, Outcome::Unchanged), "{from:?} {transition:?}")
                }
                Some(status) => {
                    assert_eq!(after.as_ref().unwrap().status, status, "{from:?} {transition:?}");
                    let expected = match (&before, after == before) {
                        (None, _) => Outcome::Created,
                        (Some(_), true) => Outcome::Unchanged,
                        (Some(_), false) => Outcome::Merged,
                    };
                    assert_eq!(outcome, expected, "{from:?} {transition:?}");
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
    let needed = needed(ReauthReason::ExchangeRefused);
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
    let connection = folded(&[requested(), needed(ReauthReason::RefreshMissing), revocation_requested()]);
    let connection = connection.unwrap();
    assert_eq!((connection.reason, connection.needs_reauth_at), (None, None));
    let (gone, _) = fold(Some(connection), &revoked(ProviderRevocation::Unconfirmed), at(9));
    let gone = gone.unwrap();
    assert_eq!((gone.revoked_at, gone.at_provider), (Some(at(9)), Some(ProviderRevocation::Unconfirmed)));
}
