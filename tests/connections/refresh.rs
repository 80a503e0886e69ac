//! Access tokens are kept fresh, and no refresh token that is dead once used is used twice.

use serde_json::json;

use super::Connected;
use crate::harness::provider::{Endpoint, Gate, Misbehaviour, Refresh, Simulator, Variant};

fn assert_used_once(simulator: &Simulator) {
    let uses = simulator.refresh_uses();
    assert!(uses.values().all(|uses| *uses == 1), "{uses:?}");
    assert_eq!(simulator.reuses(), 0);
}

#[tokio::test]
async fn a_token_is_refreshed_ahead_of_its_end_each_time_by_the_newest_pair() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let simulator = connected.simulator();
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let id = ana.connect().await;
    simulator.requested(Endpoint::Refresh, 4).await;
    simulator.set_expires_in(Some(28_800));
    let bens = ben.connect().await;
    assert_used_once(simulator);
    let before = connected.events().await;
    for (app, id) in [(&ana, &id), (&ben, &bens)] {
        assert_eq!(app.read(id).await["status"], "active");
        app.give_up(id).await;
    }
    assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    assert!(!before.contains(&"connection.reauth_needed".to_owned()), "{before:?}");
    assert_eq!(
        before.iter().filter(|kind| *kind == "connection.activated").count(),
        2,
        "a refresh is no event"
    );
}

/// Whether it was used is not known: not one more request with it, whatever else is going on.
#[tokio::test]
async fn a_single_use_token_whose_answer_is_lost_is_not_used_again() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let simulator = connected.simulator();
    let spoiled = [
        Misbehaviour::Fail(500),
        Misbehaviour::FailAfter(502),
        Misbehaviour::CutOff,
        Misbehaviour::Drop,
        Misbehaviour::DropAfter,
        Misbehaviour::NotJson,
        Misbehaviour::Enlarge(1 << 20),
        Misbehaviour::Redirect(307, format!("{}/token", simulator.base_url())),
    ];
    let mut lost = Vec::new();
    for (number, misbehaviour) in spoiled.into_iter().enumerate() {
        simulator.misbehave(Endpoint::Refresh, 1, misbehaviour);
        let app = connected.app(&format!("user-{number}"));
        let id = app.connect().await;
        app.needs_reauth(&id, "refresh_unknown").await;
        lost.push((app, id));
    }
    assert_eq!(simulator.requests_to(Endpoint::Refresh).len(), lost.len());
    // Somebody else's go on, for as long as any backoff of the others would be.
    let other = connected.app("other");
    other.connect().await;
    simulator.requested(Endpoint::Refresh, lost.len() + 3).await;
    simulator.set_expires_in(Some(28_800));
    assert_used_once(simulator);
    for (app, id) in &lost {
        app.agree_again(id).await;
    }
    assert_used_once(simulator);
}

#[tokio::test]
async fn a_token_that_stays_good_is_tried_again() {
    let variants = [Refresh::Keeps, Refresh::Rotates].map(|refresh| {
        let name = format!("{refresh:?}").to_lowercase();
        Variant { name, refresh, expires_in: Some(1), ..Variant::default() }
    });
    let connected = Connected::to_all(variants.to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        for misbehaviour in [Misbehaviour::Fail(500), Misbehaviour::CutOff, Misbehaviour::DropAfter] {
            simulator.misbehave(Endpoint::Refresh, 1, misbehaviour);
        }
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        simulator.requested(Endpoint::Refresh, 4).await;
        simulator.set_expires_in(Some(28_800));
        assert_eq!(app.read(&id).await["status"], "active", "{}", simulator.name());
        app.give_up(&id).await;
        assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    }
    let events = connected.events().await;
    assert!(!events.contains(&"connection.reauth_needed".to_owned()), "{events:?}");
}

/// What the provider has not looked at is not used up.
#[tokio::test]
async fn a_provider_that_is_busy_or_does_not_know_us_costs_nobody_their_connection() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Busy(429, 1));
    simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Refuse("invalid_client"));
    let id = app.connect().await;
    simulator.requested(Endpoint::Refresh, 3).await;
    simulator.set_expires_in(Some(28_800));
    let uses: Vec<_> = simulator.refresh_uses().into_values().collect();
    assert!(uses.contains(&3) && simulator.reuses() == 0, "{uses:?}");
    assert_eq!(app.read(&id).await["status"], "active");
}

#[tokio::test]
async fn a_connection_that_is_given_up_in_the_middle_of_a_refresh() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for (number, make) in
        [Misbehaviour::Hold as fn(Gate) -> Misbehaviour, Misbehaviour::HoldAfter].into_iter().enumerate()
    {
        let gate = Gate::closed();
        simulator.misbehave(Endpoint::Refresh, 1, make(gate.clone()));
        let id = app.connect().await;
        gate.reached(1).await;
        assert_eq!(app.read(&id).await["status"], "active", "nobody waits for a slow provider");
        app.disconnect_and_go(&id).await;
        gate.open();
        let revoked = app.becomes(&id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{number}: {revoked}");
        assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    }
    assert_used_once(simulator);
}

/// Nobody is waited for forever: after a while what came of it is not known.
#[tokio::test]
async fn an_answer_that_does_not_come() {
    let connected = Connected::to(Variant { expires_in: Some(1), ..Variant::default() });
    let simulator = connected.simulator();
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let (exchange, refresh) = (Gate::closed(), Gate::closed());
    let id = ana.connect().await;
    simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Hold(refresh.clone()));
    refresh.reached(1).await;
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::Hold(exchange.clone()));
    let begun = ben.begin().await;
    ben.agree_and_go(&begun).await;
    exchange.reached(1).await;
    // Meanwhile others are served.
    assert_eq!(
        connected.app("eve").agree(&connected.app("eve").begin().await).await.json()["status"],
        json!("active")
    );
    ana.needs_reauth(&id, "refresh_unknown").await;
    ben.needs_reauth(&begun.id, "exchange_unknown").await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 3);
    refresh.open();
    exchange.open();
    assert_used_once(simulator);
}
