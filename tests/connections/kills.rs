//! kill -9 of the worker at the worst of times: the connection ends in a true status, no code or single-use token is used
//! twice, and what the worker has is not lost.

use super::{App, ConnectedCluster};
use crate::harness::Part;
use crate::harness::provider::{Endpoint, Gate, Misbehaviour, Refresh, Revocation, Variant};

type Holds = fn(Gate) -> Misbehaviour;
/// Before the provider acted, and after.
const BOTH: [Holds; 2] = [Misbehaviour::Hold, Misbehaviour::HoldAfter];

impl ConnectedCluster {
    /// Kills the worker while the provider has its request, and starts it again.
    async fn kill_while(&mut self, gate: &Gate) {
        gate.reached(1).await;
        self.cluster.kill_part(Part::WorkerOne);
        self.cluster.start_part(Part::WorkerOne);
        self.cluster.ready().await;
    }
}

#[tokio::test]
async fn in_the_middle_of_an_exchange() {
    let mut connected = ConnectedCluster::to(Variant::default()).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    let mut held = Vec::new();
    for (number, hold) in BOTH.into_iter().enumerate() {
        let gate = Gate::closed();
        connected.simulator().misbehave(Endpoint::Exchange, 1, hold(gate.clone()));
        let begun = app.begin().await;
        app.agree_and_go(&begun).await;
        connected.kill_while(&gate).await;
        app.needs_reauth(&begun.id, "exchange_unknown").await;
        let simulator = connected.simulator();
        assert_eq!(simulator.requests_to(Endpoint::Exchange).len(), 2 * number + 1, "the code went once");
        app.agree_again(&begun.id).await;
        app.give_up(&begun.id).await;
        assert_eq!(app.read(&begun.id).await["atProvider"], "revoked");
        assert_eq!(
            (simulator.refresh_tokens().len(), simulator.reuses()),
            (number, 0),
            "but for a lost answer's"
        );
        held.push(gate);
    }
    held.iter().for_each(Gate::open);
}

#[tokio::test]
async fn in_the_middle_of_a_refresh_with_a_single_use_token() {
    let mut connected = ConnectedCluster::to(Variant { expires_in: Some(1), ..Variant::default() }).await;
    let authority = connected.providers.authority.clone();
    let app = connected.app(&authority, "ana");
    for hold in BOTH {
        let gate = Gate::closed();
        connected.simulator().misbehave(Endpoint::Refresh, 1, hold(gate.clone()));
        let id = app.connect().await;
        connected.kill_while(&gate).await;
        app.needs_reauth(&id, "refresh_unknown").await;
        let simulator = connected.simulator();
        app.give_up(&id).await;
        assert_eq!(app.read(&id).await["atProvider"], "revoked");
        assert!(simulator.access_tokens().is_empty(), "what the worker had was revoked");
        assert!(simulator.refresh_tokens().is_empty());
        gate.open();
    }
    let uses = connected.simulator().refresh_uses();
    assert!(uses.values().all(|uses| *uses == 1) && uses.len() == 2, "{uses:?}");
    assert_eq!(connected.simulator().reuses(), 0);
}

#[tokio::test]
async fn in_the_middle_of_a_refresh_with_a_token_that_stays_good() {
    let variant = Variant { expires_in: Some(1), refresh: Refresh::Keeps, ..Variant::default() };
    let mut connected = ConnectedCluster::to(variant).await;
    let authority = connected.providers.authority.clone();
    for (number, hold) in BOTH.into_iter().enumerate() {
        let app = connected.app(&authority, &format!("user-{number}"));
        connected.simulator().set_expires_in(Some(1));
        let gate = Gate::closed();
        connected.simulator().misbehave(Endpoint::Refresh, 1, hold(gate.clone()));
        let id = app.connect().await;
        gate.reached(1).await;
        let asked = connected.simulator().requests_to(Endpoint::Refresh).len();
        connected.simulator().set_expires_in(Some(28_800));
        connected.kill_while(&gate).await;
        connected.simulator().requested(Endpoint::Refresh, asked + 1).await;
        assert_eq!(app.read(&id).await["status"], "active", "nothing was lost by asking again");
        gate.open();
        app.give_up(&id).await;
        assert!(connected.simulator().access_tokens().is_empty());
    }
    let events = connected.events().await;
    assert!(!events.contains(&"connection.reauth_needed".to_owned()), "{events:?}");
}

#[tokio::test]
async fn in_the_middle_of_a_revocation() {
    let mut connected = ConnectedCluster::to(Variant::default()).await;
    revoke_and_kill(&mut connected).await;
    let simulator = connected.simulator();
    assert_eq!(simulator.reuses(), 0);
    assert!(simulator.requests_to(Endpoint::Revoke).len() >= 4, "each was asked for again");
}

/// A token that is gone can't ask for its end a second time, and is answered with 401.
#[tokio::test]
async fn in_the_middle_of_a_revocation_by_the_access_token() {
    let variant = Variant { revocation: Some(Revocation::DeleteBearer), ..Variant::default() };
    revoke_and_kill(&mut ConnectedCluster::to(variant).await).await;
}

async fn revoke_and_kill(connected: &mut ConnectedCluster) {
    let authority = connected.providers.authority.clone();
    let app: App<'_> = connected.app(&authority, "ana");
    for hold in BOTH {
        let id = app.connect().await;
        let gate = Gate::closed();
        connected.simulator().misbehave(Endpoint::Revoke, 1, hold(gate.clone()));
        app.disconnect_and_go(&id).await;
        connected.kill_while(&gate).await;
        let revoked = app.becomes(&id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{revoked}");
        let simulator = connected.simulator();
        assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
        gate.open();
    }
    let revoked = connected.events().await.into_iter().filter(|kind| kind == "connection.revoked").count();
    assert_eq!(revoked, 2, "told once each");
}
