//! What the provider hands back beside the code: who it is, or that the user said no.

use serde_json::json;

use super::{AppClient, ConnectedSystem};
use crate::harness::provider::{Endpoint, Fault, ProviderProfile};

#[tokio::test]
async fn wrong_issuer_is_refused_before_code_exchange() {
    let connected =
        ConnectedSystem::start(ProviderProfile { sends_issuer: true, ..ProviderProfile::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin_connection().await;
    let before = connected.event_types().await;
    let evil = "https://evil.example".to_owned();
    for issuer in [Some(evil), Some(format!("{}/", simulator.base_url())), Some(String::new()), None] {
        simulator.inject_fault(Endpoint::Authorize, 1, Fault::ReplaceIssuer(issuer.clone()));
        let refused = app.complete_authorization(&begun).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_issuer"), "{issuer:?}");
    }
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty(), "a mix-up gets no code (RFC 9207)");
    assert_eq!(connected.event_types().await, before);
    assert_eq!(
        app.complete_authorization(&begun).await.json()["status"],
        "active",
        "and the state was not used up"
    );
}

#[tokio::test]
async fn issuer_is_ignored_for_providers_that_send_none() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let app = connected.app("ana");
    let begun = app.begin_connection().await;
    let mut authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await);
    authorize_body["iss"] = json!("https://anybody.example");
    assert_eq!(app.authorize(&begun.id, &authorize_body).await.json()["status"], "active");
}

#[tokio::test]
async fn denied_consent_changes_nothing() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.inject_fault(Endpoint::Authorize, 1, Fault::DenyConsent);
    let begun = app.begin_connection().await;
    let returned = app.give_consent(&begun).await;
    assert_eq!((returned.error.as_deref(), &returned.code), (Some("access_denied"), &None));
    let refused = app.authorize(&begun.id, &AppClient::authorize_body(&returned)).await;
    assert_eq!(
        (refused.status, refused.problem_code().as_str()),
        (422, "invalid_request"),
        "there is no code"
    );
    assert_eq!(app.read_connection(&begun.id).await["status"], "pending");
    // They may think again, on the same page.
    assert_eq!(app.complete_authorization(&begun).await.json()["status"], "active");
}
