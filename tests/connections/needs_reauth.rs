//! A connection that needs its user again says why, and is as good as new once they agree.

use serde_json::{Value, json};

use super::{AppClient, ConnectedSystem, PendingConnection};
use crate::harness::provider::{Endpoint, Fault, ProviderProfile, ProviderSimulator, RefreshPolicy};

#[tokio::test]
async fn refused_code_needs_reauth() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    app.connect().await;
    type Spoil = fn(&ProviderSimulator);
    let spoils: [(&str, Spoil); 3] = [
        ("too old", |simulator| simulator.expire_codes()),
        ("used", |simulator| simulator.inject_fault(Endpoint::Authorize, 1, Fault::ReuseCode)),
        ("refused", |simulator| {
            simulator.inject_fault(Endpoint::Exchange, 1, Fault::OAuthError("invalid_grant"));
        }),
    ];
    for (what, spoil) in spoils {
        let begun = app.begin_connection().await;
        // Codes are spoiled before the consent, or after it.
        if what != "too old" {
            spoil(simulator);
        }
        let returned = app.give_consent(&begun).await;
        if what == "too old" {
            spoil(simulator);
        }
        let answer = app.authorize(&begun.id, &AppClient::authorize_body(&returned)).await;
        let found = answer.json();
        assert_eq!((answer.status, &found["status"]), (200, &json!("needs_reauth")), "{what}: {answer:?}");
        assert_eq!(found["reason"], "exchange_refused", "{what}");
        assert!(found["needsReauthAt"].is_string() && found["authorizedAt"].is_null(), "{found}");
        assert_eq!(app.read_connection(&begun.id).await, found);
        app.reauthorize(&begun.id).await;
    }
}

#[tokio::test]
async fn refused_code_keeps_valid_tokens() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let id = app.connect().await;
    let again = PendingConnection::from_response(&app.request_reauth(&id).await);
    assert_eq!(app.read_connection(&id).await["status"], "active", "asking alone changes nothing");
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::OAuthError("invalid_grant"));
    let request = app.request(
        "POST",
        &format!("/v1/connections/{id}/authorize"),
        AppClient::authorize_body(&app.give_consent(&again).await).to_string(),
    );
    let answer = request.header("prefer", "wait=0").send(&app.ingest_url).await;
    assert_eq!(answer.json()["status"], "active", "{answer:?}");
    simulator.wait_for_requests(Endpoint::Exchange, 2).await;
    app.reauthorize(&id).await;
    assert_eq!(
        (app.read_connection(&id).await["status"].as_str(), simulator.token_reuse_count()),
        (Some("active"), 0)
    );
}

/// Whose access token ends in a second, when no other is good any more.
#[tokio::test]
async fn refused_refresh_shows_on_the_next_read() {
    for refresh in [RefreshPolicy::SingleUse, RefreshPolicy::Rotates, RefreshPolicy::Keeps] {
        let variant = ProviderProfile { refresh, expires_in: Some(2), ..ProviderProfile::default() };
        let connected = ConnectedSystem::start(variant);
        let (app, simulator) = (connected.app("ana"), connected.simulator());
        let id = app.connect().await;
        simulator.revoke_all_grants();
        simulator.set_expires_in(Some(28_800));
        app.wait_for_reauth(&id, "refresh_refused").await;
        let asked = simulator.requests_to(Endpoint::Refresh).len();
        app.reauthorize(&id).await;
        assert_eq!(simulator.requests_to(Endpoint::Refresh).len(), asked, "{refresh:?}: refused is refused");
        app.disconnect_now(&id).await;
        assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    }
}

#[tokio::test]
async fn expiry_without_refresh_token_needs_reauth() {
    let connected = ConnectedSystem::start(ProviderProfile {
        refresh: RefreshPolicy::None,
        expires_in: Some(1),
        ..ProviderProfile::default()
    });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin_connection().await;
    app.authorize_async(&begun).await;
    app.wait_for_reauth(&begun.id, "refresh_missing").await;
    simulator.expire_access_tokens();
    simulator.set_expires_in(None);
    app.reauthorize(&begun.id).await;
    assert_eq!(app.read_connection(&begun.id).await["reason"], Value::Null);
    // What is said to end never, never ends here.
    assert!(simulator.requests_to(Endpoint::Refresh).is_empty());
    app.disconnect_now(&begun.id).await;
    assert!(
        simulator.valid_access_tokens().is_empty(),
        "the access token is what is revoked: {:?}",
        simulator.requests()
    );
}
