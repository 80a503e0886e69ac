//! A connection that needs its user again says why, and is as good as new once they agree.

use serde_json::{Value, json};

use super::{App, Begun, Connected};
use crate::harness::provider::{Endpoint, Misbehaviour, Refresh, Simulator, Variant};

#[tokio::test]
async fn a_refused_code() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    app.connect().await;
    type Spoil = fn(&Simulator);
    let spoils: [(&str, Spoil); 3] = [
        ("too old", |simulator| simulator.expire_codes()),
        ("used", |simulator| simulator.misbehave(Endpoint::Authorize, 1, Misbehaviour::ReuseCode)),
        ("refused", |simulator| {
            simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Refuse("invalid_grant"));
        }),
    ];
    for (what, spoil) in spoils {
        let begun = app.begin().await;
        // Codes are spoiled before the consent, or after it.
        if what != "too old" {
            spoil(simulator);
        }
        let returned = app.consent(&begun).await;
        if what == "too old" {
            spoil(simulator);
        }
        let answer = app.authorize(&begun.id, &App::handed_back(&returned)).await;
        let found = answer.json();
        assert_eq!((answer.status, &found["status"]), (200, &json!("needs_reauth")), "{what}: {answer:?}");
        assert_eq!(found["reason"], "exchange_refused", "{what}");
        assert!(found["needsReauthAt"].is_string() && found["authorizedAt"].is_null(), "{found}");
        assert_eq!(app.read(&begun.id).await, found);
        app.agree_again(&begun.id).await;
    }
}

#[tokio::test]
async fn a_code_that_is_refused_does_not_cost_good_tokens() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let id = app.connect().await;
    let again = Begun::of(&app.reauth(&id).await);
    assert_eq!(app.read(&id).await["status"], "active", "asking alone changes nothing");
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Refuse("invalid_grant"));
    let request = app.request(
        "POST",
        &format!("/v1/connections/{id}/authorize"),
        App::handed_back(&app.consent(&again).await).to_string(),
    );
    let answer = request.header("prefer", "wait=0").send(&app.door).await;
    assert_eq!(answer.json()["status"], "active", "{answer:?}");
    simulator.requested(Endpoint::Exchange, 2).await;
    app.agree_again(&id).await;
    assert_eq!((app.read(&id).await["status"].as_str(), simulator.reuses()), (Some("active"), 0));
}

/// Whose access token ends in a second, when no other is good any more.
#[tokio::test]
async fn a_refused_refresh_is_seen_on_the_next_read() {
    for refresh in [Refresh::SingleUse, Refresh::Rotates, Refresh::Keeps] {
        let variant = Variant { refresh, expires_in: Some(2), ..Variant::default() };
        let connected = Connected::to(variant);
        let (app, simulator) = (connected.app("ana"), connected.simulator());
        let id = app.connect().await;
        simulator.end_grants();
        simulator.set_expires_in(Some(28_800));
        app.needs_reauth(&id, "refresh_refused").await;
        let asked = simulator.requests_to(Endpoint::Refresh).len();
        app.agree_again(&id).await;
        assert_eq!(simulator.requests_to(Endpoint::Refresh).len(), asked, "{refresh:?}: refused is refused");
        app.give_up(&id).await;
        assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    }
}

#[tokio::test]
async fn an_access_token_that_ends_without_a_refresh_token() {
    let connected =
        Connected::to(Variant { refresh: Refresh::None, expires_in: Some(1), ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let begun = app.begin().await;
    app.agree_and_go(&begun).await;
    app.needs_reauth(&begun.id, "refresh_missing").await;
    simulator.end_access_tokens();
    simulator.set_expires_in(None);
    app.agree_again(&begun.id).await;
    assert_eq!(app.read(&begun.id).await["reason"], Value::Null);
    // What is said to end never, never ends here.
    assert!(simulator.requests_to(Endpoint::Refresh).is_empty());
    app.give_up(&begun.id).await;
    assert!(
        simulator.access_tokens().is_empty(),
        "the access token is what is revoked: {:?}",
        simulator.requests()
    );
}
