//! Everything is destroyed, and put back from a backup.

use client::{Credentials, PhoneSigningKey, sign};
use jetstream::{Appender, CommitMode, NewMessage, Stream};
use keys::KEYS_STREAM;
use nats_server::Role;
use serde_json::Value;

use super::{comparable_events, run_ok, wait_until_signed};
use crate::harness::{
    RawRequest, RawResponse, System, now, post_summaries, read_all_events, run_cli, run_syncwell, summary,
    yesterday,
};

/// Posts with a key of its own.
async fn enroll_device(system: &System, user: &str) -> Value {
    let credentials = system.credentials(user, &["--scope", "sync:write sync:read device:enroll"]);
    let mut enrol = RawRequest::get(&credentials, "/v1/devices");
    enrol.method = "POST";
    let enrolled = enrol.send(&system.base_url).await;
    assert_eq!(enrolled.status, 201, "{enrolled:?}");
    enrolled.json()
}

async fn post_with_device_key(
    system: &System,
    credentials: &Credentials,
    device: &Value,
    body: String,
) -> RawResponse {
    let key = PhoneSigningKey::from_hex(device["signing_key_hex"].as_str().unwrap()).unwrap();
    let signed = sign(&key, now().as_millisecond().to_string(), body.clone());
    RawRequest::post(credentials, body)
        .header("x-sync-timestamp", signed.timestamp)
        .header("x-sync-signature", signed.signature)
        .header("x-sync-key-id", device["key_id"].as_str().unwrap())
        .send(&system.base_url)
        .await
}

/// Destroys every data key of a user and says so, as erasing does. Returns how many there were.
async fn destroy_user_keys(keys: &Stream, appender: &Appender, user: &str) -> usize {
    let records = keys.last_per_subject(&format!("$KV.keys.{user}.*")).await.unwrap();
    let mark = NewMessage {
        subject: format!("$KV.keys.{user}.erased"),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: vec![1, 2].into(),
    };
    appender.append(mark).await.unwrap();
    for record in &records {
        keys.secure_delete(record.sequence).await.unwrap();
    }
    records.len()
}

/// What a phone is told of everything it may read, but for how far the view is.
async fn read_all_of_user(system: &System, user: &str) -> Vec<Value> {
    let credentials = system.credentials(user, &[]);
    let get = async |path: String| {
        let answer = RawRequest::get(&credentials, &path).send(&system.base_url).await;
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
        let mut answer = answer.json();
        answer.as_object_mut().unwrap().remove("position");
        answer
    };
    let date = yesterday();
    let history = get(format!("/v1/summaries/{date}/history")).await;
    let mut seen =
        vec![get(format!("/v1/summaries?from={date}&to={date}")).await, get("/v1/devices".to_owned()).await];
    for event in history["events"].as_array().unwrap() {
        seen.push(get(format!("/v1/events/{}", event["event_id"].as_str().unwrap())).await);
    }
    seen.push(history);
    seen
}

#[tokio::test]
async fn restore_brings_back_all_but_erased_users() {
    let system = System::start();
    let data_dir = system.data_dir();
    let mut posted = post_summaries(&data_dir, &system.base_url, &["ana", "ben", "carl"], 3, 0).await;
    let ana = system.credentials("ana", &[]);
    let (phone, lost) = (enroll_device(&system, "ana").await, enroll_device(&system, "ana").await);
    let by_phone =
        post_with_device_key(&system, &ana, &phone, summary("21:00:00", r#""steps":77,"sleep_hours":7.5"#))
            .await;
    assert_eq!(by_phone.status, 200, "{by_phone:?}");
    let revoking = system.credentials("ana", &["--scope", "sync:write sync:read device:enroll"]);
    let mut revoke =
        RawRequest::get(&revoking, &format!("/v1/devices/{}", lost["device_id"].as_str().unwrap()));
    revoke.method = "DELETE";
    assert_eq!(revoke.send(&system.base_url).await.status, 204);
    // Two of the devices, one revocation, one post.
    let end = posted.len() as u64 + 4;
    wait_until_signed(&data_dir, end).await;
    posted.retain(|posted| posted.user == "carl");
    let log = read_all_events(system.connect_as(Role::Auditor).await).await;
    let carl = log[posted[0].sequence as usize - 1].user().unwrap().to_string();
    {
        let keys = KEYS_STREAM.stream(system.connect_as(Role::Keys).await);
        let appender = Appender::start(system.connect_as(Role::Keys).await, CommitMode::Grouped);
        assert_eq!(destroy_user_keys(&keys, &appender, &carl).await, 1);
    }
    let before = [read_all_of_user(&system, "ana").await, read_all_of_user(&system, "ben").await];
    let [backup, secrets] = ["backup", "secrets"].map(|name| system.folder.path().join(name));
    let [backup, secrets] = [&backup, &secrets].map(|path| path.to_str().unwrap());
    let made = run_ok(&data_dir, &["backup", backup, "--secrets-to", secrets]);
    assert_eq!(made["lines"]["events.ndjson"], end + 2, "{made}");

    let folder = system.stop().await;
    std::fs::remove_dir_all(&data_dir).unwrap();
    let put_back = run_ok(&data_dir, &["restore", backup, "--secrets-from", secrets]);
    assert_eq!(put_back["events"], serde_json::json!({ "held": 0, "appended": end }));
    assert!(put_back["keys"]["tombstones"].as_u64().unwrap() >= 1, "{put_back}");
    let system = System::start_in(folder, &[]);
    assert_eq!([read_all_of_user(&system, "ana").await, read_all_of_user(&system, "ben").await], before);
    assert!(
        comparable_events(&read_all_events(system.connect_as(Role::Auditor).await).await)
            == comparable_events(&log),
        "the log is another one"
    );

    // The erased user's events open for nobody, and no key is made for the user by accident.
    let erased = system.credentials("carl", &[]);
    let post = RawRequest::post(&erased, summary("22:00:00", r#""steps":1"#)).send(&system.base_url).await;
    assert_eq!(post.problem_code(), "account_erased");
    for path in [
        format!("/v1/events/{}", posted[0].event_id),
        format!("/v1/summaries/{}", yesterday()),
        format!("/v1/summaries/{}/history", yesterday()),
    ] {
        let answer = RawRequest::get(&erased, &path).send(&system.base_url).await;
        assert!(matches!(answer.status, 404 | 410), "{path}: {answer:?}");
    }
    let revealed = run_cli(&data_dir, &["events", "show", &posted[0].sequence.to_string(), "--reveal"]);
    assert_eq!((revealed.exit_code, revealed.stdout.as_str()), (Some(1), ""), "{}", revealed.stderr);
    {
        let keys = KEYS_STREAM.stream(system.connect_as(Role::Keys).await);
        let left = keys.last_per_subject(&format!("$KV.keys.{carl}.*")).await.unwrap();
        assert!(
            left.iter().all(|record| record.subject.ends_with(".erased") || record.payload[..] == [1, 2])
        );
    }
    // The devices' keys are as they were: one signs, the other was revoked.
    let ana = system.credentials("ana", &[]);
    let again = post_with_device_key(&system, &ana, &lost, summary("23:00:00", r#""steps":1"#)).await;
    assert_eq!(again.problem_code(), "key_revoked");
    let report = run_ok(&data_dir, &["audit", "verify", "--reveal", "--reason", "after the fire"]);
    assert_eq!((&report["holds"], &report["erased"]), (&true.into(), &3.into()), "{report}");
    assert_eq!(report["signatures"], 7, "{report}");
    assert_eq!(
        post_with_device_key(&system, &ana, &phone, summary("23:00:00", r#""steps":78"#)).await.status,
        200
    );

    // Restoring again finds everything there, and leaves alone what has come since.
    let folder = system.stop().await;
    let again = run_ok(&data_dir, &["restore", backup]);
    assert_eq!(again["events"], serde_json::json!({ "held": end, "appended": 0 }));
    assert_eq!((&again["keys"]["appended"], &again["checkpoints"]["appended"]), (&0.into(), &0.into()));
    let system = System::start_in(folder, &[]);
    assert!(read_all_events(system.connect_as(Role::Auditor).await).await.len() as u64 > end);
    assert_eq!(run_ok(&data_dir, &["audit", "verify"])["holds"], true);
}

#[tokio::test]
async fn restore_without_secrets_is_refused() {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &["ana"], 1, 0).await;
    let backup = system.folder.path().join("backup");
    run_ok(&system.data_dir(), &["backup", backup.to_str().unwrap()]);
    let empty = system.folder.path().join("empty");
    let arguments = ["restore", backup.to_str().unwrap(), "--data-dir", empty.to_str().unwrap()];
    let refused = run_syncwell(&arguments, &[]);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("--secrets-from"), "{said}");
    assert!(!empty.join("secrets/kek").exists() && !empty.join("nats").exists(), "nothing was made up");
}
