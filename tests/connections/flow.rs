//! As it should be, from the first request to the last.

use serde_json::{Value, json};

use super::{App, Begun, Connected, REDIRECT_URI};
use crate::harness::RawRequest;
use crate::harness::provider::{Endpoint, UserId, Variant};

#[tokio::test]
async fn a_user_connects_reads_and_disconnects() {
    let connected = Connected::to(Variant::default());
    let (app, simulator) = (connected.app("ana"), connected.simulator());
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    let answer = app.post("/v1/connections", &body).await;
    assert_eq!(
        (answer.status, answer.headers["cache-control"].as_str()),
        (201, "no-store"),
        "whoever has the state can hand in a code: {answer:?}"
    );
    let begun = Begun::of(&answer);
    assert_eq!(answer.headers["location"], format!("/v1/connections/{}", begun.id));
    assert_eq!(begun.id.len(), 26);
    assert!(begun.url.starts_with(&format!("{}/authorize?", simulator.base_url())), "{}", begun.url);
    let pending = app.read(&begun.id).await;
    let fields = |document: &Value| {
        document.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fields(&pending), "connectionId createdAt position provider status");
    assert_eq!((&pending["status"], &pending["position"]), (&json!("pending"), &json!(1)));

    let returned = app.consent(&begun).await;
    assert_eq!((returned.redirect_uri.as_str(), &returned.state), (REDIRECT_URI, &Some(begun.state.clone())));
    let answer = app.authorize(&begun.id, &App::handed_back(&returned)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let active = answer.json();
    assert_eq!(fields(&active), "authorizedAt connectionId createdAt position provider scopes status");
    assert_eq!((&active["status"], &active["provider"]), (&json!("active"), &json!("simulated")));
    assert_eq!(active["scopes"], json!(["activity", "heartrate"]));
    assert_eq!(active["position"], 3, "requested, authorized, activated");
    assert_eq!(app.read(&begun.id).await, active);
    assert_eq!(simulator.access_tokens().len(), 1);
    for document in [&answer.text, &app.get("/v1/connections").await.text] {
        assert!(!simulator.secrets().iter().any(|secret| document.contains(secret)), "{document}");
    }

    let other = app.begin().await;
    let listed = app.get("/v1/connections").await.json();
    let mut ids: Vec<_> =
        listed["connections"].as_array().unwrap().iter().map(|one| one["connectionId"].clone()).collect();
    ids.sort_by_key(Value::to_string);
    let mut expected = [json!(begun.id), json!(other.id)];
    expected.sort_by_key(Value::to_string);
    assert_eq!((ids.as_slice(), &listed["position"]), (expected.as_slice(), &json!(4)));

    app.give_up(&begun.id).await;
    let revoked = app.read(&begun.id).await;
    assert_eq!((&revoked["status"], &revoked["atProvider"]), (&json!("revoked"), &json!("revoked")));
    assert!(revoked["revokedAt"].is_string(), "{revoked}");
    assert!(simulator.access_tokens().is_empty() && simulator.refresh_tokens().is_empty());
    app.give_up(&other.id).await;
    assert_eq!(app.read(&other.id).await["atProvider"], "no_tokens", "nothing had come of it");
    assert_eq!((simulator.reuses(), simulator.requests_to(Endpoint::Exchange).len()), (0, 1));
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
    assert_eq!(connected.events().await, expected);
}

#[tokio::test]
async fn what_the_authorisation_url_says_is_the_tables() {
    let variant = Variant {
        scopes: vec!["a.read", "b.read"],
        scope_separator: ",",
        authorize_parameters: vec![("access_type", "offline"), ("prompt", "consent")],
        token_parameters: vec![("action", "requesttoken")],
        user_id: UserId::AtMe,
        ..Variant::default()
    };
    let connected = Connected::to(variant);
    let app = connected.app("ana");
    // The simulator takes nothing else.
    let id = app.connect().await;
    assert_eq!(app.read(&id).await["scopes"], json!(["a.read", "b.read"]));
    let asked = &connected.simulator().requests_to(Endpoint::Authorize)[0];
    assert_eq!(asked.query.get("scope"), Some("a.read,b.read"));
    assert_eq!(asked.query.get("client_id"), Some(connected.simulator().client_id()));
    assert!(!asked.says(connected.simulator().client_secret()), "it is nothing for a phone to see");
    assert_eq!(connected.simulator().requests_to(Endpoint::Me).len(), 1, "whose tokens these are was asked");
    // An operator's scopes stand in the place of the table's.
    let connected = Connected::with(
        vec![Variant::default()],
        &[("SYNCWELL_PROVIDERS__SIMULATED__SCOPES", "[\"activity\"]")],
    );
    let app = connected.app("ana");
    assert_eq!(app.read(&app.connect().await).await["scopes"], json!(["activity"]));
}

#[tokio::test]
async fn connections_need_a_scope_of_their_own_and_show_nobody_else_s() {
    let connected = Connected::to(Variant::default());
    let (ana, ben) = (connected.app("ana"), connected.app("ben"));
    let id = ana.connect().await;
    let before = connected.events().await;
    let path = format!("/v1/connections/{id}");
    let body = json!({ "provider": "simulated", "redirect_uri": REDIRECT_URI });
    let handed_back = json!({ "code": "c", "state": "s" });
    for (scope, may_read) in [("sync:read", true), ("sync:write", false), ("device:enroll sync:write", false)]
    {
        let mut app = connected.app("ana");
        app.credentials = connected.system.credentials("ana", &["--scope", scope]);
        for refused in [
            app.post("/v1/connections", &body).await,
            app.authorize(&id, &handed_back).await,
            app.reauth(&id).await,
            app.disconnect(&id).await,
        ] {
            assert_eq!((refused.status, refused.problem().as_str()), (403, "insufficient_scope"), "{scope}");
        }
        for read in [app.get("/v1/connections").await, app.get(&path).await] {
            assert_eq!(read.status, if may_read { 200 } else { 403 }, "{scope}: {read:?}");
        }
    }
    let unsigned = |request: RawRequest| request.without("authorization");
    for request in
        [ana.request("POST", "/v1/connections", body.to_string()), ana.request("DELETE", &path, "")]
    {
        assert_eq!(unsigned(request).send(&ana.door).await.problem(), "invalid_token");
    }

    let managing = connected.system.credentials("ana", &["--scope", "account:manage"]);
    let read = RawRequest::get(&managing, &path).send(&ana.view).await;
    assert_eq!(read.status, 200, "who may change may read: {read:?}");

    for id in [id.as_str(), "nonsense", &"a".repeat(26), "%ff", &id.to_uppercase()] {
        for answer in [
            ben.get(&format!("/v1/connections/{id}")).await,
            ben.disconnect(id).await,
            ben.reauth(id).await,
            ben.authorize(id, &handed_back).await,
        ] {
            assert_eq!((answer.status, answer.problem().as_str()), (404, "not_found"), "{id}");
        }
    }
    assert_eq!(ben.get("/v1/connections").await.json()["connections"], json!([]));
    assert_eq!(connected.events().await, before, "nothing was appended");
    assert_eq!(ana.read(&id).await["status"], "active");
}
