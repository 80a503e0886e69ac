//! What is no wish to be erased.

use events::{Envelope, ErasedCounts, ErasureEvent, ErasureFact, Head, Log, NewEvent, new_event_id};
use jetstream::CommitMode;
use keys::{ErasureId, Pseudonymizer};
use nats_server::Role;
use schemas::{ErasureStep, Sequence};
use serde_json::json;
use zeroize::Zeroizing;

use super::{ask_to_erase, erase, look, settled};
use crate::harness::{RawRequest, System, now, run_in, summary, until, yesterday};

#[tokio::test]
async fn only_the_user_and_only_now() {
    let system = System::start();
    let ana = settled(&system, "ana", r#""steps":1"#).await;
    let with = |credentials: &client::Credentials, body: serde_json::Value| {
        let mut request =
            RawRequest::get(credentials, "/v1/erasures").header("content-type", "application/json");
        (request.method, request.body) = ("POST", body.to_string().into_bytes());
        request
    };
    let asked = json!({ "user_id": "ana" });
    let without_scope = system.credentials("ana", &["--scope", "sync:write sync:read"]);
    let answer = with(&without_scope, asked.clone()).send(&system.base_url).await;
    assert_eq!((answer.status, answer.problem().as_str()), (403, "insufficient_scope"));
    let old = system.credentials("ana", &["--scope", super::SCOPES, "--issued-ago", "301"]);
    let answer = with(&old, asked.clone()).send(&system.base_url).await;
    assert_eq!((answer.status, answer.problem().as_str()), (401, "invalid_token"));
    assert!(answer.headers["www-authenticate"].contains("insufficient_user_authentication"), "{answer:?}");
    for body in [json!({ "user_id": "ben" }), json!({}), json!({ "user_id": "ana", "now": true }), json!([])]
    {
        let answer = with(&ana, body.clone()).send(&system.base_url).await;
        assert_eq!((answer.status, answer.problem().as_str()), (422, "invalid_request"), "{body}");
    }
    let answer = with(&ana, asked).header("content-type", "text/plain").send(&system.base_url).await;
    assert_eq!(answer.status, 415);
    let row = RawRequest::post(&ana, summary("21:00:00", r#""steps":2"#)).send(&system.base_url).await;
    assert_eq!(row.status, 200, "nothing came of any of it");
}

/// An operator may let somebody come back, as somebody else.
#[tokio::test]
async fn whoever_comes_back_begins_with_nothing() {
    let system = System::start();
    let ana = settled(&system, "ana", r#""steps":1"#).await;
    let erasure = erase(&system, &ana).await;
    let returned = format!("[\"{} 1\"]", erasure["receipt"]["user_ref"].as_str().unwrap());
    let folder = system.stop().await;
    let system = System::start_in(folder, &[("SYNCWELL_ERASURE__RETURNED", &returned)]);
    let ana = system.credentials("ana", &["--scope", super::SCOPES]);
    let row = format!("/v1/summaries/{}", yesterday());
    assert_eq!(RawRequest::get(&ana, &row).send(&system.base_url).await.problem(), "not_found");
    let mut enrol = RawRequest::get(&ana, "/v1/devices");
    enrol.method = "POST";
    assert_eq!(enrol.send(&system.base_url).await.status, 201, "an account like any other");
}

#[tokio::test]
async fn a_receipt_is_for_whoever_holds_its_token() {
    let system = System::start();
    let ana = settled(&system, "ana", r#""steps":1"#).await;
    let ben = settled(&system, "ben", r#""steps":2"#).await;
    let accepted = ask_to_erase(&system.base_url, &ana).await.json();
    let of_ben = erase(&system, &ben).await;
    let mut other = accepted.clone();
    other["erasure_id"] = of_ben["erasure_id"].clone();
    assert_eq!(look(&system.base_url, &other).await.problem(), "not_found");
    other["receipt_token"] = json!("x");
    assert_eq!(look(&system.base_url, &other).await.problem(), "invalid_token");
    let by_token = RawRequest::get(&ana, &format!("/v1/erasures/{}", of_ben["erasure_id"].as_str().unwrap()));
    assert_eq!(by_token.send(&system.base_url).await.problem(), "invalid_token");
    let receipt = super::receipt(&system.base_url, &accepted).await;
    assert_ne!(receipt["receipt"]["user_ref"], of_ben["receipt"]["user_ref"]);
    let tail = run_in(&system.data_dir(), &["events", "tail", "--json"]);
    assert!(tail.output.contains("syncwell.account.erased.v1"), "{}", tail.text());
}

/// Whoever has ingest's credentials can append, and can't vouch for a step.
#[tokio::test]
async fn a_step_that_nobody_vouches_for_waits_and_ends_nobody_s_account() {
    let system = System::start();
    let ana = settled(&system, "ana", r#""steps":1"#).await;
    let log = Log::over(system.connect(Role::Auditor).await);
    let first = log.get(Sequence::FIRST).await.unwrap().unwrap();
    let user = Envelope::read(first.bytes()).unwrap().head.user;
    let appender = Log::over(system.connect(Role::Ingest).await).appender(CommitMode::Grouped);
    let stranger = Pseudonymizer::new(Zeroizing::new([9; 32]));
    let erasure_id = ErasureId::from_bytes([7; 16]);
    let (time, counts) = (now(), ErasedCounts::new());
    let mut forged = Vec::new();
    for fact in [
        ErasureFact::Requested { due_at: time },
        ErasureFact::StepDone { step: ErasureStep::AccountMarked, counts: counts.clone() },
        ErasureFact::Erased { requested_at: time, counts },
    ] {
        let head = Head { id: new_event_id(time), kind: fact.kind(), user, time, key_id: None };
        let bytes = ErasureEvent { erasure_id, fact }.store(&head, &stranger);
        let appended = appender.append(NewEvent { id: head.id, user, bytes, outcome_to: None }).await;
        forged.push(appended.unwrap().sequence);
    }
    let last = forged.last().unwrap().get();
    let row = async || {
        let path = format!("/v1/summaries/{}", yesterday());
        RawRequest::get(&ana, &path).send(&system.base_url).await.json()
    };
    until("the forged steps are put aside", async || {
        let row = row().await;
        (row["stale"] == true && row["position"].as_u64() >= Some(last)).then_some(())
    })
    .await;
    assert_eq!(row().await["steps"], 1, "the account is there");
    let waiting = run_in(&system.data_dir(), &["events", "parked", "list", "--json"]);
    assert_eq!(
        waiting.json().as_array().unwrap().len(),
        1,
        "the others wait for the first: {}",
        waiting.text()
    );
    for sequence in &forged {
        let left_out = run_in(
            &system.data_dir(),
            &["events", "parked", "discard", &sequence.to_string(), "--reason", "forged, ticket 7"],
        );
        assert_eq!(left_out.code, Some(0), "{}", left_out.text());
    }
    let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":2"#)).send(&system.base_url).await;
    assert_eq!(post.status, 200, "nothing came of it: {post:?}");
    let row = row().await;
    assert_eq!((&row["steps"], row.get("stale")), (&2.into(), None));
    assert_eq!(run_in(&system.data_dir(), &["view", "verify"]).code, Some(0));
}
