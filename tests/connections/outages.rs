//! Workers beside each other, no worker for a while, and a broker that comes and goes.

use serde_json::json;

use super::{App, ConnectedCluster, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Gate, Misbehaviour, Variant};
use crate::harness::{Part, until};

#[tokio::test]
async fn two_workers_do_everything_once() {
    let mut connected = ConnectedCluster::to(Variant { expires_in: Some(1), ..Variant::default() }).await;
    connected.cluster.start_part(Part::WorkerTwo);
    connected.cluster.ready().await;
    let authority = connected.providers.authority.clone();
    let apps: Vec<_> = (0..5).map(|user| connected.app(&authority, &format!("user-{user}"))).collect();
    let ids = futures_util::future::join_all(apps.iter().map(App::connect)).await;
    let simulator = connected.simulator();
    simulator.requested(Endpoint::Refresh, 15).await;
    for (app, id) in apps.iter().zip(&ids) {
        assert_eq!(app.read(id).await["status"], "active");
    }

    // Both die with a refresh in hand; whoever comes finds it, and does not repeat it.
    let gate = Gate::closed();
    simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::Hold(gate.clone()));
    gate.reached(1).await;
    simulator.set_expires_in(Some(28_800));
    connected.cluster.kill_part(Part::WorkerOne);
    connected.cluster.kill_part(Part::WorkerTwo);
    connected.cluster.start_part(Part::WorkerTwo);
    let simulator = connected.simulator();
    for (app, id) in apps.iter().zip(&ids) {
        app.disconnect_and_go(id).await;
        assert_eq!(app.becomes(id, "revoked").await["atProvider"], "revoked", "what it had was revoked");
    }
    assert!(simulator.access_tokens().is_empty());
    let uses = simulator.refresh_uses();
    assert!(uses.values().all(|uses| *uses == 1), "{uses:?}");
    assert_eq!((simulator.reuses(), simulator.requests_to(Endpoint::Exchange).len()), (0, 5));
    gate.open();
    let events = connected.events().await;
    for (kind, count) in [("connection.activated", 5), ("connection.revoked", 5)] {
        assert_eq!(events.iter().filter(|found| *found == kind).count(), count, "{kind}: {events:?}");
    }
}

#[tokio::test]
async fn without_a_worker_commands_wait_for_it() {
    let mut connected = ConnectedCluster::to(Variant::default()).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    let id = app.connect().await;
    connected.cluster.kill_part(Part::WorkerOne);
    let begun = app.begin().await;
    let handed_back = App::handed_back(&app.consent(&begun).await).to_string();
    let request = app.request("POST", &format!("/v1/connections/{}/authorize", begun.id), handed_back);
    let answer = request.header("prefer", "wait=1").send(&app.door).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("pending")), "{answer:?}");
    let request = app.request("DELETE", &format!("/v1/connections/{id}"), "").header("prefer", "wait=1");
    let answer = request.send(&app.door).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("revoking")), "{answer:?}");
    // Begun and given up before anybody has seen it.
    let unseen = app.begin().await;
    app.agree_and_go(&unseen).await;
    app.disconnect_and_go(&unseen.id).await;
    assert_eq!(connected.simulator().requests_to(Endpoint::Exchange).len(), 1);

    connected.cluster.start_part(Part::WorkerOne);
    app.becomes(&begun.id, "active").await;
    app.becomes(&id, "revoked").await;
    app.becomes(&unseen.id, "revoked").await;
    let simulator = connected.simulator();
    assert_eq!((simulator.access_tokens().len(), simulator.reuses()), (1, 0));
    app.give_up(&begun.id).await;
    assert!(simulator.access_tokens().is_empty());
}

#[tokio::test]
async fn a_broker_that_comes_back_finds_everything_as_it_was() {
    let mut connected = ConnectedCluster::to(Variant::default()).await;
    let authority = connected.providers.authority.clone();
    let (app, other) = (connected.app(&authority, "ana"), connected.app(&authority, "ben"));
    let id = app.connect().await;
    let begun = other.begin().await;
    let handed_back = App::handed_back(&other.consent(&begun).await);
    connected.cluster.kill_broker().await;
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    for refused in [
        app.post("/v1/connections", &body).await,
        other.authorize(&begun.id, &handed_back).await,
        app.disconnect(&id).await,
        app.reauth(&id).await,
    ] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
        refused.problem();
    }
    connected.cluster.start_broker().await;
    let answer = until("the same state is taken", async || {
        Some(other.authorize(&begun.id, &handed_back).await).filter(|answer| answer.status != 503)
    })
    .await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    other.becomes(&begun.id, "active").await;
    let simulator = connected.simulator();
    assert_eq!((simulator.requests_to(Endpoint::Exchange).len(), simulator.reuses()), (2, 0));
    app.give_up(&id).await;
    assert_eq!(simulator.access_tokens().len(), 1);
}

/// The provider has answered and the answer can't be stored: the worker holds on to it.
#[tokio::test]
async fn tokens_that_come_while_the_broker_is_away_are_not_lost() {
    let mut connected = ConnectedCluster::to(Variant { expires_in: Some(1), ..Variant::default() }).await;
    let authority = connected.providers.authority.clone();
    let (app, other) = (connected.app(&authority, "ana"), connected.app(&authority, "ben"));
    let (refresh, exchange) = (Gate::closed(), Gate::closed());
    let simulator = connected.simulator();
    simulator.misbehave(Endpoint::Refresh, 1, Misbehaviour::HoldAfter(refresh.clone()));
    let id = app.connect().await;
    refresh.reached(1).await;
    simulator.set_expires_in(Some(28_800));
    simulator.misbehave(Endpoint::Exchange, 1, Misbehaviour::HoldAfter(exchange.clone()));
    let begun = other.begin().await;
    other.agree_and_go(&begun).await;
    exchange.reached(1).await;
    connected.cluster.kill_broker().await;
    refresh.open();
    exchange.open();
    connected.cluster.start_broker().await;
    connected.cluster.ready().await;
    other.becomes(&begun.id, "active").await;
    let simulator = connected.simulator();
    for (app, id) in [(&app, &id), (&other, &begun.id)] {
        assert_eq!(app.read(id).await["status"], "active");
        until("it is given up", async || (app.disconnect(id).await.status == 204).then_some(())).await;
        assert_eq!(app.read(id).await["atProvider"], "revoked");
    }
    assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    assert_eq!(simulator.reuses(), 0);
    assert!(!connected.events().await.contains(&"connection.reauth_needed".to_owned()));
}
