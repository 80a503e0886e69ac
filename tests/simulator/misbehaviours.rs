//! What goes wrong on command: whether the provider's state changed, and what the client is left with.

use serde_json::json;

use super::{Client, error, token};
use crate::harness::provider::{Endpoint, Gate, Misbehaviour, Returned, Simulator, Variant, follow, pkce};
use crate::harness::until;

/// Consent once more, with this going wrong; the state and the issuer that come back, and the code or error.
async fn consent(client: &Client, misbehaviour: Misbehaviour) -> Returned {
    client.simulator.misbehave(Endpoint::Authorize, 1, misbehaviour);
    let (_, challenge) = pkce();
    let more = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    follow(&client.authority, &client.authorization_url(&more)).await.unwrap()
}

#[tokio::test]
async fn it_loses_an_answer_after_the_deed() {
    let client = Client::of(Variant::default());
    for (misbehaviour, is_half) in [(Misbehaviour::CutOff, true), (Misbehaviour::DropAfter, false)] {
        let (_, refresh) = client.connected().await;
        client.simulator.misbehave(Endpoint::Refresh, 1, misbehaviour);
        let reuses = client.simulator.reuses();
        let lost = client.try_send(&client.refresh(&refresh)).await.unwrap_err().to_string();
        assert_eq!(!lost.is_empty(), is_half, "half of it, or nothing at all: {lost}");
        if is_half {
            assert!(lost.starts_with("HTTP/1.1 200") && lost.contains(r#"{"access_token":"#), "{lost}");
            assert!(!lost.ends_with('}'), "{lost}");
        }
        let left = client.simulator.refresh_tokens();
        assert!(!left.contains(&refresh) && left.len() == 1, "rotated, and nobody was told");
        assert_eq!(client.simulator.reuses(), reuses);
        assert_eq!(error(&client.send(&client.refresh(&refresh)).await).1, "invalid_grant");
        assert!(client.simulator.refresh_tokens().is_empty(), "that was the end of it");
    }
}

#[tokio::test]
async fn it_does_nothing_and_says_so_or_not() {
    let client = Client::of(Variant::default());
    let other = Simulator::start(&client.authority, Variant::default());
    let (_, refresh) = client.connected().await;
    let request = client.refresh(&refresh);
    let wrong = |count, misbehaviour| client.simulator.misbehave(Endpoint::Refresh, count, misbehaviour);

    wrong(2, Misbehaviour::Fail(500));
    wrong(1, Misbehaviour::Busy(503, 7));
    wrong(1, Misbehaviour::Refuse("invalid_grant"));
    wrong(1, Misbehaviour::Redirect(307, format!("{}/token", other.base_url())));
    wrong(1, Misbehaviour::Envelope(601));
    wrong(1, Misbehaviour::Drop);
    for _ in 0..2 {
        assert_eq!(client.send(&request).await.status, 500);
    }
    let busy = client.send(&request).await;
    assert_eq!((busy.status, busy.headers["retry-after"].as_str()), (503, "7"));
    assert_eq!(error(&client.send(&request).await), (400, "invalid_grant".to_owned()));
    let elsewhere = client.send(&request).await;
    assert_eq!(
        (elsewhere.status, &elsewhere.headers["location"]),
        (307, &format!("{}/token", other.base_url()))
    );
    assert!(other.requests().is_empty());
    assert_eq!(client.send(&request).await.json(), json!({ "status": 601, "body": {} }));
    assert_eq!(client.try_send(&request).await.unwrap_err().to_string(), "");
    assert_eq!(client.simulator.refresh_tokens(), [refresh], "nothing was done");

    wrong(100, Misbehaviour::Fail(500));
    client.simulator.behave();
    token(&client.send(&request).await, "access_token");
    assert_eq!(client.simulator.refresh_uses().into_values().collect::<Vec<_>>(), [8], "all were counted");
}

#[tokio::test]
async fn it_holds_until_it_is_let_go() {
    let client = Client::of(Variant::default());
    let (_, first) = client.connected().await;
    let (before, after) = (Gate::closed(), Gate::closed());
    client.simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Hold(before.clone()));
    let request = client.refresh(&first);
    let held = async {
        before.reached(1).await;
        assert_eq!(client.simulator.refresh_tokens(), std::slice::from_ref(&first), "not done yet");
        before.open();
    };
    let (answer, ()) = tokio::join!(client.send(&request), held);
    let second = token(&answer, "refresh_token");

    client.simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::HoldAfter(after.clone()));
    let request = client.refresh(&second);
    let given_up = tokio::select! {
        answer = client.send(&request) => panic!("{answer:?}"),
        () = after.reached(1) => client.simulator.refresh_tokens(),
    };
    assert_eq!(given_up.len(), 1);
    assert_ne!(given_up, [second], "done, though whoever asked has gone");
    after.open();
}

#[tokio::test]
async fn it_goes_on_when_its_client_has_gone() {
    let client = Client::of(Variant::default());
    let (_, refresh) = client.connected().await;
    let gate = Gate::closed();
    client.simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Hold(gate.clone()));
    let request = client.refresh(&refresh);
    tokio::select! {
        answer = client.send(&request) => panic!("{answer:?}"),
        () = client.simulator.requested(Endpoint::Refresh, 1) => {}
    }
    gate.open();
    until("the token is rotated", async || {
        (client.simulator.refresh_tokens() != [refresh.clone()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn it_spoils_an_answer() {
    let client = Client::of(Variant::default());
    let exchange = async |misbehaviour| {
        client.simulator.misbehave(Endpoint::Exchange, 1, misbehaviour);
        let (verifier, challenge) = pkce();
        let code = client.code(&challenge).await;
        client.send(&client.exchange(&code, Some(&verifier))).await
    };
    let large = exchange(Misbehaviour::Enlarge(2 << 20)).await;
    assert!(large.text.len() > 2 << 20 && large.json()["access_token"].is_string());
    let page = exchange(Misbehaviour::NotJson).await;
    assert!(page.status == 200 && page.text.starts_with("<!doctype html>"), "{page:?}");
    assert_eq!(exchange(Misbehaviour::Set("expires_in", json!(-1))).await.json()["expires_in"], -1);
    assert!(exchange(Misbehaviour::Remove("expires_in")).await.json()["expires_in"].is_null());
    assert_eq!(exchange(Misbehaviour::FailAfter(502)).await.status, 502);
    assert_eq!(client.simulator.access_tokens().len(), 5, "each was done");
    client.simulator.set_expires_in(Some(60));
    let (verifier, challenge) = pkce();
    let answer = client.send(&client.exchange(&client.code(&challenge).await, Some(&verifier))).await;
    assert_eq!(answer.json()["expires_in"], 60);

    let client = Client::of(Variant::withings());
    client.simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Remove("refresh_token"));
    let code = client.code("").await;
    let form = [
        ("action", "requesttoken"),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "myapp://connected"),
    ];
    let answer = client.send(&client.post("/token", &form)).await.json();
    let body = &answer["body"];
    assert!(body["refresh_token"].is_null() && body["access_token"].is_string(), "in the envelope: {answer}");
}

#[tokio::test]
async fn it_sends_the_user_back_wrongly() {
    let client = Client::of(Variant { issuer: true, ..Variant::default() });
    let denied = consent(&client, Misbehaviour::Deny).await;
    assert_eq!((denied.error.as_deref(), denied.code), (Some("access_denied"), None));
    assert_eq!(denied.state.as_deref(), Some("the-state"));
    let wrong = consent(&client, Misbehaviour::WrongState).await;
    assert!(wrong.code.is_some() && wrong.state.is_some_and(|state| state != "the-state"));
    let mixed_up = consent(&client, Misbehaviour::Issuer(Some("https://evil.example".to_owned()))).await;
    assert_eq!(mixed_up.iss.as_deref(), Some("https://evil.example"));
    assert_eq!(consent(&client, Misbehaviour::Issuer(None)).await.iss, None);

    let (access, _) = client.connected().await;
    let again = consent(&client, Misbehaviour::ReuseCode).await.code.unwrap();
    let refused = client.send(&client.exchange(&again, Some(&pkce().0))).await;
    assert_eq!(error(&refused).1, "invalid_grant");
    assert_eq!(client.me(&access).await, 401, "and what came of it the first time is gone");
}
