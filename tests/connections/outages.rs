//! Workers beside each other, no worker for a while, and a broker that comes and goes.

use serde_json::json;

use super::{AppClient, ConnectedCluster, REDIRECT_URI};
use crate::harness::provider::{Endpoint, Fault, Gate, ProviderProfile};
use crate::harness::{Node, wait_until};

#[tokio::test]
async fn two_workers_do_each_step_once() {
    let mut connected =
        ConnectedCluster::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() }).await;
    connected.cluster.start_node(Node::WorkerTwo);
    connected.cluster.wait_until_ready().await;
    let authority = connected.providers.authority.clone();
    let apps: Vec<_> = (0..5).map(|user| connected.app(&authority, &format!("user-{user}"))).collect();
    let ids = futures_util::future::join_all(apps.iter().map(AppClient::connect)).await;
    let simulator = connected.simulator();
    simulator.wait_for_requests(Endpoint::Refresh, 15).await;
    for (app, id) in apps.iter().zip(&ids) {
        assert_eq!(app.read_connection(id).await["status"], "active");
    }

    // Both die with a refresh in hand; whoever comes finds it, and does not repeat it.
    let gate = Gate::closed();
    simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldRequest(gate.clone()));
    gate.wait_for_arrivals(1).await;
    simulator.set_expires_in(Some(28_800));
    connected.cluster.kill_node(Node::WorkerOne);
    connected.cluster.kill_node(Node::WorkerTwo);
    connected.cluster.start_node(Node::WorkerTwo);
    let simulator = connected.simulator();
    for (app, id) in apps.iter().zip(&ids) {
        app.disconnect_async(id).await;
        assert_eq!(
            app.wait_for_status(id, "revoked").await["atProvider"],
            "revoked",
            "what it had was revoked"
        );
    }
    assert!(simulator.valid_access_tokens().is_empty());
    let uses = simulator.refresh_token_uses();
    assert!(uses.values().all(|uses| *uses == 1), "{uses:?}");
    assert_eq!((simulator.token_reuse_count(), simulator.requests_to(Endpoint::Exchange).len()), (0, 5));
    gate.open();
    let events = connected.event_types().await;
    for (kind, count) in [("connection.activated", 5), ("connection.revoked", 5)] {
        assert_eq!(events.iter().filter(|found| *found == kind).count(), count, "{kind}: {events:?}");
    }
}

#[tokio::test]
async fn commands_wait_while_no_worker_runs() {
    let mut connected = ConnectedCluster::start(ProviderProfile::default()).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    let id = app.connect().await;
    connected.cluster.kill_node(Node::WorkerOne);
    let begun = app.begin_connection().await;
    let authorize_body = AppClient::authorize_body(&app.give_consent(&begun).await).to_string();
    let request = app.request("POST", &format!("/v1/connections/{}/authorize", begun.id), authorize_body);
    let answer = request.header("prefer", "wait=1").send(&app.ingest_url).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("pending")), "{answer:?}");
    let request = app.request("DELETE", &format!("/v1/connections/{id}"), "").header("prefer", "wait=1");
    let answer = request.send(&app.ingest_url).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("revoking")), "{answer:?}");
    // Begun and given up before anybody has seen it.
    let unseen = app.begin_connection().await;
    app.authorize_async(&unseen).await;
    app.disconnect_async(&unseen.id).await;
    assert_eq!(connected.simulator().requests_to(Endpoint::Exchange).len(), 1);

    connected.cluster.start_node(Node::WorkerOne);
    app.wait_for_status(&begun.id, "active").await;
    app.wait_for_status(&id, "revoked").await;
    app.wait_for_status(&unseen.id, "revoked").await;
    let simulator = connected.simulator();
    assert_eq!((simulator.valid_access_tokens().len(), simulator.token_reuse_count()), (1, 0));
    app.disconnect_now(&begun.id).await;
    assert!(simulator.valid_access_tokens().is_empty());
}

#[tokio::test]
async fn broker_restart_loses_no_connection_state() {
    let mut connected = ConnectedCluster::start(ProviderProfile::default()).await;
    let authority = connected.providers.authority.clone();
    let (app, other) = (connected.app(&authority, "ana"), connected.app(&authority, "ben"));
    let id = app.connect().await;
    let begun = other.begin_connection().await;
    let authorize_body = AppClient::authorize_body(&other.give_consent(&begun).await);
    connected.cluster.kill_broker().await;
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    for refused in [
        app.post("/v1/connections", &body).await,
        other.authorize(&begun.id, &authorize_body).await,
        app.disconnect(&id).await,
        app.request_reauth(&id).await,
    ] {
        assert_eq!(refused.status, 503, "{refused:?}");
        assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
        refused.problem_code();
    }
    connected.cluster.start_broker().await;
    let answer = wait_until("the same state is taken", async || {
        Some(other.authorize(&begun.id, &authorize_body).await).filter(|answer| answer.status != 503)
    })
    .await;
    assert!([200, 202].contains(&answer.status), "{answer:?}");
    other.wait_for_status(&begun.id, "active").await;
    let simulator = connected.simulator();
    assert_eq!((simulator.requests_to(Endpoint::Exchange).len(), simulator.token_reuse_count()), (2, 0));
    app.disconnect_now(&id).await;
    assert_eq!(simulator.valid_access_tokens().len(), 1);
}

/// The provider has answered and the answer can't be stored: the worker holds on to it.
#[tokio::test]
async fn tokens_received_during_broker_outage_are_kept() {
    let mut connected =
        ConnectedCluster::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() }).await;
    let authority = connected.providers.authority.clone();
    let (app, other) = (connected.app(&authority, "ana"), connected.app(&authority, "ben"));
    let (refresh, exchange) = (Gate::closed(), Gate::closed());
    let simulator = connected.simulator();
    simulator.inject_fault(Endpoint::Refresh, 1, Fault::HoldResponse(refresh.clone()));
    let id = app.connect().await;
    refresh.wait_for_arrivals(1).await;
    simulator.set_expires_in(Some(28_800));
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::HoldResponse(exchange.clone()));
    let begun = other.begin_connection().await;
    other.authorize_async(&begun).await;
    exchange.wait_for_arrivals(1).await;
    connected.cluster.kill_broker().await;
    refresh.open();
    exchange.open();
    connected.cluster.start_broker().await;
    connected.cluster.wait_until_ready().await;
    other.wait_for_status(&begun.id, "active").await;
    let simulator = connected.simulator();
    for (app, id) in [(&app, &id), (&other, &begun.id)] {
        assert_eq!(app.read_connection(id).await["status"], "active");
        wait_until("it is given up", async || (app.disconnect(id).await.status == 204).then_some(())).await;
        assert_eq!(app.read_connection(id).await["atProvider"], "revoked");
    }
    assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    assert_eq!(simulator.token_reuse_count(), 0);
    assert!(!connected.event_types().await.contains(&"connection.reauth_needed".to_owned()));
}
