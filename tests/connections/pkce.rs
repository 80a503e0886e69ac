//! PKCE (RFC 7636): by the backend, by the app, or not at all. The simulator demands what its kind demands.

use serde_json::json;

use super::{App, Connected, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Pkce, Variant, pkce};

#[tokio::test]
async fn the_backend_makes_a_verifier_of_its_own_for_every_state() {
    let connected = Connected::to(Variant { pkce: Pkce::Required, ..Variant::default() });
    let app = connected.app("ana");
    app.connect().await;
    app.connect().await;
    let simulator = connected.simulator();
    let sent = |endpoint, name| -> Vec<String> {
        let requests = simulator.requests_to(endpoint);
        let fields = |request: &crate::harness::provider::Recorded| {
            request.query.get(name).or(request.form.get(name)).unwrap().to_owned()
        };
        requests.iter().map(fields).collect()
    };
    let (challenges, verifiers) =
        (sent(Endpoint::Authorize, "code_challenge"), sent(Endpoint::Exchange, "code_verifier"));
    assert!(challenges[0] != challenges[1] && verifiers[0] != verifiers[1], "{challenges:?}");
    assert_eq!(sent(Endpoint::Authorize, "code_challenge_method"), ["S256", "S256"]);
    for request in simulator.requests_to(Endpoint::Authorize) {
        assert!(!verifiers.iter().any(|verifier| request.says(verifier)), "it is the backend's secret");
    }
}

#[tokio::test]
async fn the_app_may_make_it_and_must_then_hand_it_in() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let (verifier, challenge) = pkce();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_with(&body).await;
    assert!(begun.url.contains(&challenge), "{}", begun.url);
    let mut handed_back = App::handed_back(&app.consent(&begun).await);
    handed_back["code_verifier"] = json!(verifier);
    let answer = app.authorize(&begun.id, &handed_back).await;
    assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("active")), "{answer:?}");
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange)[0].form.get("code_verifier"),
        Some(verifier.as_str())
    );

    // Without it, or with another, the provider gives nothing.
    for other in [None, Some(pkce().0)] {
        let begun = app.begin_with(&body).await;
        let mut handed_back = App::handed_back(&app.consent(&begun).await);
        handed_back["code_verifier"] = json!(other);
        let answer = app.authorize(&begun.id, &handed_back).await;
        let document = answer.json();
        assert_eq!((answer.status, &document["status"]), (200, &json!("needs_reauth")), "{answer:?}");
        assert_eq!(document["reason"], "exchange_refused");
    }

    // The same when the user agrees again.
    let (verifier, challenge) = pkce();
    let id = begun.id;
    let again =
        app.post(&format!("/v1/connections/{id}/reauth"), &json!({ "code_challenge": challenge })).await;
    assert_eq!(again.status, 200, "{again:?}");
    let again = super::Begun::of(&again);
    assert!(again.url.contains(&challenge));
    let mut handed_back = App::handed_back(&app.consent(&again).await);
    handed_back["code_verifier"] = json!(verifier);
    assert_eq!(app.authorize(&id, &handed_back).await.json()["status"], "active");
}

#[tokio::test]
async fn a_provider_without_it_is_sent_none_of_it() {
    let connected = Connected::to(Variant { pkce: Pkce::Unsupported, ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    app.connect().await;
    // Nor where the app brings its own.
    let (verifier, challenge) = pkce();
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI, "code_challenge": challenge });
    let begun = app.begin_with(&body).await;
    let mut handed_back = App::handed_back(&app.consent(&begun).await);
    handed_back["code_verifier"] = json!(verifier);
    let answer = app.authorize(&begun.id, &handed_back).await;
    assert_eq!(answer.json()["status"], "active", "{answer:?}");
    for request in simulator.requests() {
        for name in ["code_challenge", "code_verifier"] {
            assert!(!request.says(name), "{request:?}");
        }
    }
}
