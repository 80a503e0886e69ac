//! Access tokens are kept fresh, and no refresh token that is dead once used is used twice.

use serde_json::json;

use super::ConnectedSystem;
use crate::harness::provider::{Endpoint, Fault, Gate, ProviderProfile, ProviderSimulator, RefreshPolicy};

fn assert_used_once(simulator: &ProviderSimulator) {
    let uses = simulator.refresh_token_uses();
    assert!(uses.values().all(|uses| *uses == 1), "{uses:?}");
    assert_eq!(simulator.token_reuse_count(), 0);
}

#[tokio::test]
async fn token_is_refreshed_before_expiry_with_the_newest_pair() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let simulator = connected.simulator();
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let id = ana.connect().await;
    simulator.wait_for_requests(Endpoint::Refresh, 4).await;
    simulator.set_expires_in(Some(28_800));
    let bens = ben.connect().await;
    assert_used_once(simulator);
    let before = connected.event_types().await;
    for (app, id) in [(&ana, &id), (&ben, &bens)] {
        assert_eq!(app.read_connection(id).await["status"], "active");
        app.disconnect_now(id).await;
    }
    assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    assert!(!before.contains(&"connection.reauth_needed".to_owned()), "{before:?}");
    assert_eq!(
        before.iter().filter(|kind| *kind == "connection.activated").count(),
        2,
        "a refresh is no event"
    );
}

/// Whether it was used is not known: not one more request with it, whatever else is going on.
#[tokio::test]
async fn single_use_token_with_lost_response_is_not_reused() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let simulator = connected.simulator();
    let spoiled = [
        Fault::HttpStatus(500),
        Fault::HttpStatusAfterProcessing(502),
        Fault::TruncateResponse,
        Fault::CloseConnection,
        Fault::CloseAfterProcessing,
        Fault::HtmlResponse,
        Fault::OversizeResponse(1 << 20),
        Fault::Redirect(307, format!("{}/token", simulator.base_url())),
    ];
    let mut lost = Vec::new();
    for (number, misbehaviour) in spoiled.into_iter().enumerate() {
        simulator.inject_fault(Endpoint::Refresh, 1, misbehaviour);
        let app = connected.app(&format!("user-{number}"));
        let id = app.connect().await;
        app.wait_for_reauth(&id, "refresh_unknown").await;
        lost.push((app, id));
    }
    assert_eq!(simulator.requests_to(Endpoint::Refresh).len(), lost.len());
    // Somebody else's go on, for as long as any backoff of the others would be.
    let other = connected.app("other");
    other.connect().await;
    simulator.wait_for_requests(Endpoint::Refresh, lost.len() + 3).await;
    simulator.set_expires_in(Some(28_800));
    assert_used_once(simulator);
    for (app, id) in &lost {
        app.reauthorize(id).await;
    }
    assert_used_once(simulator);
}

#[tokio::test]
async fn reusable_token_is_retried() {
    let variants = [RefreshPolicy::Keeps, RefreshPolicy::Rotates].map(|refresh| {
        let name = format!("{refresh:?}").to_lowercase();
        ProviderProfile { name, refresh, expires_in: Some(1), ..ProviderProfile::default() }
    });
    let connected = ConnectedSystem::start_with_providers(variants.to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        for misbehaviour in [Fault::HttpStatus(500), Fault::TruncateResponse, Fault::CloseAfterProcessing] {
            simulator.inject_fault(Endpoint::Refresh, 1, misbehaviour);
        }
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        simulator.wait_for_requests(Endpoint::Refresh, 4).await;
        simulator.set_expires_in(Some(28_800));
        assert_eq!(app.read_connection(&id).await["status"], "active", "{}", simulator.name());
        app.disconnect_now(&id).await;
        assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    }
    let events = connected.event_types().await;
    assert!(!events.contains(&"connection.reauth_needed".to_owned()), "{events:?}");
}

/// What the provider has not looked at is not used up.
#[tokio::test]
async fn busy_or_rejecting_provider_keeps_the_connection() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    simulator.inject_fault(Endpoint::Refresh, 1, Fault::RetryAfter(429, 1));
    simulator.inject_fault(Endpoint::Refresh, 1, Fault::OAuthError("invalid_client"));
    let id = app.connect().await;
    simulator.wait_for_requests(Endpoint::Refresh, 3).await;
    simulator.set_expires_in(Some(28_800));
    let uses: Vec<_> = simulator.refresh_token_uses().into_values().collect();
    assert!(uses.contains(&3) && simulator.token_reuse_count() == 0, "{uses:?}");
    assert_eq!(app.read_connection(&id).await["status"], "active");
}

#[tokio::test]
async fn disconnect_during_refresh_revokes_all_tokens() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for (number, make) in
        [Fault::HoldRequest as fn(Gate) -> Fault, Fault::HoldResponse].into_iter().enumerate()
    {
        let gate = Gate::closed();
        simulator.inject_fault(Endpoint::Refresh, 1, make(gate.clone()));
        let id = app.connect().await;
        gate.wait_for_arrivals(1).await;
        assert_eq!(app.read_connection(&id).await["status"], "active", "nobody waits for a slow provider");
        app.disconnect_async(&id).await;
        gate.open();
        let revoked = app.wait_for_status(&id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{number}: {revoked}");
        assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    }
    assert_used_once(simulator);
}

/// Nobody is waited for forever: after a while what came of it is not known.
#[tokio::test]
async fn missing_response_ends_as_unknown_outcome() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let simulator = connected.simulator();
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let (exchange, refresh) = (Gate::closed(), Gate::closed());
    let id = ana.connect().await;
    simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldRequest(refresh.clone()));
    refresh.wait_for_arrivals(1).await;
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::HoldRequest(exchange.clone()));
    let begun = ben.begin_connection().await;
    ben.authorize_async(&begun).await;
    exchange.wait_for_arrivals(1).await;
    // Meanwhile others are served.
    assert_eq!(
        connected
            .app("eve")
            .complete_authorization(&connected.app("eve").begin_connection().await)
            .await
            .json()["status"],
        json!("active")
    );
    ana.wait_for_reauth(&id, "refresh_unknown").await;
    ben.wait_for_reauth(&begun.id, "exchange_unknown").await;
    assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 3);
    refresh.open();
    exchange.open();
    assert_used_once(simulator);
}
