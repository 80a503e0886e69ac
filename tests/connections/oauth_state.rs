//! The state: of one user, one connection and one use.

use serde_json::{Value, json};

use super::{AppClient, ConnectedSystem};
use crate::harness::RawResponse;
use crate::harness::provider::{Endpoint, Fault, ProviderProfile};

fn assert_invalid(answer: &RawResponse, why: &str) {
    assert_eq!((answer.status, answer.problem_code().as_str()), (422, "invalid_state"), "{why}");
}

#[tokio::test]
async fn state_is_bound_to_user_and_connection() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (ana, ben, simulator) = (connected.app("ana"), connected.app("ben"), connected.simulator());
    let (first, second, bens) =
        (ana.begin_connection().await, ana.begin_connection().await, ben.begin_connection().await);
    let code = json!(ana.give_consent(&first).await.code);
    let with = |state: &str| json!({ "code": code, "state": state });
    for state in [&second.state, &bens.state, "", "made up", &first.id, &"A".repeat(first.state.len())] {
        assert_invalid(&ana.authorize(&first.id, &with(state)).await, state);
    }
    // One bit of it at a time.
    for at in [0, first.state.len() / 2, first.state.len() - 2] {
        let mut spoiled = first.state.clone().into_bytes();
        spoiled[at] = if spoiled[at] == b'A' { b'B' } else { b'A' };
        let spoiled = String::from_utf8(spoiled).unwrap();
        assert_invalid(&ana.authorize(&first.id, &with(&spoiled)).await, "a changed one");
    }
    assert_invalid(&ana.authorize(&second.id, &with(&first.state)).await, "at another connection");
    let stolen = ben.authorize(&first.id, &with(&first.state)).await;
    assert_eq!((stolen.status, stolen.problem_code().as_str()), (404, "not_found"), "of another user");
    assert_eq!(connected.event_types().await, ["connection.requested"; 3]);
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty());

    // None of that has used it up.
    assert_eq!(ana.authorize(&first.id, &with(&first.state)).await.json()["status"], "active");
}

#[tokio::test]
async fn state_is_accepted_once() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin_connection().await;
    let authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    assert_eq!(app.authorize(&begun.id, &authorize_body).await.status, 200);
    let other_code = json!({ "code": "another", "state": begun.state });
    for body in [&authorize_body, &other_code] {
        assert_invalid(&app.authorize(&begun.id, body).await, "used");
    }
    // Also by whoever is as fast: one of all is taken.
    let begun = app.begin_connection().await;
    let authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    let racing = (0..6).map(|_| app.authorize(&begun.id, &authorize_body));
    let answers = futures_util::future::join_all(racing).await;
    let taken = answers.iter().filter(|answer| answer.status == 200).count();
    assert_eq!(taken, 1, "{answers:?}");
    answers.iter().filter(|answer| answer.status != 200).for_each(|answer| assert_invalid(answer, "racing"));
    assert_eq!((simulator.token_reuse_count(), simulator.requests_to(Endpoint::Exchange).len()), (0, 2));
    assert_eq!(simulator.valid_access_tokens().len(), 2);
    let authorized =
        connected.event_types().await.into_iter().filter(|kind| kind == "connection.authorized").count();
    assert_eq!(authorized, 2);
}

#[tokio::test]
async fn altered_state_connects_nobody() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.inject_fault(Endpoint::Authorize, 1, Fault::WrongState);
    let begun = app.begin_connection().await;
    assert_invalid(&app.complete_authorization(&begun).await, "turned round");
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty());
    assert_eq!(app.read_connection(&begun.id).await["status"], "pending");

    // Each authorisation has a state of its own, and the one before stays good beside it.
    let again = super::PendingConnection::from_response(&app.request_reauth(&begun.id).await);
    assert_ne!(again.state, begun.state);
    assert_eq!(app.complete_authorization(&begun).await.json()["status"], "active");
    assert_eq!(app.complete_authorization(&again).await.json()["status"], "active");
    assert_eq!((simulator.token_reuse_count(), simulator.requests_to(Endpoint::Exchange).len()), (0, 2));
    let listed = app.get("/v1/connections").await.json();
    assert_eq!(listed["connections"].as_array().map(Vec::len), Some(1));
    assert_ne!(app.read_connection(&begun.id).await["authorizedAt"], Value::Null);
}
