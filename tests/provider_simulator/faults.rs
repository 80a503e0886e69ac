//! What goes wrong on command: whether the provider's state changed, and what the client is left with.

use serde_json::json;

use super::{SimulatorClient, oauth_error, token_field};
use crate::harness::provider::{
    Endpoint, Fault, Gate, ProviderProfile, ProviderSimulator, RedirectParams, new_pkce_pair,
    open_authorization_url,
};
use crate::harness::wait_until;

/// Consent once more, with this going wrong; the state and the issuer that come back, and the code or error.
async fn consent_with_fault(client: &SimulatorClient, misbehaviour: Fault) -> RedirectParams {
    client.simulator.inject_fault(Endpoint::Authorize, 1, misbehaviour);
    let (_, challenge) = new_pkce_pair();
    let more = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    open_authorization_url(&client.authority, &client.authorization_url(&more)).await.unwrap()
}

#[tokio::test]
async fn loses_the_response_after_processing() {
    let client = SimulatorClient::new(ProviderProfile::default());
    for (misbehaviour, is_half) in [(Fault::TruncateResponse, true), (Fault::CloseAfterProcessing, false)] {
        let (_, refresh) = client.obtain_tokens().await;
        client.simulator.inject_fault(Endpoint::Refresh, 1, misbehaviour);
        let reuses = client.simulator.token_reuse_count();
        let lost = client.try_send(&client.refresh_request(&refresh)).await.unwrap_err().to_string();
        assert_eq!(!lost.is_empty(), is_half, "half of it, or nothing at all: {lost}");
        if is_half {
            assert!(lost.starts_with("HTTP/1.1 200") && lost.contains(r#"{"access_token":"#), "{lost}");
            assert!(!lost.ends_with('}'), "{lost}");
        }
        let left = client.simulator.valid_refresh_tokens();
        assert!(!left.contains(&refresh) && left.len() == 1, "rotated, and nobody was told");
        assert_eq!(client.simulator.token_reuse_count(), reuses);
        assert_eq!(oauth_error(&client.send(&client.refresh_request(&refresh)).await).1, "invalid_grant");
        assert!(client.simulator.valid_refresh_tokens().is_empty(), "that was the end of it");
    }
}

#[tokio::test]
async fn fails_without_processing() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let other = ProviderSimulator::start(&client.authority, ProviderProfile::default());
    let (_, refresh) = client.obtain_tokens().await;
    let request = client.refresh_request(&refresh);
    let wrong = |count, misbehaviour| client.simulator.inject_fault(Endpoint::Refresh, count, misbehaviour);

    wrong(2, Fault::HttpStatus(500));
    wrong(1, Fault::RetryAfter(503, 7));
    wrong(1, Fault::OAuthError("invalid_grant"));
    wrong(1, Fault::Redirect(307, format!("{}/token", other.base_url())));
    wrong(1, Fault::EnvelopeStatus(601));
    wrong(1, Fault::CloseConnection);
    for _ in 0..2 {
        assert_eq!(client.send(&request).await.status, 500);
    }
    let busy = client.send(&request).await;
    assert_eq!((busy.status, busy.headers["retry-after"].as_str()), (503, "7"));
    assert_eq!(oauth_error(&client.send(&request).await), (400, "invalid_grant".to_owned()));
    let elsewhere = client.send(&request).await;
    assert_eq!(
        (elsewhere.status, &elsewhere.headers["location"]),
        (307, &format!("{}/token", other.base_url()))
    );
    assert!(other.requests().is_empty());
    assert_eq!(client.send(&request).await.json(), json!({ "status": 601, "body": {} }));
    assert_eq!(client.try_send(&request).await.unwrap_err().to_string(), "");
    assert_eq!(client.simulator.valid_refresh_tokens(), [refresh], "nothing was done");

    wrong(100, Fault::HttpStatus(500));
    client.simulator.clear_faults();
    token_field(&client.send(&request).await, "access_token");
    assert_eq!(
        client.simulator.refresh_token_uses().into_values().collect::<Vec<_>>(),
        [8],
        "all were counted"
    );
}

#[tokio::test]
async fn holds_requests_until_the_gate_opens() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let (_, first) = client.obtain_tokens().await;
    let (before, after) = (Gate::closed(), Gate::closed());
    client.simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldRequest(before.clone()));
    let request = client.refresh_request(&first);
    let held = async {
        before.wait_for_arrivals(1).await;
        assert_eq!(client.simulator.valid_refresh_tokens(), std::slice::from_ref(&first), "not done yet");
        before.open();
    };
    let (answer, ()) = tokio::join!(client.send(&request), held);
    let second = token_field(&answer, "refresh_token");

    client.simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldResponse(after.clone()));
    let request = client.refresh_request(&second);
    let given_up = tokio::select! {
        answer = client.send(&request) => panic!("{answer:?}"),
        () = after.wait_for_arrivals(1) => client.simulator.valid_refresh_tokens(),
    };
    assert_eq!(given_up.len(), 1);
    assert_ne!(given_up, [second], "done, though whoever asked has gone");
    after.open();
}

#[tokio::test]
async fn finishes_after_the_client_disconnects() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let (_, refresh) = client.obtain_tokens().await;
    let gate = Gate::closed();
    client.simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldRequest(gate.clone()));
    let request = client.refresh_request(&refresh);
    tokio::select! {
        answer = client.send(&request) => panic!("{answer:?}"),
        () = client.simulator.wait_for_requests(Endpoint::Refresh, 1) => {}
    }
    gate.open();
    wait_until("the token is rotated", async || {
        (client.simulator.valid_refresh_tokens() != [refresh.clone()]).then_some(())
    })
    .await;
}

#[tokio::test]
async fn corrupts_responses() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let exchange = async |misbehaviour| {
        client.simulator.inject_fault(Endpoint::Exchange, 1, misbehaviour);
        let (verifier, challenge) = new_pkce_pair();
        let code = client.obtain_code(&challenge).await;
        client.send(&client.exchange_request(&code, Some(&verifier))).await
    };
    let large = exchange(Fault::OversizeResponse(2 << 20)).await;
    assert!(large.body_text.len() > 2 << 20 && large.json()["access_token"].is_string());
    let page = exchange(Fault::HtmlResponse).await;
    assert!(page.status == 200 && page.body_text.starts_with("<!doctype html>"), "{page:?}");
    assert_eq!(exchange(Fault::SetField("expires_in", json!(-1))).await.json()["expires_in"], -1);
    assert!(exchange(Fault::RemoveField("expires_in")).await.json()["expires_in"].is_null());
    assert_eq!(exchange(Fault::HttpStatusAfterProcessing(502)).await.status, 502);
    assert_eq!(client.simulator.valid_access_tokens().len(), 5, "each was done");
    client.simulator.set_expires_in(Some(60));
    let (verifier, challenge) = new_pkce_pair();
    let answer =
        client.send(&client.exchange_request(&client.obtain_code(&challenge).await, Some(&verifier))).await;
    assert_eq!(answer.json()["expires_in"], 60);

    let client = SimulatorClient::new(ProviderProfile::withings());
    client.simulator.inject_fault(Endpoint::Exchange, 1, Fault::RemoveField("refresh_token"));
    let code = client.obtain_code("").await;
    let form = [
        ("action", "requesttoken"),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "myapp://connected"),
    ];
    let answer = client.send(&client.post_request("/token", &form)).await.json();
    let body = &answer["body"];
    assert!(body["refresh_token"].is_null() && body["access_token"].is_string(), "in the envelope: {answer}");
}

#[tokio::test]
async fn redirects_with_wrong_parameters() {
    let client = SimulatorClient::new(ProviderProfile { sends_issuer: true, ..ProviderProfile::default() });
    let denied = consent_with_fault(&client, Fault::DenyConsent).await;
    assert_eq!((denied.error.as_deref(), denied.code), (Some("access_denied"), None));
    assert_eq!(denied.state.as_deref(), Some("the-state"));
    let wrong = consent_with_fault(&client, Fault::WrongState).await;
    assert!(wrong.code.is_some() && wrong.state.is_some_and(|state| state != "the-state"));
    let mixed_up =
        consent_with_fault(&client, Fault::ReplaceIssuer(Some("https://evil.example".to_owned()))).await;
    assert_eq!(mixed_up.iss.as_deref(), Some("https://evil.example"));
    assert_eq!(consent_with_fault(&client, Fault::ReplaceIssuer(None)).await.iss, None);

    let (access, _) = client.obtain_tokens().await;
    let again = consent_with_fault(&client, Fault::ReuseCode).await.code.unwrap();
    let refused = client.send(&client.exchange_request(&again, Some(&new_pkce_pair().0))).await;
    assert_eq!(oauth_error(&refused).1, "invalid_grant");
    assert_eq!(client.me_status(&access).await, 401, "and what came of it the first time is gone");
}
