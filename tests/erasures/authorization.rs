//! What is no wish to be erased.

use events::{ErasedCounts, ErasureChange, ErasureEvent, EventHeader, Log, NewEvent, new_event_id};
use jetstream::CommitMode;
use keys::{ErasureId, Pseudonymizer};
use nats_server::Role;
use schemas::{ErasureStep, Sequence};
use serde_json::json;
use zeroize::Zeroizing;

use super::{create_user_with_data, erase_account, read_erasure, request_erasure};
use crate::harness::{RawRequest, System, now, run_cli, summary, wait_until, yesterday};

#[tokio::test]
async fn only_the_user_with_a_fresh_token_may_erase() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let with = |credentials: &client::Credentials, body: serde_json::Value| {
        let mut request =
            RawRequest::get(credentials, "/v1/erasures").header("content-type", "application/json");
        (request.method, request.body) = ("POST", body.to_string().into_bytes());
        request
    };
    let asked = json!({ "user_id": "ana" });
    let without_scope = system.credentials("ana", &["--scope", "sync:write sync:read"]);
    let answer = with(&without_scope, asked.clone()).send(&system.base_url).await;
    assert_eq!((answer.status, answer.problem_code().as_str()), (403, "insufficient_scope"));
    let old = system.credentials("ana", &["--scope", super::SCOPES, "--issued-ago", "301"]);
    let answer = with(&old, asked.clone()).send(&system.base_url).await;
    assert_eq!((answer.status, answer.problem_code().as_str()), (401, "invalid_token"));
    assert!(answer.headers["www-authenticate"].contains("insufficient_user_authentication"), "{answer:?}");
    for body in [json!({ "user_id": "ben" }), json!({}), json!({ "user_id": "ana", "now": true }), json!([])]
    {
        let answer = with(&ana, body.clone()).send(&system.base_url).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid_request"), "{body}");
    }
    let answer = with(&ana, asked).header("content-type", "text/plain").send(&system.base_url).await;
    assert_eq!(answer.status, 415);
    let row = RawRequest::post(&ana, summary("21:00:00", r#""steps":2"#)).send(&system.base_url).await;
    assert_eq!(row.status, 200, "nothing came of any of it");
}

/// An operator may let somebody come back, as somebody else.
#[tokio::test]
async fn returning_user_starts_empty() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let erasure = erase_account(&system, &ana).await;
    let returned = format!("[\"{} 1\"]", erasure["receipt"]["user_ref"].as_str().unwrap());
    let folder = system.stop().await;
    let system = System::start_in(folder, &[("SYNCWELL_ERASURE__RETURNED", &returned)]);
    let ana = system.credentials("ana", &["--scope", super::SCOPES]);
    let row = format!("/v1/summaries/{}", yesterday());
    assert_eq!(RawRequest::get(&ana, &row).send(&system.base_url).await.problem_code(), "not_found");
    let mut enrol = RawRequest::get(&ana, "/v1/devices");
    enrol.method = "POST";
    assert_eq!(enrol.send(&system.base_url).await.status, 201, "an account like any other");
}

#[tokio::test]
async fn receipt_requires_its_token() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let ben = create_user_with_data(&system, "ben", r#""steps":2"#).await;
    let accepted = request_erasure(&system.base_url, &ana).await.json();
    let of_ben = erase_account(&system, &ben).await;
    let mut other = accepted.clone();
    other["erasure_id"] = of_ben["erasure_id"].clone();
    assert_eq!(read_erasure(&system.base_url, &other).await.problem_code(), "not_found");
    other["receipt_token"] = json!("x");
    assert_eq!(read_erasure(&system.base_url, &other).await.problem_code(), "invalid_token");
    let by_token = RawRequest::get(&ana, &format!("/v1/erasures/{}", of_ben["erasure_id"].as_str().unwrap()));
    assert_eq!(by_token.send(&system.base_url).await.problem_code(), "invalid_token");
    let receipt = super::wait_for_receipt(&system.base_url, &accepted).await;
    assert_ne!(receipt["receipt"]["user_ref"], of_ben["receipt"]["user_ref"]);
    let tail = run_cli(&system.data_dir(), &["events", "tail", "--json"]);
    assert!(tail.stdout.contains("syncwell.account.erased.v1"), "{}", tail.combined_output());
}

/// Whoever has ingest's credentials can append, and can't vouch for a step.
#[tokio::test]
async fn forged_steps_are_parked_and_erase_nothing() {
    let system = System::start();
    let ana = create_user_with_data(&system, "ana", r#""steps":1"#).await;
    let log = Log::new(system.connect_as(Role::Auditor).await);
    let first = log.get(Sequence::FIRST).await.unwrap().unwrap();
    let user = first.envelope().unwrap().header.user;
    let appender = Log::new(system.connect_as(Role::Ingest).await).appender(CommitMode::Grouped);
    let stranger = Pseudonymizer::new(Zeroizing::new([9; 32]));
    let erasure_id = ErasureId::from_bytes([7; 16]);
    let (time, counts) = (now(), ErasedCounts::new());
    let mut forged = Vec::new();
    for fact in [
        ErasureChange::Requested { due_at: time },
        ErasureChange::StepDone { step: ErasureStep::AccountMarked, counts: counts.clone() },
        ErasureChange::Erased { requested_at: time, counts },
    ] {
        let head = EventHeader { id: new_event_id(time), kind: fact.kind(), user, time, key_id: None };
        let bytes = ErasureEvent { erasure_id, change: fact }.encode(&head, &stranger);
        let appended = appender.append(NewEvent { id: head.id, user, bytes, outcome_to: None }).await;
        forged.push(appended.unwrap().sequence);
    }
    let last = forged.last().unwrap().get();
    let row = async || {
        let path = format!("/v1/summaries/{}", yesterday());
        RawRequest::get(&ana, &path).send(&system.base_url).await.json()
    };
    wait_until("the forged steps are put aside", async || {
        let row = row().await;
        (row["stale"] == true && row["position"].as_u64() >= Some(last)).then_some(())
    })
    .await;
    assert_eq!(row().await["steps"], 1, "the account is there");
    let waiting = run_cli(&system.data_dir(), &["events", "parked", "list", "--json"]);
    assert_eq!(
        waiting.json().as_array().unwrap().len(),
        1,
        "the others wait for the first: {}",
        waiting.combined_output()
    );
    for sequence in &forged {
        let left_out = run_cli(
            &system.data_dir(),
            &["events", "parked", "discard", &sequence.to_string(), "--reason", "forged, ticket 7"],
        );
        assert_eq!(left_out.exit_code, Some(0), "{}", left_out.combined_output());
    }
    let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":2"#)).send(&system.base_url).await;
    assert_eq!(post.status, 200, "nothing came of it: {post:?}");
    let row = row().await;
    assert_eq!((&row["steps"], row.get("stale")), (&2.into(), None));
    assert_eq!(run_cli(&system.data_dir(), &["view", "verify"]).exit_code, Some(0));
}
