//! kill -9 of the worker at the worst of times: the connection ends in a true status, no code or single-use token is used
//! twice, and what the worker has is not lost.

use super::{AppClient, ConnectedCluster};
use crate::harness::Node;
use crate::harness::provider::{Endpoint, Fault, Gate, ProviderProfile, RefreshPolicy, RevocationKind};

type HoldFault = fn(Gate) -> Fault;
/// Before the provider acted, and after.
const HOLD_REQUEST_AND_RESPONSE: [HoldFault; 2] = [Fault::HoldRequest, Fault::HoldResponse];

impl ConnectedCluster {
    /// Kills the worker while the provider has its request, and starts it again.
    async fn kill_worker_at_gate(&mut self, gate: &Gate) {
        gate.wait_for_arrivals(1).await;
        self.cluster.kill_node(Node::WorkerOne);
        self.cluster.start_node(Node::WorkerOne);
        self.cluster.wait_until_ready().await;
    }
}

#[tokio::test]
async fn kill_during_exchange_needs_reauth() {
    let mut connected = ConnectedCluster::start(ProviderProfile::default()).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    let mut held = Vec::new();
    for (number, hold) in HOLD_REQUEST_AND_RESPONSE.into_iter().enumerate() {
        let gate = Gate::closed();
        connected.simulator().inject_fault(Endpoint::Exchange, 1, hold(gate.clone()));
        let begun = app.begin_connection().await;
        app.authorize_async(&begun).await;
        connected.kill_worker_at_gate(&gate).await;
        app.wait_for_reauth(&begun.id, "exchange_unknown").await;
        let simulator = connected.simulator();
        assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2 * number + 1, "the code went once");
        app.reauthorize(&begun.id).await;
        app.disconnect_now(&begun.id).await;
        assert_eq!(app.read_connection(&begun.id).await["atProvider"], "revoked");
        assert_eq!(
            (simulator.valid_refresh_tokens().len(), simulator.token_reuse_count()),
            (number, 0),
            "but for a lost answer's"
        );
        held.push(gate);
    }
    held.iter().for_each(Gate::open);
}

#[tokio::test]
async fn kill_during_single_use_refresh_needs_reauth() {
    let mut connected =
        ConnectedCluster::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() }).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    for hold in HOLD_REQUEST_AND_RESPONSE {
        let gate = Gate::closed();
        connected.simulator().inject_fault(Endpoint::Refresh, 1, hold(gate.clone()));
        let id = app.connect().await;
        connected.kill_worker_at_gate(&gate).await;
        app.wait_for_reauth(&id, "refresh_unknown").await;
        let simulator = connected.simulator();
        app.disconnect_now(&id).await;
        assert_eq!(app.read_connection(&id).await["atProvider"], "revoked");
        assert!(simulator.valid_access_tokens().is_empty(), "what the worker had was revoked");
        assert!(simulator.valid_refresh_tokens().is_empty());
        gate.open();
    }
    let uses = connected.simulator().refresh_token_uses();
    assert!(uses.values().all(|uses| *uses == 1) && uses.len() == 2, "{uses:?}");
    assert_eq!(connected.simulator().token_reuse_count(), 0);
}

#[tokio::test]
async fn kill_during_reusable_refresh_is_retried() {
    let variant =
        ProviderProfile { expires_in: Some(1), refresh: RefreshPolicy::Keeps, ..ProviderProfile::default() };
    let mut connected = ConnectedCluster::start(variant).await;
    let authority = connected.providers.authority.clone();
    for (number, hold) in HOLD_REQUEST_AND_RESPONSE.into_iter().enumerate() {
        let app = connected.app(&authority, &format!("user-{number}"));
        connected.simulator().set_expires_in(Some(1));
        let gate = Gate::closed();
        connected.simulator().inject_fault(Endpoint::Refresh, 1, hold(gate.clone()));
        let id = app.connect().await;
        gate.wait_for_arrivals(1).await;
        let asked = connected.simulator().requests_to(Endpoint::Refresh).len();
        connected.simulator().set_expires_in(Some(28_800));
        connected.kill_worker_at_gate(&gate).await;
        connected.simulator().wait_for_requests(Endpoint::Refresh, asked + 1).await;
        assert_eq!(app.read_connection(&id).await["status"], "active", "nothing was lost by asking again");
        gate.open();
        app.disconnect_now(&id).await;
        assert!(connected.simulator().valid_access_tokens().is_empty());
    }
    let events = connected.event_types().await;
    assert!(!events.contains(&"connection.reauth_needed".to_owned()), "{events:?}");
}

#[tokio::test]
async fn kill_during_revocation_is_retried() {
    let mut connected = ConnectedCluster::start(ProviderProfile::default()).await;
    revoke_and_kill(&mut connected).await;
    let simulator = connected.simulator();
    assert_eq!(simulator.token_reuse_count(), 0);
    assert!(simulator.requests_to(Endpoint::Revoke).len() >= 4, "each was asked for again");
}

/// A token that is gone can't ask for its end a second time, and is answered with 401.
#[tokio::test]
async fn kill_during_revocation_by_access_token_is_retried() {
    let variant =
        ProviderProfile { revocation: Some(RevocationKind::DeleteBearer), ..ProviderProfile::default() };
    revoke_and_kill(&mut ConnectedCluster::start(variant).await).await;
}

async fn revoke_and_kill(connected: &mut ConnectedCluster) {
    let authority = connected.providers.authority.clone();
    let app: AppClient<'_> = connected.app(&authority, "ana");
    for hold in HOLD_REQUEST_AND_RESPONSE {
        let id = app.connect().await;
        let gate = Gate::closed();
        connected.simulator().inject_fault(Endpoint::Revoke, 1, hold(gate.clone()));
        app.disconnect_async(&id).await;
        connected.kill_worker_at_gate(&gate).await;
        let revoked = app.wait_for_status(&id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{revoked}");
        let simulator = connected.simulator();
        assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
        gate.open();
    }
    let revoked =
        connected.event_types().await.into_iter().filter(|kind| kind == "connection.revoked").count();
    assert_eq!(revoked, 2, "told once each");
}
