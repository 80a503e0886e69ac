//! What the provider hands back beside the code: who it is, or that the user said no.

use serde_json::json;

use super::{App, Connected};
use crate::harness::provider::{Endpoint, Misbehaviour, Variant};

#[tokio::test]
async fn an_answer_of_another_issuer_is_refused_before_its_code_goes_anywhere() {
    let connected = Connected::to(Variant { issuer: true, ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin().await;
    let before = connected.events().await;
    let evil = "https://evil.example".to_owned();
    for issuer in [Some(evil), Some(format!("{}/", simulator.base_url())), Some(String::new()), None] {
        simulator.misbehave(Endpoint::Authorize, 1, Misbehaviour::Issuer(issuer.clone()));
        let refused = app.agree(&begun).await;
        assert_eq!((refused.status, refused.problem().as_str()), (422, "invalid_issuer"), "{issuer:?}");
    }
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty(), "a mix-up gets no code (RFC 9207)");
    assert_eq!(connected.events().await, before);
    assert_eq!(app.agree(&begun).await.json()["status"], "active", "and the state was not used up");
}

#[tokio::test]
async fn a_provider_that_names_no_issuer_is_believed_without() {
    let connected = Connected::to(Variant::default());
    let app = connected.app("ana");
    let begun = app.begin().await;
    let mut handed_back = App::handed_back(&app.consent(&begun).await);
    handed_back["iss"] = json!("https://anybody.example");
    assert_eq!(app.authorize(&begun.id, &handed_back).await.json()["status"], "active");
}

#[tokio::test]
async fn a_user_who_says_no_changes_nothing() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.misbehave(Endpoint::Authorize, 1, Misbehaviour::Deny);
    let begun = app.begin().await;
    let returned = app.consent(&begun).await;
    assert_eq!((returned.error.as_deref(), &returned.code), (Some("access_denied"), &None));
    let refused = app.authorize(&begun.id, &App::handed_back(&returned)).await;
    assert_eq!((refused.status, refused.problem().as_str()), (422, "invalid_request"), "there is no code");
    assert_eq!(app.read(&begun.id).await["status"], "pending");
    // They may think again, on the same page.
    assert_eq!(app.agree(&begun).await.json()["status"], "active");
}
