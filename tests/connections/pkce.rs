//! PKCE (RFC 7636): by the backend, by the app, or not at all. The simulator demands what its kind demands.

use serde_json::json;

use super::{AppClient, ConnectedSystem, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Pkce, ProviderProfile, new_pkce_pair};

#[tokio::test]
async fn backend_creates_a_new_verifier_per_state() {
    let connected =
        ConnectedSystem::start(ProviderProfile { pkce: Pkce::Required, ..ProviderProfile::default() });
    let app = connected.app("ana");
    app.connect().await;
    app.connect().await;
    let simulator = connected.simulator();
    let sent = |endpoint, name| -> Vec<String> {
        let requests = simulator.requests_to(endpoint);
        let fields = |request: &crate::harness::provider::RecordedRequest| {
            request.query.get(name).or(request.form.get(name)).unwrap().to_owned()
        };
        requests.iter().map(fields).collect()
    };
    let (challenges, verifiers) =
        (sent(Endpoint::Authorize, "code_challenge"), sent(Endpoint::Exchange, "code_verifier"));
    assert!(challenges[0] != challenges[1] && verifiers[0] != verifiers[1], "{challenges:?}");
    assert_eq!(sent(Endpoint::Authorize, "code_challenge_method"), ["S256", "S256"]);
    for request in simulator.requests_to(Endpoint::Authorize) {
        assert!(!verifiers.iter().any(|verifier| request.contains(verifier)), "it is the backend's secret");
    }
}

#[tokio::test]
async fn app_supplied_challenge_requires_its_verifier() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let (verifier, challenge) = new_pkce_pair();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_connection_with(&body).await;
    assert!(begun.url.contains(&challenge), "{}", begun.url);
    let mut authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    authorize_body["code_verifier"] = json!(verifier);
    let answer = app.authorize(&begun.id, &authorize_body).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange)[0].form.get("code_verifier"),
        Some(verifier.as_str())
    );

    // Without it, or with another, the provider gives nothing.
    for other in [None, Some(new_pkce_pair().0)] {
        let begun = app.begin_connection_with(&body).await;
        let mut authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
        authorize_body["code_verifier"] = json!(other);
        let answer = app.authorize(&begun.id, &authorize_body).await;
        let document = answer.json();
        assert_eq!((answer.status, &document["status"]), (200, &json!("needs_reauth")), "{answer:?}");
        assert_eq!(document["reason"], "exchange_refused");
    }

    // The same when the user agrees again.
    let (verifier, challenge) = new_pkce_pair();
    let id = begun.id;
    let again =
        app.post(&format!("/v1/connections/{id}/reauth"), &json!({ "code_challenge": challenge })).await;
    assert_eq!(again.status, 200, "{again:?}");
    let again = super::PendingConnection::from_response(&again);
    assert!(again.url.contains(&challenge));
    let mut authorize_body = AppClient::authorize_body(&app.give_consent(&again).await);
    authorize_body["code_verifier"] = json!(verifier);
    assert_eq!(app.authorize(&id, &authorize_body).await.json()["status"], "active");
}

#[tokio::test]
async fn provider_without_pkce_receives_no_pkce_fields() {
    let connected =
        ConnectedSystem::start(ProviderProfile { pkce: Pkce::Unsupported, ..ProviderProfile::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    app.connect().await;
    // Nor where the app brings its own.
    let (verifier, challenge) = new_pkce_pair();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_connection_with(&body).await;
    let mut authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    authorize_body["code_verifier"] = json!(verifier);
    let answer = app.authorize(&begun.id, &authorize_body).await;
    assert_eq!(answer.json()["status"], "active", "{answer:?}");
    for request in simulator.requests() {
        for name in ["code_challenge", "code_verifier"] {
            assert!(!request.contains(name), "{request:?}");
        }
    }
}
