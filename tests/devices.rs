//! A signing key for every device, and none for one that was revoked.

use client::{Credentials, PhoneSigningKey, sign};
use serde_json::{Value, json};

use crate::harness::{Cluster, Node, RawRequest, RawResponse, System, now, summary, wait_until};

fn enroll_request(credentials: &Credentials, body: &str) -> RawRequest {
    let mut request = RawRequest::get(credentials, "/v1/devices");
    request.method = "POST";
    request.body = body.as_bytes().to_vec();
    request
}

fn delete_request(credentials: &Credentials, device: &str) -> RawRequest {
    let mut request = RawRequest::get(credentials, &format!("/v1/devices/{device}"));
    request.method = "DELETE";
    request
}

/// A post signed with a device's key, by a token of its user.
fn post_request(credentials: &Credentials, device: &Value, body: String) -> RawRequest {
    let key = PhoneSigningKey::from_hex(device["signing_key_hex"].as_str().unwrap()).unwrap();
    let signed = sign(&key, now().as_millisecond().to_string(), body.clone());
    RawRequest::post(credentials, body)
        .header("x-sync-timestamp", signed.timestamp)
        .header("x-sync-signature", signed.signature)
        .header("x-sync-key-id", device["key_id"].as_str().unwrap())
}

/// The request for a device's next key, signed with the one that it has.
fn renew_request(credentials: &Credentials, device: &Value) -> RawRequest {
    let mut request =
        post_request(credentials, device, json!({ "device_id": device["device_id"] }).to_string());
    request.path = "/v1/devices".to_owned();
    request
}

const SCOPES: [&str; 2] = ["--scope", "sync:write sync:read device:enroll"];

#[tokio::test]
async fn device_key_signs_until_revoked() {
    let system = System::start();
    let credentials = system.credentials("ana", &SCOPES);
    let send = async |request: RawRequest| request.send(&system.base_url).await;
    let enrolled = send(enroll_request(&credentials, "")).await;
    assert_eq!(
        (enrolled.status, enrolled.headers["cache-control"].as_str()),
        (201, "no-store"),
        "{enrolled:?}"
    );
    let device = enrolled.json();
    let id = device["device_id"].as_str().unwrap();
    assert_eq!(device["key_id"], format!("1.{id}"));
    assert_ne!(device["signing_key_hex"], credentials.signing_key_hex.as_str());
    let other = send(enroll_request(&credentials, "{}")).await.json();
    assert_ne!(other["device_id"], device["device_id"]);

    let posted = send(post_request(&credentials, &device, summary("20:00:00", r#""steps":1"#))).await;
    assert_eq!(posted.status, 201, "{posted:?}");
    // Neither the other device's key nor the default key is this one.
    let mut mixed = other.clone();
    mixed["key_id"] = device["key_id"].clone();
    assert_eq!(
        send(post_request(&credentials, &mixed, summary("20:00:01", r#""steps":2"#))).await.problem_code(),
        "invalid_signature"
    );
    assert_eq!(
        send(
            RawRequest::post(&credentials, summary("20:00:01", r#""steps":2"#))
                .header("x-sync-key-id", device["key_id"].as_str().unwrap())
        )
        .await
        .problem_code(),
        "invalid_signature"
    );
    assert_eq!(
        send(RawRequest::post(&credentials, summary("20:00:01", r#""steps":2"#))).await.status,
        200,
        "without a key id it is the default key, as before"
    );

    let shown = send(RawRequest::get(&credentials, &format!("/v1/devices/{id}"))).await;
    assert_eq!(shown.status, 200, "{shown:?}");
    assert_eq!((&shown.json()["key_id"], &shown.json()["revoked_at"]), (&device["key_id"], &Value::Null));
    assert!(!shown.body_text.contains("signing_key"), "shown once");
    let listed = send(RawRequest::get(&credentials, "/v1/devices")).await.json();
    assert_eq!(listed["devices"].as_array().unwrap().len(), 2);

    assert_eq!(send(delete_request(&credentials, id)).await.status, 204);
    assert_eq!(send(delete_request(&credentials, id)).await.status, 204, "again is as good as once");
    assert!(
        send(RawRequest::get(&credentials, &format!("/v1/devices/{id}"))).await.json()["revoked_at"]
            .is_string()
    );
    let refused = send(post_request(&credentials, &device, summary("20:00:02", r#""steps":3"#))).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (401, "key_revoked"));
    let renewal = send(renew_request(&credentials, &device)).await;
    assert_eq!(renewal.problem_code(), "key_revoked", "revoked is for good");
    assert_eq!(
        send(post_request(&credentials, &other, summary("20:00:03", r#""steps":4"#))).await.status,
        200,
        "the other device goes on"
    );
}

#[tokio::test]
async fn foreign_devices_and_invalid_bodies_are_refused() {
    let system = System::start();
    let (ana, ben) = (system.credentials("ana", &SCOPES), system.credentials("ben", &SCOPES));
    let send = async |request: RawRequest| request.send(&system.base_url).await;
    let device = send(enroll_request(&ana, "")).await.json();
    let id = device["device_id"].as_str().unwrap();
    for answer in [
        send(delete_request(&ben, id)).await,
        send(RawRequest::get(&ben, &format!("/v1/devices/{id}"))).await,
        send(enroll_request(&ben, &json!({ "device_id": id }).to_string())).await,
        send(delete_request(&ana, "nonsense")).await,
        send(delete_request(&ana, &"a".repeat(26))).await,
        send(RawRequest::get(&ana, "/v1/devices/%ff")).await,
    ] {
        assert_eq!((answer.status, answer.problem_code().as_str()), (404, "not_found"));
    }
    assert_eq!(
        send(post_request(&ben, &device, summary("20:00:00", r#""steps":1"#))).await.problem_code(),
        "invalid_signature"
    );
    for (body, code) in [
        ("{", "invalid_json"),
        (r#"{"name":"#, "invalid_json"),
        ("[]", "invalid_request"),
        ("[null]", "invalid_request"),
        (r#"{"device_id":7}"#, "invalid_request"),
        (r#"{"name":"phone"}"#, "invalid_request"),
        (&format!(r#"{{"device_id":"{}"}}"#, "a".repeat(2_000)), "body_too_large"),
    ] {
        assert_eq!(send(enroll_request(&ana, body)).await.problem_code(), code, "{body}");
    }
    let without = system.credentials("ana", &["--scope", "sync:write sync:read"]);
    for answer in [send(enroll_request(&without, "")).await, send(delete_request(&without, id)).await] {
        assert_eq!(answer.problem_code(), "insufficient_scope");
    }
    // A key is shown once, whoever asks.
    let again = send(enroll_request(&ana, &json!({ "device_id": id }).to_string())).await;
    assert_eq!((again.status, again.problem_code().as_str()), (400, "invalid_header"), "it must be signed");
    let again = send(renew_request(&ana, &device)).await;
    assert_eq!(
        (again.status, again.problem_code().as_str()),
        (422, "invalid_request"),
        "there is no newer key"
    );
    let mut other = send(enroll_request(&ana, "")).await.json();
    other["device_id"] = device["device_id"].clone();
    assert_eq!(
        send(renew_request(&ana, &other)).await.problem_code(),
        "invalid_signature",
        "by its own key alone"
    );
}

#[tokio::test]
async fn device_bound_token_requires_that_devices_key() {
    let system = System::start();
    let plain = system.credentials("ana", &SCOPES);
    let send = async |request: RawRequest| request.send(&system.base_url).await;
    let device = send(enroll_request(&plain, "")).await.json();
    let other = send(enroll_request(&plain, "")).await.json();
    let bound = system.credentials(
        "ana",
        &[SCOPES.as_slice(), &["--device", device["device_id"].as_str().unwrap()]].concat(),
    );
    assert_eq!(send(post_request(&bound, &device, summary("20:00:00", r#""steps":1"#))).await.status, 201);
    let other_id = other["device_id"].as_str().unwrap();
    for refused in [send(enroll_request(&bound, "")).await, send(delete_request(&bound, other_id)).await] {
        assert_eq!(refused.problem_code(), "insufficient_scope", "it changes no other device either");
    }
    for refused in [
        send(post_request(&bound, &other, summary("20:00:01", r#""steps":2"#))).await,
        send(RawRequest::post(&bound, summary("20:00:01", r#""steps":2"#))).await,
    ] {
        assert_eq!(refused.problem_code(), "invalid_signature");
    }
    assert_eq!(send(delete_request(&bound, device["device_id"].as_str().unwrap())).await.status, 204);
    for refused in [
        send(enroll_request(&bound, "")).await,
        send(RawRequest::post(&bound, summary("20:00:01", r#""steps":2"#))).await,
    ] {
        assert_eq!(refused.problem_code(), "key_revoked", "a revoked device's token opens nothing");
    }
}

#[tokio::test]
async fn device_renews_its_key_with_the_current_one() {
    let mut cluster = Cluster::start().await;
    let arguments = ["--user", "ana", "--url", cluster.url(Node::IngestOne)];
    let credentials =
        crate::harness::credentials(&cluster.data_dir(), &[arguments.as_slice(), &SCOPES].concat());
    let device = enroll_request(&credentials, "").send(cluster.url(Node::IngestOne)).await.json();
    let rotated = crate::harness::run_syncwell_in(&cluster.data_dir(), &["keys", "rotate-signing"]);
    assert!(rotated.status.success(), "{rotated:?}");
    // An ingest that starts with the new master gives it out at once.
    cluster.kill_node(Node::IngestOne);
    cluster.start_node(Node::IngestOne);
    cluster.wait_until_ready().await;
    let url = cluster.url(Node::IngestOne);
    let renewed = renew_request(&credentials, &device).send(url).await;
    assert_eq!(renewed.status, 201, "{renewed:?}");
    let renewed = renewed.json();
    assert_eq!(renewed["key_id"], format!("2.{}", device["device_id"].as_str().unwrap()));
    for (key, status) in [(&renewed, 201), (&device, 200)] {
        for part in [Node::IngestOne, Node::IngestTwo] {
            let posted = post_request(&credentials, key, summary("20:00:00", r#""steps":1"#))
                .send(cluster.url(part))
                .await;
            assert!(posted.status == status || posted.status == 200, "{posted:?}");
        }
    }
    let path = format!("/v1/devices/{}", device["device_id"].as_str().unwrap());
    let shown = RawRequest::get(&credentials, &path).send(cluster.url(Node::Projector)).await.json();
    assert_eq!(shown["key_id"], renewed["key_id"]);
}

#[tokio::test]
async fn revoked_device_is_refused_by_all_ingests() {
    let cluster = Cluster::start().await;
    let credentials = |part| {
        crate::harness::credentials(
            &cluster.data_dir(),
            &[["--user", "ana", "--url", cluster.url(part)].as_slice(), &SCOPES].concat(),
        )
    };
    let (one, two) = (credentials(Node::IngestOne), credentials(Node::IngestTwo));
    let (first, second) = (cluster.url(Node::IngestOne), cluster.url(Node::IngestTwo));
    let device = enroll_request(&one, "").send(first).await.json();
    let with_two = async |steps: u32| -> RawResponse {
        post_request(&two, &device, summary("20:00:00", &format!(r#""steps":{steps}"#))).send(second).await
    };
    assert_eq!(with_two(1).await.status, 201, "a key of one ingest is good at every other");
    assert_eq!(delete_request(&one, device["device_id"].as_str().unwrap()).send(first).await.status, 204);
    // The contract gives it a minute, and so does `until`.
    wait_until("the other ingest refuses the device", async || {
        let answer = with_two(2).await;
        (answer.status == 401).then(|| assert_eq!(answer.problem_code(), "key_revoked"))
    })
    .await;
}
