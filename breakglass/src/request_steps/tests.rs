//! Steps signed with real keys, as the log stores them: which of them open the glass.

use std::collections::BTreeMap;

use events::BreakGlassStatement;
use events::BreakGlassStatementKind::{Approve, LookUp, Request};
use keys::{DataKey, DataKeyId};
use tempfile::TempDir;

use super::*;
use crate::operators::{AuthorizedOperators, OperatorKey};
use crate::statement_rules::{event_kind, stateless_refusal};

const START_UNIX_S: u64 = 1_800_000_000;
const MINUTES_OF_DAY: i64 = 24 * 60;

fn minute(minute: i64) -> Timestamp {
    Timestamp::from_second(START_UNIX_S as i64 + 60 * minute).unwrap()
}

fn request_at(unix_s: u64, tail: u8) -> EventId {
    EventId::new(unix_s * 1_000, [tail; 10])
}

/// An event as the log stores it.
type StoredEvent = (Vec<u8>, Timestamp);

struct Scene {
    _folder: TempDir,
    rules: StatementRules,
    keys: BTreeMap<&'static str, OperatorKey>,
    user: UserRef,
    request: EventId,
}

impl Scene {
    /// Ana, Ben and Cas are authorized operators; Eve has a key and is not.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let load = |name| (name, OperatorKey::load(&folder.path().join(name), true).unwrap());
        let keys: BTreeMap<_, _> = ["ana", "ben", "cas", "eve"].into_iter().map(load).collect();
        let operators = ["ana", "ben", "cas"].map(|name| keys[name].to_authorized_operator(name).unwrap());
        let rules = StatementRules {
            operators: AuthorizedOperators::new(operators.to_vec()).unwrap(),
            user_sealing_key: DataKey::new(DataKeyId::from_bytes([0; 10]), keys::ACCOUNT_YEAR, &[7; 32]),
        };
        let (user, request) = (UserRef::from_bytes([1; 16]), request_at(START_UNIX_S, 7));
        Self { _folder: folder, rules, keys, user, request }
    }

    fn statement(&self, step: BreakGlassStatementKind, operator: &str, at: i64) -> BreakGlassStatement {
        let (request, time) = (self.request, minute(at));
        let text = (step == Request).then(|| "T-17".to_owned());
        let user_ref = match step {
            Request => self.rules.seal_user(operator, self.user),
            Approve | LookUp => self.user.to_string(),
        };
        BreakGlassStatement { step, request, user_ref, time, reason: text.clone(), ticket: text }
    }

    /// The stored bytes of a step that `signer` signed, stored under the name of `operator`.
    fn event(
        &self,
        kind: EventKind,
        statement: &BreakGlassStatement,
        operator: &str,
        signer: &str,
    ) -> Vec<u8> {
        let statement = serde_json::to_string(statement).unwrap();
        let signature = self.keys[signer].sign(&statement);
        let refusal = (kind == EventKind::BreakGlassRefusedV1).then(|| "no".to_owned());
        let step = BreakGlassStep { statement, person: operator.to_owned(), signature, refusal };
        step.encode(self.request, kind, self.user, minute(0))
    }

    /// An accepted step.
    fn accepted(&self, step: BreakGlassStatementKind, operator: &str, at: i64) -> StoredEvent {
        (self.event(event_kind(step), &self.statement(step, operator, at), operator, operator), minute(at))
    }

    /// The refusal of a step after these events, if it is refused.
    fn refusal(
        &self,
        events: &[StoredEvent],
        step: BreakGlassStatementKind,
        operator: &str,
        at: i64,
    ) -> Option<&'static str> {
        let statement = serde_json::to_string(&self.statement(step, operator, at)).unwrap();
        let mut steps = RequestSteps::new(&self.rules, self.user, self.request, &statement);
        events.iter().for_each(|(bytes, stored_at)| steps.apply(bytes, *stored_at));
        steps.refusal(step, operator, minute(at))
    }
}

const NOT_APPROVED: Option<&str> = Some("nobody else has approved the request");

#[test]
fn two_operators_with_their_own_signatures_open_it_once() {
    let scene = Scene::new();
    let both = [scene.accepted(Request, "ana", 0), scene.accepted(Approve, "ben", 1)];
    assert_eq!(scene.refusal(&both, LookUp, "ana", 2), None);
    assert_eq!(scene.refusal(&both, LookUp, "ben", 2), Some("only who requested is told"));
    let used = [&both[..], &[scene.accepted(LookUp, "ana", 2)]].concat();
    assert_eq!(scene.refusal(&used, LookUp, "ana", 3), Some("the request was used already"));
}

#[test]
fn an_approval_counts_only_if_a_second_operator_signed_it() {
    let scene = Scene::new();
    let requested = scene.accepted(Request, "ana", 0);
    let approval = scene.statement(Approve, "ben", 1);
    for (what, kind, operator, signer) in [
        ("Ana's own approval", EventKind::BreakGlassApprovedV1, "ana", "ana"),
        ("Ana's signature under Ben's name", EventKind::BreakGlassApprovedV1, "ben", "ana"),
        ("Ben's signature under Ana's name", EventKind::BreakGlassApprovedV1, "ana", "ben"),
        ("a stranger's", EventKind::BreakGlassApprovedV1, "eve", "eve"),
        ("a stranger's under Ben's name", EventKind::BreakGlassApprovedV1, "ben", "eve"),
        ("a refused step", EventKind::BreakGlassRefusedV1, "ben", "ben"),
        ("an approval stored as a look-up", EventKind::BreakGlassLookedUpV1, "ben", "ben"),
    ] {
        let events = [requested.clone(), (scene.event(kind, &approval, operator, signer), minute(1))];
        assert_eq!(scene.refusal(&events, LookUp, "ana", 2), NOT_APPROVED, "{what}");
    }
}

#[test]
fn an_approval_is_of_one_request_and_one_user() {
    let scene = Scene::new();
    let of_another_request =
        |approval: &mut BreakGlassStatement| approval.request = request_at(START_UNIX_S, 8);
    let of_another_user =
        |approval: &mut BreakGlassStatement| approval.user_ref = UserRef::from_bytes([2; 16]).to_string();
    for change in [of_another_request, of_another_user] {
        let mut approval = scene.statement(Approve, "ben", 1);
        change(&mut approval);
        let event = scene.event(EventKind::BreakGlassApprovedV1, &approval, "ben", "ben");
        let events = [scene.accepted(Request, "ana", 0), (event, minute(1))];
        assert_eq!(scene.refusal(&events, LookUp, "ana", 2), NOT_APPROVED);
    }
}

#[test]
fn a_sealed_user_is_usable_by_the_operator_who_asked_only() {
    let scene = Scene::new();
    let mut request = scene.statement(Request, "ana", 0);
    assert_eq!(scene.rules.resolve_user(&request, "ana"), Some(scene.user));
    assert_eq!(scene.rules.resolve_user(&request, "ben"), None);
    request.user_ref = scene.user.to_string();
    assert_eq!(scene.rules.resolve_user(&request, "ana"), None, "a request never names the user in clear");
}

#[test]
fn a_statement_is_used_once_even_if_it_was_refused() {
    let scene = Scene::new();
    let look_up = scene.statement(LookUp, "ana", 2);
    let refused = scene.event(EventKind::BreakGlassRefusedV1, &look_up, "ana", "ana");
    let events = [
        scene.accepted(Request, "ana", 0),
        (refused, minute(0)),
        // Steps after the used statement are folded too; the answer stays.
        scene.accepted(Approve, "ben", 1),
    ];
    let used = Some("this very statement was used already");
    assert_eq!(scene.refusal(&events, LookUp, "ana", 2), used);
    assert_eq!(scene.refusal(&events, LookUp, "ana", 3), None, "another statement is not used");
}

#[test]
fn the_stored_time_counts_and_not_the_signed_one() {
    let scene = Scene::new();
    let (approval, _) = scene.accepted(Approve, "ben", 1);
    let late = [scene.accepted(Request, "ana", 0), (approval, minute(MINUTES_OF_DAY + 1))];
    assert_eq!(scene.refusal(&late, LookUp, "ana", MINUTES_OF_DAY + 2), NOT_APPROVED);
}

#[test]
fn other_events_and_damaged_bytes_change_nothing() {
    let scene = Scene::new();
    let mut damaged = scene.accepted(Approve, "ben", 1);
    damaged.0.truncate(damaged.0.len() - 1);
    let events = [scene.accepted(Request, "ana", 0), damaged, (b"x".to_vec(), minute(1))];
    assert_eq!(scene.refusal(&events, LookUp, "ana", 2), NOT_APPROVED);
}

#[test]
fn a_statement_of_another_time_is_refused() {
    let scene = Scene::new();
    let request = scene.statement(Request, "ana", 0);
    assert_eq!(stateless_refusal(&request, minute(0)), None);
    for at in [-6, 6] {
        assert_eq!(stateless_refusal(&request, minute(at)), Some("the clock of who signed is too far off"));
    }
    for at in [-5, 5] {
        assert_eq!(stateless_refusal(&request, minute(at)), None, "five minutes are within the skew");
    }
    for unix_s in [START_UNIX_S - 301, START_UNIX_S + 301] {
        let other = BreakGlassStatement { request: request_at(unix_s, 7), ..request.clone() };
        assert_eq!(stateless_refusal(&other, minute(0)), Some("the request's name is of another time"));
    }
}

#[test]
fn a_request_and_only_a_request_says_why() {
    let scene = Scene::new();
    let request = scene.statement(Request, "ana", 0);
    for text in [None, Some(" ".to_owned()), Some("x".repeat(501)), Some("a\nb".to_owned())] {
        let reason = BreakGlassStatement { reason: text.clone(), ..request.clone() };
        assert!(stateless_refusal(&reason, minute(0)).is_some(), "reason {text:?}");
        let ticket = BreakGlassStatement { ticket: text.clone(), ..request.clone() };
        assert!(stateless_refusal(&ticket, minute(0)).is_some(), "ticket {text:?}");
    }
    let longest = BreakGlassStatement { reason: Some("é".repeat(500)), ..request };
    assert_eq!(stateless_refusal(&longest, minute(0)), None, "characters count, not bytes");
    for step in [Approve, LookUp] {
        let plain = scene.statement(step, "ben", 0);
        assert_eq!(stateless_refusal(&plain, minute(0)), None);
        let reason = BreakGlassStatement { reason: Some("x".to_owned()), ..plain.clone() };
        let ticket = BreakGlassStatement { ticket: Some("x".to_owned()), ..plain };
        for talkative in [reason, ticket] {
            let refusal = stateless_refusal(&talkative, minute(0));
            assert_eq!(refusal, Some("only a request has a reason and a ticket"));
        }
    }
}
