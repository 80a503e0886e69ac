//! Answers to an exchange that are no answers: whether the code was used is not known, and it is not used again.

use super::ConnectedSystem;
use crate::harness::provider::{Endpoint, Fault, ProviderProfile, ProviderSimulator, RevocationKind};
use crate::harness::{CertificateAuthority, TestFolder};

#[tokio::test]
async fn unreadable_token_response_needs_reauth() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let spoiled = [
        Fault::HttpStatus(500),
        Fault::HttpStatusAfterProcessing(502),
        Fault::CloseConnection,
        Fault::CloseAfterProcessing,
        Fault::TruncateResponse,
        Fault::HtmlResponse,
        Fault::OversizeResponse(1 << 20),
        Fault::RemoveField("access_token"),
    ];
    for (number, misbehaviour) in spoiled.into_iter().enumerate() {
        simulator.inject_fault(Endpoint::Exchange, 1, misbehaviour.clone());
        let begun = app.begin_connection().await;
        let answer = app.complete_authorization(&begun).await;
        let found = answer.json();
        assert_eq!(
            (answer.status, found["status"].as_str(), found["reason"].as_str()),
            (200, Some("needs_reauth"), Some("exchange_unknown")),
            "{misbehaviour:?}: {answer:?}"
        );
        assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2 * number + 1, "{misbehaviour:?}");
        app.reauthorize(&begun.id).await;
    }
    assert_eq!(simulator.token_reuse_count(), 0, "a code whose exchange went wrong is not exchanged again");
}

#[tokio::test]
async fn token_endpoint_redirects_are_not_followed() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let elsewhere = ProviderSimulator::start(&connected.providers.authority, ProviderProfile::default());
    let other_authority = TestFolder::new();
    let stranger = ProviderSimulator::start(
        &CertificateAuthority::new(other_authority.path()),
        ProviderProfile::default(),
    );
    for status in [302, 307, 308] {
        for target in [&elsewhere, &stranger, simulator] {
            let before = simulator.requests().len();
            let location = format!("{}/token", target.base_url());
            simulator.inject_fault(Endpoint::Exchange, 1, Fault::Redirect(status, location));
            let begun = app.begin_connection().await;
            let found = app.complete_authorization(&begun).await.json();
            assert_eq!(found["status"], "needs_reauth", "{status}");
            assert_eq!(
                simulator.requests().len(),
                before + 2,
                "the page and the code, and nothing behind it"
            );
        }
    }
    assert!(elsewhere.requests().is_empty() && stranger.requests().is_empty());
}

#[tokio::test]
async fn rate_limited_exchange_is_retried_with_the_same_code() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.inject_fault(Endpoint::Exchange, 2, Fault::RetryAfter(429, 1));
    let begun = app.begin_connection().await;
    app.authorize_async(&begun).await;
    app.wait_for_status(&begun.id, "active").await;
    assert_eq!((simulator.requests_to(Endpoint::Exchange).len(), simulator.token_reuse_count()), (3, 0));
}

#[tokio::test]
async fn withings_envelope_is_understood() {
    let variant = ProviderProfile { expires_in: Some(1), ..ProviderProfile::withings() };
    let connected = ConnectedSystem::start(variant);
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin_connection().await;
    // "Too many requests", with status 200.
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::EnvelopeStatus(601));
    app.authorize_async(&begun).await;
    app.wait_for_status(&begun.id, "active").await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2);
    simulator.wait_for_requests(Endpoint::Refresh, 2).await;
    simulator.set_expires_in(Some(10_800));
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::EnvelopeStatus(503));
    let refused = app.begin_connection().await;
    let found = app.complete_authorization(&refused).await.json();
    assert_eq!(found["reason"], "exchange_refused", "a refusal with status 200: {found}");
    assert_eq!(simulator.token_reuse_count(), 0);
    app.disconnect_now(&begun.id).await;
    assert_eq!(app.read_connection(&begun.id).await["atProvider"], "unsupported", "Withings has no way to");
    assert!(simulator.requests_to(Endpoint::Revoke).is_empty());
}

#[tokio::test]
async fn certificate_of_another_authority_is_refused() {
    // The provider's certificate is of an authority that was not configured.
    let other = TestFolder::new();
    let environment = [(
        "SYNCWELL_PROVIDERS__CA_FILE",
        CertificateAuthority::new(other.path()).ca_file.to_str().unwrap().to_owned(),
    )];
    let more: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let variant =
        ProviderProfile { revocation: Some(RevocationKind::PostToken), ..ProviderProfile::default() };
    let connected = ConnectedSystem::start_with_env(vec![variant], &more);
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin_connection().await;
    app.authorize_async(&begun).await;
    crate::harness::wait_until("the worker has tried", async || {
        let metrics =
            crate::harness::provider::bare_request("GET", "/metrics").send(&app.ingest_url).await.body_text;
        metrics
            .contains(r#"syncwell_connection_actions_total{action="exchange",result="unavailable"}"#)
            .then_some(())
    })
    .await;
    assert_eq!(app.read_connection(&begun.id).await["status"], "pending", "and it will be tried again");
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty());
}
