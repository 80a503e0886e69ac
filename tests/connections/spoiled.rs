//! Answers to an exchange that are no answers: whether the code was used is not known, and it is not used again.

use super::Connected;
use crate::harness::provider::{Endpoint, Misbehaviour, Revocation, Simulator, Variant};
use crate::harness::{Authority, TestFolder};

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_no_tokens() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let spoiled = [
        Misbehaviour::Fail(500),
        Misbehaviour::FailAfter(502),
        Misbehaviour::Drop,
        Misbehaviour::DropAfter,
        Misbehaviour::CutOff,
        Misbehaviour::NotJson,
        Misbehaviour::Enlarge(1 << 20),
        Misbehaviour::Remove("access_token"),
    ];
    for (number, misbehaviour) in spoiled.into_iter().enumerate() {
        simulator.misbehave(Endpoint::Exchange, 1, misbehaviour.clone());
        let begun = app.begin().await;
        let answer = app.agree(&begun).await;
        let found = answer.json();
        assert_eq!(
            (answer.status, found["status"].as_str(), found["reason"].as_str()),
            (200, Some("needs_reauth"), Some("exchange_unknown")),
            "{misbehaviour:?}: {answer:?}"
        );
        assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2 * number + 1, "{misbehaviour:?}");
        app.agree_again(&begun.id).await;
    }
    assert_eq!(simulator.reuses(), 0, "a code whose exchange went wrong is not exchanged again");
}

#[tokio::test]
async fn a_redirect_from_the_token_endpoint_is_not_followed() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let elsewhere = Simulator::start(&connected.providers.authority, Variant::default());
    let other_authority = TestFolder::new();
    let stranger = Simulator::start(&Authority::new(other_authority.path()), Variant::default());
    for status in [302, 307, 308] {
        for target in [&elsewhere, &stranger, simulator] {
            let before = simulator.requests().len();
            let location = format!("{}/token", target.base_url());
            simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Redirect(status, location));
            let begun = app.begin().await;
            let found = app.agree(&begun).await.json();
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
async fn who_is_too_busy_is_asked_again_with_the_same_code() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.misbehave(Endpoint::Exchange, 2, Misbehaviour::Busy(429, 1));
    let begun = app.begin().await;
    app.agree_and_go(&begun).await;
    app.becomes(&begun.id, "active").await;
    assert_eq!((simulator.requests_to(Endpoint::Exchange).len(), simulator.reuses()), (3, 0));
}

#[tokio::test]
async fn an_answer_in_withings_envelope() {
    let variant = Variant { expires_in: Some(1), ..Variant::withings() };
    let connected = Connected::to(variant);
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin().await;
    // "Too many requests", with status 200.
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Envelope(601));
    app.agree_and_go(&begun).await;
    app.becomes(&begun.id, "active").await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2);
    simulator.requested(Endpoint::Refresh, 2).await;
    simulator.set_expires_in(Some(10_800));
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Envelope(503));
    let refused = app.begin().await;
    let found = app.agree(&refused).await.json();
    assert_eq!(found["reason"], "exchange_refused", "a refusal with status 200: {found}");
    assert_eq!(simulator.reuses(), 0);
    app.give_up(&begun.id).await;
    assert_eq!(app.read(&begun.id).await["atProvider"], "unsupported", "Withings has no way to");
    assert!(simulator.requests_to(Endpoint::Revoke).is_empty());
}

#[tokio::test]
async fn nobody_else_s_authority_vouches_for_a_provider() {
    // The provider's certificate is of an authority that was not configured.
    let other = TestFolder::new();
    let environment =
        [("SYNCWELL_PROVIDERS__CA_FILE", Authority::new(other.path()).ca_file.to_str().unwrap().to_owned())];
    let more: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let variant = Variant { revocation: Some(Revocation::PostToken), ..Variant::default() };
    let connected = Connected::with(vec![variant], &more);
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin().await;
    app.agree_and_go(&begun).await;
    crate::harness::until("the worker has tried", async || {
        let metrics = crate::harness::provider::plain("GET", "/metrics").send(&app.door).await.text;
        metrics.contains(r#"syncwell_connection_deeds_total{deed="exchange",result="not_now"}"#).then_some(())
    })
    .await;
    assert_eq!(app.read(&begun.id).await["status"], "pending", "and it will be tried again");
    assert!(simulator.requests_to(Endpoint::Exchange).is_empty());
}
