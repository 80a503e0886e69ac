//! The end of a connection: at the provider, and here.

use serde_json::{Value, json};

use super::{AppClient, ConnectedSystem, PendingConnection};
use crate::harness::provider::{
    Endpoint, Fault, Gate, ProviderProfile, ProviderSimulator, RevocationKind, UserIdSource,
};

fn assert_no_valid_tokens(simulator: &ProviderSimulator) {
    assert_eq!((simulator.valid_access_tokens(), simulator.valid_refresh_tokens()), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn every_revocation_method_invalidates_all_tokens() {
    let forms = [
        ("post_token", RevocationKind::PostToken),
        ("token_alone", RevocationKind::PostTokenAlone),
        ("post_form", RevocationKind::PostForm),
        ("post_query", RevocationKind::PostQuery),
        ("bearer", RevocationKind::DeleteBearer),
        ("user", RevocationKind::DeleteUser),
    ];
    let variant = |(name, form): (&str, _)| ProviderProfile {
        name: name.to_owned(),
        revocation: Some(form),
        user_id: if form == RevocationKind::DeleteUser {
            UserIdSource::AtMe
        } else {
            UserIdSource::InTokenResponse
        },
        ..ProviderProfile::default()
    };
    let connected = ConnectedSystem::start_with_providers(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        let app = connected.app_at(number, "ana");
        // A user who is a number, as some are.
        simulator.set_signed_in_user(475);
        let id = app.connect().await;
        assert_eq!(simulator.valid_access_tokens().len(), 1);
        app.disconnect_now(&id).await;
        assert_no_valid_tokens(simulator);
        let revoked = app.read_connection(&id).await;
        assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!("revoked")));
        for asked in simulator.requests_to(Endpoint::Revoke) {
            let is_secret_told = asked.contains(simulator.client_secret());
            assert_eq!(is_secret_told, simulator.name() == "post_token", "only who must know us hears it");
        }
    }
}

#[tokio::test]
async fn failed_revocation_is_retried_until_done() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for misbehaviour in [Fault::HttpStatus(500), Fault::RetryAfter(429, 1), Fault::CloseConnection] {
        simulator.inject_fault(Endpoint::Revoke, 1, misbehaviour);
    }
    let id = app.connect().await;
    app.disconnect_async(&id).await;
    assert_eq!(app.read_connection(&id).await["atProvider"], Value::Null);
    assert!(!simulator.valid_access_tokens().is_empty());
    let revoked = app.wait_for_status(&id, "revoked").await;
    assert_eq!(revoked["atProvider"], "revoked");
    assert_no_valid_tokens(simulator);
    assert!(simulator.requests_to(Endpoint::Revoke).len() >= 4);
}

#[tokio::test]
async fn lost_response_is_retried() {
    let forms = [("post_token", RevocationKind::PostToken), ("bearer", RevocationKind::DeleteBearer)];
    let variant = |(name, form): (&str, _)| ProviderProfile {
        name: name.to_owned(),
        revocation: Some(form),
        ..ProviderProfile::default()
    };
    let connected = ConnectedSystem::start_with_providers(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        for misbehaviour in [Fault::CloseAfterProcessing, Fault::HttpStatusAfterProcessing(502)] {
            let app = connected.app_at(number, "ana");
            let id = app.connect().await;
            simulator.inject_fault(Endpoint::Revoke, 1, misbehaviour);
            app.disconnect_async(&id).await;
            let revoked = app.wait_for_status(&id, "revoked").await;
            assert_eq!(revoked["atProvider"], "revoked", "{}", simulator.name());
            assert_no_valid_tokens(simulator);
        }
    }
}

#[tokio::test]
async fn revoked_connection_stays_revoked() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let id = app.connect().await;
    let again = PendingConnection::from_response(&app.request_reauth(&id).await);
    let authorize_body = AppClient::authorize_body(&app.give_consent(&again).await);
    let gate = Gate::closed();
    simulator.inject_fault(Endpoint::Revoke, 1, Fault::HoldRequest(gate.clone()));
    app.disconnect_async(&id).await;
    gate.wait_for_arrivals(1).await;
    let conflicts = async |status: &str| {
        assert_eq!(app.read_connection(&id).await["status"], status);
        for answer in [app.authorize(&id, &authorize_body).await, app.request_reauth(&id).await] {
            assert_eq!((answer.status, answer.problem_code().as_str()), (409, "wrong_status"), "{status}");
        }
    };
    conflicts("revoking").await;
    // Asked again meanwhile, it waits, and tells how it stands.
    let request = app.request("DELETE", &format!("/v1/connections/{id}"), "");
    let answer = request.clone().header("prefer", "wait=0").send(&app.ingest_url).await;
    assert_eq!((answer.status, &answer.json()["status"]), (202, &json!("revoking")), "{answer:?}");
    assert_eq!(answer.headers["location"], format!("/v1/connections/{id}"));
    let (answer, ()) = tokio::join!(request.send(&app.ingest_url), async { gate.open() });
    assert_eq!(answer.status, 204, "{answer:?}");
    conflicts("revoked").await;
    app.disconnect_now(&id).await;
    assert_no_valid_tokens(simulator);
    assert_eq!(
        simulator.requests_to(Endpoint::Exchange).len(),
        1,
        "the code that came too late went nowhere"
    );
    let asked = connected.event_types().await;
    assert_eq!(asked.iter().filter(|kind| *kind == "connection.revocation_requested").count(), 1);
    assert_eq!(asked.iter().filter(|kind| *kind == "connection.revoked").count(), 1);
    // The same provider once more is another connection.
    assert_ne!(app.connect().await, id);
}

/// What the worker has of a pair whose refresh was lost is revoked too.
#[tokio::test]
async fn connection_needing_reauth_can_be_disconnected() {
    let connected =
        ConnectedSystem::start(ProviderProfile { expires_in: Some(1), ..ProviderProfile::default() });
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for misbehaviour in
        [Fault::HttpStatus(500), Fault::HttpStatusAfterProcessing(502), Fault::TruncateResponse]
    {
        simulator.inject_fault(Endpoint::Refresh, 1, misbehaviour);
        let id = app.connect().await;
        app.wait_for_reauth(&id, "refresh_unknown").await;
        assert!(!simulator.valid_access_tokens().is_empty(), "the provider may have given another pair");
        app.disconnect_now(&id).await;
        assert_eq!(app.read_connection(&id).await["atProvider"], "revoked");
        assert_no_valid_tokens(simulator);
    }
    simulator.inject_fault(Endpoint::Exchange, 1, Fault::OAuthError("invalid_grant"));
    let begun = app.begin_connection().await;
    app.complete_authorization(&begun).await;
    let asked = simulator.requests_to(Endpoint::Revoke).len();
    app.disconnect_now(&begun.id).await;
    assert_eq!(app.read_connection(&begun.id).await["atProvider"], "no_tokens");
    assert_eq!(simulator.requests_to(Endpoint::Revoke).len(), asked);
}

/// A code that is being exchanged while the connection is given up: whatever comes of it is revoked.
#[tokio::test]
async fn disconnect_during_exchange_revokes_its_tokens() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    for make in [Fault::HoldRequest as fn(Gate) -> Fault, Fault::HoldResponse] {
        let gate = Gate::closed();
        simulator.inject_fault(Endpoint::Exchange, 1, make(gate.clone()));
        let begun = app.begin_connection().await;
        app.authorize_async(&begun).await;
        gate.wait_for_arrivals(1).await;
        app.disconnect_async(&begun.id).await;
        gate.open();
        let revoked = app.wait_for_status(&begun.id, "revoked").await;
        assert_eq!(revoked["atProvider"], "revoked", "{revoked}");
        assert_no_valid_tokens(simulator);
    }
}

/// An access token that has ended can't ask for its own end: another one is got for that, once, and not by a refresh token
/// that may be used up.
#[tokio::test]
async fn expired_access_token_is_refreshed_for_revocation() {
    let forms = [
        ("post_form", RevocationKind::PostForm),
        ("post_query", RevocationKind::PostQuery),
        ("bearer", RevocationKind::DeleteBearer),
    ];
    let variant = |(name, form): (&str, _)| ProviderProfile {
        name: name.to_owned(),
        revocation: Some(form),
        ..ProviderProfile::default()
    };
    let connected = ConnectedSystem::start_with_providers(forms.map(variant).to_vec());
    for (number, simulator) in connected.providers.simulators.iter().enumerate() {
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        simulator.expire_access_tokens();
        app.disconnect_now(&id).await;
        assert_eq!(app.read_connection(&id).await["atProvider"], "revoked");
        assert_no_valid_tokens(simulator);

        let id = app.connect().await;
        simulator.expire_access_tokens();
        simulator.inject_fault(Endpoint::Refresh, 1, Fault::HttpStatusAfterProcessing(502));
        let asked = simulator.requests_to(Endpoint::Revoke).len();
        app.disconnect_async(&id).await;
        simulator.wait_for_requests(Endpoint::Revoke, asked + 3).await;
        assert_eq!(app.read_connection(&id).await["status"], "revoking", "it is tried for a day");
        let uses: Vec<_> = simulator.refresh_token_uses().into_values().collect();
        assert_eq!((uses, simulator.token_reuse_count()), (vec![1, 1], 0));
    }
}

#[tokio::test]
async fn provider_without_revocation_is_reported() {
    let variant = |name: &str, revocation, user_id| ProviderProfile {
        name: name.to_owned(),
        revocation,
        user_id,
        ..ProviderProfile::default()
    };
    let connected = ConnectedSystem::start_with_providers(vec![
        variant("none", None, UserIdSource::InTokenResponse),
        // Its address names a user whom the provider did not name.
        variant("nameless", Some(RevocationKind::DeleteUser), UserIdSource::Nowhere),
    ]);
    for (number, at_provider) in ["unsupported", "unconfirmed"].into_iter().enumerate() {
        let app = connected.app_at(number, "ana");
        let id = app.connect().await;
        app.disconnect_now(&id).await;
        let revoked = app.read_connection(&id).await;
        assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!(at_provider)));
        assert!(connected.providers.simulators[number].requests_to(Endpoint::Revoke).is_empty());
    }
}
