//! As it should be, from the first request to the last.

use serde_json::{Value, json};

use super::{AppClient, ConnectedSystem, PendingConnection, REDIRECT_URI};
use crate::harness::RawRequest;
use crate::harness::provider::{Endpoint, ProviderProfile, UserIdSource};

#[tokio::test]
async fn user_connects_reads_and_disconnects() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    let answer = app.post("/v1/connections", &body).await;
    assert_eq!(
        (answer.status, answer.headers["cache-control"].as_str()),
        (201, "no-store"),
        "whoever has the state can hand in a code: {answer:?}"
    );
    let begun = PendingConnection::from_response(&answer);
    assert_eq!(answer.headers["location"], format!("/v1/connections/{}", begun.id));
    assert_eq!(begun.id.len(), 26);
    assert!(begun.url.starts_with(&format!("{}/authorize?", simulator.base_url())), "{}", begun.url);
    let pending = app.read_connection(&begun.id).await;
    let fields = |document: &Value| {
        document.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fields(&pending), "connectionId createdAt position provider status");
    assert_eq!((&pending["status"], &pending["position"]), (&json!("pending"), &json!(1)));

    let returned = app.give_consent(&begun).await;
    assert_eq!((returned.redirect_uri.as_str(), &returned.state), (REDIRECT_URI, &Some(begun.state.clone())));
    let answer = app.authorize(&begun.id, &AppClient::authorize_body(&returned)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let active = answer.json();
    assert_eq!(fields(&active), "authorizedAt connectionId createdAt position provider scopes status");
    assert_eq!((&active["status"], &active["provider"]), (&json!("active"), &json!("simulated")));
    assert_eq!(active["scopes"], json!(["activity", "heartrate"]));
    assert_eq!(active["position"], 3, "requested, authorized, activated");
    assert_eq!(app.read_connection(&begun.id).await, active);
    assert_eq!(simulator.valid_access_tokens().len(), 1);
    for document in [&answer.body_text, &app.get("/v1/connections").await.body_text] {
        assert!(!simulator.issued_secrets().iter().any(|secret| document.contains(secret)), "{document}");
    }

    let other = app.begin_connection().await;
    let listed = app.get("/v1/connections").await.json();
    let mut ids: Vec<_> =
        listed["connections"].as_array().unwrap().iter().map(|one| one["connectionId"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    let mut expected = [json!(begun.id), json!(other.id)];
    expected.sort_by_key(Value::to_string);
    assert_eq!((ids.as_slice(), &listed["position"]), (expected.as_slice(), &json!(4)));

    app.disconnect_now(&begun.id).await;
    let revoked = app.read_connection(&begun.id).await;
    assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!("revoked")));
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
    assert!(simulator.valid_access_tokens().is_empty() && simulator.valid_refresh_tokens().is_empty());
    app.disconnect_now(&other.id).await;
    assert_eq!(app.read_connection(&other.id).await["atProvider"], "no_tokens", "nothing had come of it");
    assert_eq!((simulator.token_reuse_count(), simulator.requests_to(Endpoint::Exchange).len()), (0, 1));
    let expected = [
        "connection.requested",
        "connection.authorized",
        "connection.activated",
        "connection.requested",
        "connection.revocation_requested",
        "connection.revoked",
        "connection.revocation_requested",
        "connection.revoked",
    ];
    assert_eq!(connected.event_types().await, expected);
}

#[tokio::test]
async fn authorization_url_follows_the_provider_table() {
    let variant = ProviderProfile {
        scopes: vec!["a.read", "b.read"],
        scope_separator: ",",
        authorize_parameters: vec![("access_type", "offline"), ("prompt", "consent")],
        token_parameters: vec![("action", "requesttoken")],
        user_id: UserIdSource::AtMe,
        ..ProviderProfile::default()
    };
    let connected = ConnectedSystem::start(variant);
    let app = connected.app("ana");
    // The simulator takes nothing else.
    let id = app.connect().await;
    assert_eq!(app.read_connection(&id).await["scopes"], json!(["a.read", "b.read"]));
    let asked = &connected.simulator().requests_to(Endpoint::Authorize)[0];
    assert_eq!(asked.query.get("scope"), Some("a.read,b.read"));
    assert_eq!(asked.query.get("client_id"), Some(connected.simulator().client_id()));
    assert!(!asked.contains(connected.simulator().client_secret()), "it is nothing for a phone to see");
    assert_eq!(connected.simulator().requests_to(Endpoint::Me).len(), 1, "whose tokens these are was asked");
    // An operator's scopes stand in the place of the table's.
    let connected = ConnectedSystem::start_with_env(
        vec![ProviderProfile::default()],
        &[("SYNCWELL_PROVIDERS__SIMULATED__SCOPES", "[\"activity\"]")],
    );
    let app = connected.app("ana");
    assert_eq!(app.read_connection(&app.connect().await).await["scopes"], json!(["activity"]));
}

#[tokio::test]
async fn connections_require_a_scope_and_are_per_user() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let id = ana.connect().await;
    let before = connected.event_types().await;
    let path = format!("/v1/connections/{id}");
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    let authorize_body = json!({ "code": "c", "state": "s" });
    for (scope, may_read) in [("sync:read", true), ("sync:write", false), ("device:enroll sync:write", false)]
    {
        let mut app = connected.app("ana");
        app.credentials = connected.system.credentials("ana", &["--scope", scope]);
        for refused in [
            app.post("/v1/connections", &body).await,
            app.authorize(&id, &authorize_body).await,
            app.request_reauth(&id).await,
            app.disconnect(&id).await,
        ] {
            assert_eq!(
                (refused.status, refused.problem_code().as_str()),
                (403, "insufficient_scope"),
                "{scope}"
            );
        }
        for read in [app.get("/v1/connections").await, app.get(&path).await] {
            assert_eq!(read.status, if may_read { 200 } else { 403 }, "{scope}: {read:?}");
        }
    }
    let unsigned = |request: RawRequest| request.without_header("authorization");
    for request in
        [ana.request("POST", "/v1/connections", body.to_string()), ana.request("DELETE", &path, "")]
    {
        assert_eq!(unsigned(request).send(&ana.ingest_url).await.problem_code(), "invalid_token");
    }

    let managing = connected.system.credentials("ana", &["--scope", "account:manage"]);
    let read = RawRequest::get(&managing, &path).send(&ana.projector_url).await;
    assert_eq!(read.status, 200, "who may change may read: {read:?}");

    for id in [id.as_str(), "nonsense", &"a".repeat(26), "%ff", &id.to_uppercase()] {
        for answer in [
            ben.get(&format!("/v1/connections/{id}")).await,
            ben.disconnect(id).await,
            ben.request_reauth(id).await,
            ben.authorize(id, &authorize_body).await,
        ] {
            assert_eq!((answer.status, answer.problem_code().as_str()), (404, "not_found"), "{id}");
        }
    }
    assert_eq!(ben.get("/v1/connections").await.json()["connections"], json!([]));
    assert_eq!(connected.event_types().await, before, "nothing was appended");
    assert_eq!(ana.read_connection(&id).await["status"], "active");
}
