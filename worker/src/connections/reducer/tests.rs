use events::{
    ConnectionActivated, ConnectionAuthorized, ConnectionReauthNeeded, ConnectionReauthRequested,
    ConnectionRevocationRequested, ConnectionRevoked,
};
use keys::ConnectionId;
use proptest::prelude::*;
use schemas::{ProviderRevocation, ReauthReason};

use super::*;
use crate::connections::next_action::ConnectionAction;
use crate::connections::oauth::GrantedTokens;
use crate::connections::record::{ConnectionRecordKey, PendingEventKind};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn connection() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

fn here(sequence: u64) -> EventContext {
    EventContext {
        sequence,
        event_id: event(sequence),
        outcome_to: None,
        received_at: at(1_000),
        key_id: DataKeyId::from_bytes([4; 10]),
        now: at(1_000),
    }
}

fn event(number: u64) -> EventId {
    EventId::new(1_000_000 + number, [7; 10])
}

fn requested() -> ConnectionEvent {
    ConnectionEvent::Requested(ConnectionRequested {
        connection_id: connection(),
        provider: "simulated".to_owned(),
        redirect_uri: "app://back".to_owned(),
        jti: None,
    })
}

fn authorized(code: &str) -> ConnectionEvent {
    ConnectionEvent::Authorized(ConnectionAuthorized {
        connection_id: connection(),
        code: code.to_owned(),
        state: "s".to_owned(),
        code_verifier: None,
        jti: None,
    })
}

fn reauth_requested() -> ConnectionEvent {
    ConnectionEvent::ReauthRequested(ConnectionReauthRequested { connection_id: connection(), jti: None })
}

fn revocation_requested() -> ConnectionEvent {
    let content = ConnectionRevocationRequested { connection_id: connection(), jti: None };
    ConnectionEvent::RevocationRequested(content)
}

fn activated() -> ConnectionEvent {
    let connection_id = connection();
    let (scopes, provider_user_ref, access_until) = (None, None, None);
    ConnectionEvent::Activated(ConnectionActivated { connection_id, scopes, provider_user_ref, access_until })
}

fn reauth_needed() -> ConnectionEvent {
    let reason = ReauthReason::RefreshRefused;
    ConnectionEvent::ReauthNeeded(ConnectionReauthNeeded { connection_id: connection(), reason })
}

fn revoked() -> ConnectionEvent {
    let at_provider = ProviderRevocation::Revoked;
    ConnectionEvent::Revoked(ConnectionRevoked { connection_id: connection(), at_provider })
}

fn granted(access: &str) -> GrantedTokens {
    GrantedTokens {
        access: access.to_owned(),
        refresh: Some(format!("refresh of {access}")),
        access_until: Some(at(4_600)),
        scopes: None,
        provider_user: Some("471".to_owned()),
    }
}

/// A record that was asked for and to which a code was brought.
fn with_code() -> ConnectionRecord {
    let record = apply(None, &requested(), &here(1)).unwrap();
    apply(Some(record), &authorized("c-1"), &here(2)).unwrap()
}

fn active() -> ConnectionRecord {
    let record = with_code();
    let command = record.exchange.clone().unwrap().command;
    let record =
        record.start_exchange(&command).unwrap().with_exchanged_tokens(&command, &granted("a-1"), at(1_000));
    record.with_event_appended(result_event_id(event(2)), 3).unwrap()
}

fn deed(record: &ConnectionRecord) -> Option<ConnectionAction> {
    record.next_action().map(|(deed, _)| deed)
}

#[test]
fn from_a_code_to_tokens() {
    let record = with_code();
    assert_eq!(
        (record.status, deed(&record)),
        (ConnectionStatus::Pending, Some(ConnectionAction::ExchangeCode))
    );
    let command = record.exchange.clone().unwrap().command;
    let begun = record.start_exchange(&command).unwrap();
    assert!(begun.clone().start_exchange(&command).is_none(), "a code is exchanged once");
    let record = begun.with_exchanged_tokens(&command, &granted("a-1"), at(1_000));
    assert_eq!(
        (record.status, deed(&record)),
        (ConnectionStatus::Active, Some(ConnectionAction::AppendEvent))
    );
    let tell = record.pending_event.clone().unwrap();
    assert_eq!((tell.event_id, tell.kind), (result_event_id(event(2)), PendingEventKind::Activated));
    // Its own event, read before it is marked as told and after, changes nothing.
    let own = EventContext { event_id: result_event_id(event(2)), ..here(3) };
    assert!(apply(Some(record.clone()), &activated(), &own).is_none());
    let record = record.with_event_appended(result_event_id(event(2)), 3).unwrap();
    assert!(apply(Some(record.clone()), &activated(), &own).is_none());
    // An hour's token is refreshed a tenth of its life ahead.
    assert_eq!(record.next_action(), Some((ConnectionAction::RefreshTokens, at(4_600 - 360))));
}

#[test]
fn a_command_that_was_read_twice_is_laid_once() {
    let record = active();
    for (said, sequence) in [(requested(), 1), (authorized("c-1"), 2)] {
        assert!(apply(Some(record.clone()), &said, &here(sequence)).is_none());
    }
    // A command that came in before the worker's own event, and is read after it, is laid.
    let mut late = record;
    late.appended_sequence = 9;
    let revoking = apply(Some(late), &revocation_requested(), &here(8)).unwrap();
    assert_eq!(revoking.status, ConnectionStatus::Revoking);
}

#[test]
fn an_own_event_of_the_past_does_not_undo_what_came_after() {
    let lost = active().with_tokens_lost(1, ReauthReason::RefreshRefused, true, at(2_000)).unwrap();
    assert_eq!((lost.status, lost.tokens.is_none()), (ConnectionStatus::NeedsReauth, true));
    let own = EventContext { event_id: result_event_id(event(2)), ..here(3) };
    assert!(apply(Some(lost), &activated(), &own).is_none());
}

#[test]
fn tokens_that_come_too_late_are_revoked_too() {
    let record = with_code();
    let command = record.exchange.clone().unwrap().command;
    let begun = record.start_exchange(&command).unwrap();
    let revoking = apply(Some(begun), &revocation_requested(), &here(3)).unwrap();
    assert_eq!(deed(&revoking), Some(ConnectionAction::RevokeTokens));
    let with_tokens = revoking.with_exchanged_tokens(&command, &granted("a-1"), at(1_000));
    assert_eq!(
        (with_tokens.status, deed(&with_tokens)),
        (ConnectionStatus::Revoking, Some(ConnectionAction::RevokeTokens))
    );
    let revoked = with_tokens.with_revoked(ProviderRevocation::Revoked, at(1_001)).unwrap();
    assert_eq!((revoked.status, revoked.tokens.is_none()), (ConnectionStatus::Revoked, true));
    // Even where the connection was given up for good meanwhile.
    let revoked = revoked.with_event_appended(result_event_id(event(3)), 4).unwrap();
    let late = revoked.with_exchanged_tokens(&command, &granted("a-2"), at(1_002));
    assert_eq!((late.status, deed(&late)), (ConnectionStatus::Revoked, Some(ConnectionAction::RevokeTokens)));
    let gone = late.with_revoked(ProviderRevocation::Revoked, at(1_003)).unwrap();
    assert!(gone.tokens.is_none() && gone.pending_event.is_none(), "the log knows that it is revoked");
}

/// An access token that has ended can't ask for its own end.
#[test]
fn a_pair_is_refreshed_to_be_revoked_where_its_refresh_token_is_not_used_up() {
    let revoking = |record: ConnectionRecord| apply(Some(record), &revocation_requested(), &here(9)).unwrap();
    // Here all was received at 1,000.
    let ready = |mut record: ConnectionRecord| {
        record.tokens.as_mut().unwrap().obtained_at = at(900);
        record
    };
    let record = ready(revoking(active()));
    assert!(record.can_refresh_to_revoke() && !ready(active()).can_refresh_to_revoke());
    let begun = record.clone().start_refresh(1, true).unwrap();
    assert!(!begun.can_refresh_to_revoke(), "it may be used up");
    let refreshed = begun.clone().with_refreshed_tokens(1, &granted("a-2"), false, at(1_100)).unwrap();
    assert!(
        !refreshed.can_refresh_to_revoke() && deed(&refreshed) == Some(ConnectionAction::RevokeTokens),
        "once"
    );
    let unknown = begun.with_tokens_lost(1, ReauthReason::RefreshUnknown, false, at(1_100)).unwrap();
    assert!(unknown.tokens.is_some() && !unknown.can_refresh_to_revoke());
    // The same where it was in doubt before.
    let lost = active().start_refresh(1, true).unwrap();
    let lost = lost.with_tokens_lost(1, ReauthReason::RefreshUnknown, false, at(1_100)).unwrap();
    assert!(!ready(revoking(lost)).can_refresh_to_revoke());
}

#[test]
fn a_revocation_that_may_be_done_is_remembered_as_that() {
    let revoking = apply(Some(active()), &revocation_requested(), &here(9)).unwrap();
    let may_be_done = |record: &ConnectionRecord| record.revocation.as_ref().unwrap().attempt.is_started;
    let asked = revoking.with_revocation_sent(true).unwrap();
    assert!(may_be_done(&asked), "by a worker that is no more, perhaps");
    let unknown = asked.clone().with_revocation_retry(true, at(1_100)).unwrap();
    assert!(
        may_be_done(&unknown) && unknown.next_action() == Some((ConnectionAction::RevokeTokens, at(1_101)))
    );
    assert!(!may_be_done(&asked.with_revocation_retry(false, at(1_100)).unwrap()));
}

#[test]
fn a_code_that_is_lost_costs_a_connection_with_good_tokens_nothing() {
    let again = apply(Some(active()), &authorized("c-2"), &here(4)).unwrap();
    let command = again.exchange.clone().unwrap().command;
    let after = again.with_code_lost(&command, ReauthReason::ExchangeRefused, at(1_100)).unwrap();
    assert_eq!(
        (after.status, deed(&after)),
        (ConnectionStatus::Active, Some(ConnectionAction::RefreshTokens))
    );
    let never = with_code().with_code_lost(
        &with_code().exchange.unwrap().command,
        ReauthReason::ExchangeUnknown,
        at(1_100),
    );
    assert_eq!(never.unwrap().status, ConnectionStatus::NeedsReauth);
}

#[test]
fn a_refreshed_pair_is_of_the_pair_that_was_refreshed() {
    let begun = active().start_refresh(1, true).unwrap();
    assert!(active().start_refresh(2, true).is_none());
    let refreshed = begun.clone().with_refreshed_tokens(1, &granted("a-2"), false, at(4_300)).unwrap();
    let tokens = refreshed.tokens.clone().unwrap();
    assert_eq!((tokens.access.as_str(), tokens.generation), ("a-2", 2));
    assert!(
        refreshed.clone().with_refreshed_tokens(1, &granted("a-3"), false, at(4_301)).is_none(),
        "too late"
    );
    // A provider that gives no new refresh token: the old one counts where it stays good, and nowhere else.
    let silent = GrantedTokens { refresh: None, ..granted("a-2") };
    let kept = begun.clone().with_refreshed_tokens(1, &silent, true, at(4_300)).unwrap().tokens.unwrap();
    assert_eq!(kept.refresh.as_deref(), Some("refresh of a-1"));
    let spent = begun.with_refreshed_tokens(1, &silent, false, at(4_300)).unwrap();
    assert_eq!(spent.next_action(), Some((ConnectionAction::RequireReauth, at(4_600))));
}

#[test]
fn a_single_use_pair_is_begun_by_one_worker() {
    let begun = active().start_refresh(1, true).unwrap();
    assert!(begun.clone().start_refresh(1, true).is_none(), "whoever came second does not send it");
    assert!(begun.start_refresh(1, false).is_some(), "one that stays good may be sent again");
}

#[test]
fn what_another_worker_gave_up_for_lost_is_told_anew_when_it_comes() {
    let record = with_code();
    let command = record.exchange.clone().unwrap().command;
    let begun = record.start_exchange(&command).unwrap();
    let lost = begun.with_code_lost(&command, ReauthReason::ExchangeUnknown, at(1_010)).unwrap();
    let lost = lost.with_event_appended(result_event_id(event(2)), 3).unwrap();
    let late = lost.with_exchanged_tokens(&command, &granted("a-1"), at(1_020));
    let tell = late.pending_event.clone().unwrap();
    assert_eq!((late.status, tell.kind), (ConnectionStatus::Active, PendingEventKind::Activated));
    assert_ne!(tell.event_id, result_event_id(event(2)), "the log has that name already");
    // Its event of the past is not laid over that.
    let own = EventContext { event_id: result_event_id(event(2)), ..here(3) };
    assert!(apply(Some(late), &reauth_needed(), &own).is_none());

    let begun = active().start_refresh(1, true).unwrap();
    let lost = begun.with_tokens_lost(1, ReauthReason::RefreshUnknown, false, at(4_300)).unwrap();
    let lost = lost.clone().with_event_appended(lost.pending_event.unwrap().event_id, 9).unwrap();
    let late = lost.with_refreshed_tokens(1, &granted("a-2"), false, at(4_310)).unwrap();
    assert_eq!(
        (late.status, late.pending_event.unwrap().kind),
        (ConnectionStatus::Active, PendingEventKind::Activated)
    );
}

#[test]
fn tokens_that_end_at_once_are_not_refreshed_at_once() {
    let mut record = active();
    record.tokens.as_mut().unwrap().access_until = Some(at(1_000));
    assert_eq!(record.next_action(), Some((ConnectionAction::RefreshTokens, at(1_001))));
}

#[test]
fn a_refresh_that_came_to_nothing_waits_longer_each_time() {
    let mut record = active();
    let mut waited = Vec::new();
    for _ in 0..14 {
        record = record.start_refresh(1, true).unwrap().with_refresh_retry(1, at(5_000)).unwrap();
        waited.push(record.next_action().unwrap().1.duration_since(at(5_000)).as_secs());
    }
    assert_eq!(waited, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 3_600, 3_600]);
}

/// A log that was read anew after the records were lost with the broker's disk.
#[test]
fn a_lost_record_ends_in_a_true_status() {
    let later = |sequence| EventContext { now: at(1_000 + 86_400), ..here(sequence) };
    let record = apply(None, &requested(), &later(1)).unwrap();
    let record = apply(Some(record), &authorized("c-1"), &later(2)).unwrap();
    assert!(record.exchange.as_ref().unwrap().attempt.is_started, "a code of the past is not exchanged");
    let own = EventContext { event_id: result_event_id(event(2)), ..later(3) };
    let record = apply(Some(record), &activated(), &own).unwrap();
    assert_eq!((record.status, record.exchange.is_none()), (ConnectionStatus::Active, true));
    assert_eq!(deed(&record), Some(ConnectionAction::RequireReauth), "there are no tokens");
    let revoking = apply(Some(record), &revocation_requested(), &later(4)).unwrap();
    let own = EventContext { event_id: result_event_id(event(4)), ..later(5) };
    let revoked = apply(Some(revoking), &revoked(), &own).unwrap();
    assert_eq!((revoked.status, deed(&revoked)), (ConnectionStatus::Revoked, None));
}

#[test]
fn golden_bytes_of_a_record() {
    let key = ConnectionRecordKey { user: keys::UserRef::from_bytes([1; 16]), connection: connection() };
    assert_eq!(key.encode(), "aeaqcaibaeaqcaibaeaqcaibae.aqcaibaeaqcaibaeaqcaibaeaq");
    assert_eq!(ConnectionRecordKey::decode(&key.encode()), Some(key));
    let json = serde_json::to_string(&active()).unwrap();
    let golden = concat!(
        r#"{"provider":"simulated","redirect_uri":"app://back","status":"active","sequence":2,"told":3,"#,
        r#""key_id":"aqcaibaeaqcaibae","pairs":1,"tokens":{"access":"a-1","refresh":"refresh of a-1","#,
        r#""obtained_at":"1970-01-01T00:16:40Z","access_until":"1970-01-01T01:16:40Z","provider_user":"471","#,
        r#""generation":1}}"#
    );
    assert_eq!(json, golden);
    let seal =
        keys::TokenSealer::new(keys::VersionedSecrets::parse(&format!("1 {}\n", "05".repeat(32))).unwrap());
    let data_key = keys::DataKey::new(DataKeyId::from_bytes([4; 10]), 0, &[7; 32]);
    let bytes = active().seal(&key, active().due_at(), &seal, &data_key);
    // Format, when something is due, and the data key stand in clear.
    assert_eq!(data_encoding::HEXLOWER.encode(&bytes[..19]), "01000000000040b28004040404040404040404");
    let opened = ConnectionRecord::open(&key, &bytes, &seal, &data_key);
    assert!(opened.is_ok_and(|record| record == active()));
    let other = ConnectionRecordKey { user: keys::UserRef::from_bytes([2; 16]), ..key };
    assert!(ConnectionRecord::open(&other, &bytes, &seal, &data_key).is_err(), "bound to its user");
    let mut moved = bytes;
    moved[5] ^= 1;
    assert!(ConnectionRecord::open(&key, &moved, &seal, &data_key).is_err(), "and to when it is due");
}

proptest! {
    /// Whatever comes in whatever order: no code is begun twice, and what is revoked has no tokens and nothing to do.
    #[test]
    fn no_order_of_events_breaks_a_record(steps in proptest::collection::vec(0u8..10, 1..40)) {
        let mut record = apply(None, &requested(), &here(1)).unwrap();
        let mut begun = std::collections::BTreeSet::new();
        let mut refreshed = std::collections::BTreeSet::new();
        for (number, step) in steps.into_iter().enumerate() {
            let sequence = number as u64 + 2;
            let now = at(1_000 + sequence as i64);
            let command = record.exchange.as_ref().map(|exchange| exchange.command.clone());
            let generation = record.generation();
            let copy = record.clone();
            let next = match (step, command) {
                (0, _) => apply(Some(copy), &authorized("c"), &here(sequence)),
                (1, _) => apply(Some(copy), &reauth_requested(), &here(sequence)),
                (2, _) => apply(Some(copy), &revocation_requested(), &here(sequence)),
                (3, Some(command)) => {
                    let next = copy.start_exchange(&command);
                    prop_assert!(next.is_none() || begun.insert(command.event_id.to_string()));
                    next
                }
                (4, Some(command)) => Some(copy.with_exchanged_tokens(&command, &granted("a"), now)),
                (5, Some(command)) => copy.with_code_lost(&command, ReauthReason::ExchangeUnknown, now),
                (6, _) => {
                    let next = copy.start_refresh(generation, true);
                    prop_assert!(next.is_none() || refreshed.insert(generation), "a pair is used once");
                    next
                }
                (7, _) => copy.with_refreshed_tokens(generation, &granted("b"), false, now),
                (8, _) => copy.with_tokens_lost(generation, ReauthReason::RefreshRefused, true, now),
                (_, _) => copy.with_revoked(ProviderRevocation::Revoked, now),
            };
            record = next.unwrap_or(record);
            if record.status == ConnectionStatus::Revoked && record.revocation.is_none() {
                prop_assert!(record.tokens.is_none());
            }
            if record.status == ConnectionStatus::Revoking {
                prop_assert!(record.revocation.is_some());
            }
        }
    }
}
