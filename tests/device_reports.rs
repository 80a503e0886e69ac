//! What phones say of themselves: kept, shown to operators, and heeded where the operator wants that.

use client::{Credentials, PhoneSigningKey, sign};
use serde_json::{Value, json};

use crate::harness::provider::bare_request;
use crate::harness::{
    Cluster, Node, RawRequest, RawResponse, System, credentials, now, run_cli, summary, wait_until,
};

const SCOPES: [&str; 2] = ["--scope", "sync:write sync:read device:enroll"];
const REFUSE_COMPROMISED: (&str, &str) = ("SYNCWELL_DEVICES__REFUSE_COMPROMISED", "true");

/// A phone: its user's token, and the key that it signs with.
struct EnrolledPhone<'u> {
    url: &'u str,
    credentials: &'u Credentials,
    /// Its own, as it was enrolled; or none, and the user's default key signs.
    device: Option<Value>,
}

impl<'u> EnrolledPhone<'u> {
    /// With a key of its own.
    async fn enroll(url: &'u str, credentials: &'u Credentials) -> Self {
        let mut enrol = RawRequest::get(credentials, "/v1/devices");
        enrol.method = "POST";
        let answer = enrol.send(url).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self { url, credentials, device: Some(answer.json()) }
    }

    fn signed_request(&self, path: &str, body: &str) -> RawRequest {
        let mut request = RawRequest::post(self.credentials, body);
        request.path = path.to_owned();
        let Some(device) = &self.device else { return request };
        let key = PhoneSigningKey::from_hex(device["signing_key_hex"].as_str().unwrap()).unwrap();
        let signed = sign(&key, now().as_millisecond().to_string(), body.to_owned());
        request
            .header("x-sync-timestamp", signed.timestamp)
            .header("x-sync-signature", signed.signature)
            .header("x-sync-key-id", device["key_id"].as_str().unwrap())
    }

    fn report_request(&self, is_compromised: bool) -> RawRequest {
        self.signed_request("/v1/device-reports", &report_body(is_compromised).to_string())
    }

    async fn send_report(&self, is_compromised: bool) {
        let answer = self.report_request(is_compromised).send(self.url).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    async fn post_summary(&self, time: &str) -> RawResponse {
        self.signed_request("/v1/summaries", &summary(time, r#""steps":1"#)).send(self.url).await
    }

    fn device_id(&self) -> &str {
        self.device.as_ref().map_or("default", |device| device["device_id"].as_str().unwrap())
    }
}

fn report_body(is_compromised: bool) -> Value {
    json!({ "os_compromised": is_compromised, "key_storage": "hardware", "app_version": "4.2.0 (417)",
            "os": "ios", "os_version": "26.1" })
}

/// What `devices reports` lists, by device.
fn list_reports(system: &System, more: &[&str]) -> Vec<Value> {
    let ran = run_cli(&system.data_dir(), &[&["devices", "reports", "--json"], more].concat());
    assert_eq!(ran.exit_code, Some(0), "{}", ran.combined_output());
    ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn report_is_stored_listed_counted_and_verifiable() {
    let system = System::start();
    let credentials = system.credentials("ana", &SCOPES);
    let first = EnrolledPhone::enroll(&system.base_url, &credentials).await;
    let second = EnrolledPhone::enroll(&system.base_url, &credentials).await;
    let plain_key = EnrolledPhone { url: &system.base_url, credentials: &credentials, device: None };
    let request = first.report_request(false);
    let answer = request.send(&system.base_url).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let accepted = answer.json();
    assert_eq!((&accepted["sequence"], &accepted["replayed"]), (&json!(3), &json!(false)), "{accepted}");
    let again = request.send(&system.base_url).await;
    assert_eq!((again.status, &again.json()["replayed"]), (200, &json!(true)), "{again:?}");
    assert_eq!(again.json()["event_id"], accepted["event_id"]);
    second.send_report(true).await;
    plain_key.send_report(false).await;
    first.send_report(false).await;

    let devices = |listed: &[Value]| {
        let mut devices: Vec<_> =
            listed.iter().map(|one| one["device"].as_str().unwrap().to_owned()).collect();
        devices.sort();
        devices
    };
    let mut expected: Vec<_> = [&first, &second, &plain_key].map(|phone| phone.device_id().to_owned()).into();
    expected.sort();
    let all = wait_until("all are listed", async || {
        Some(list_reports(&system, &[])).filter(|all| all.iter().any(|one| one["sequence"] == 6))
    })
    .await;
    assert_eq!(devices(&all), expected, "each device once, with what it last said: {all:?}");
    for one in &all {
        let is_second = one["device"] == second.device_id();
        assert_eq!(one["report"], report_body(is_second), "{one}");
        assert!(one["user_ref"].is_string() && one["received_at"].is_string());
    }
    let compromised = list_reports(&system, &["--compromised", "--reason", "weekly review"]);
    assert_eq!(devices(&compromised), [second.device_id()]);
    let shown = run_cli(&system.data_dir(), &["devices", "reports"]);
    assert!(
        shown.stdout.contains(second.device_id()) && shown.stdout.contains("4.2.0 (417)"),
        "{}",
        shown.combined_output()
    );
    let tail = run_cli(&system.data_dir(), &["events", "tail", "-n", "20", "--json"]);
    assert!(
        tail.stdout.contains("syncwell.access.recorded.v1"),
        "who looked is in the log: {}",
        tail.combined_output()
    );

    let metrics = bare_request("GET", "/metrics").send(&system.base_url).await.body_text;
    for (is_compromised, count) in [(false, 3), (true, 1)] {
        let line = metrics.lines().find(|line| {
            line.starts_with("syncwell_device_reports_total{")
                && line.contains(&format!(r#"os_compromised="{is_compromised}""#))
        });
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {count}"))), "{line:?}: a replay is none");
    }

    let audited = run_cli(&system.data_dir(), &["audit", "verify", "--reveal", "--json"]);
    assert_eq!(audited.exit_code, Some(0), "{}", audited.combined_output());
    assert_eq!(audited.json()["signatures"], 4, "each report's: {}", audited.stdout);
}

#[tokio::test]
async fn unsigned_or_invalid_report_is_refused() {
    let system = System::start_with_env(&[REFUSE_COMPROMISED]);
    let credentials = system.credentials("ana", &SCOPES);
    let phone = EnrolledPhone::enroll(&system.base_url, &credentials).await;
    let other = EnrolledPhone::enroll(&system.base_url, &credentials).await;
    let send = async |request: RawRequest| request.send(&system.base_url).await;
    let good = phone.report_request(true);
    let mut mixed = RawRequest { headers: other.report_request(true).headers, ..good.clone() };
    mixed.headers.insert("x-sync-key-id", good.headers["x-sync-key-id"].clone());
    let mut changed = good.clone();
    changed.body = report_body(false).to_string().into_bytes();
    let mut late = phone.report_request(true).header("x-sync-timestamp", "1700000000");
    late.body.clear();
    for (request, status, code) in [
        (good.clone().header("x-sync-signature", "00".repeat(32)), 401, "invalid_signature"),
        (mixed, 401, "invalid_signature"),
        (changed, 401, "invalid_signature"),
        (good.clone().without_header("x-sync-key-id"), 401, "invalid_signature"),
        (late, 401, "stale_timestamp"),
        (good.clone().without_header("x-sync-signature"), 401, "invalid_signature"),
        (good.clone().without_header("authorization"), 401, "invalid_token"),
        (good.clone().header("content-type", "text/plain"), 415, "unsupported_media_type"),
    ] {
        let refused = send(request).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (status, code), "{refused:?}");
    }
    let reader = system.credentials("ana", &["--scope", "sync:read"]);
    let reader = EnrolledPhone { url: &system.base_url, credentials: &reader, device: phone.device.clone() };
    assert_eq!(send(reader.report_request(true)).await.problem_code(), "insufficient_scope");

    let long = "x".repeat(65);
    let bodies = [
        ("{}".to_owned(), ["/app_version", "/key_storage", "/os_compromised", "/os_version"].as_slice()),
        (r#"{"os_compromised":"no","key_storage":"safe","app_version":"","os_version":7}"#.to_owned(),
            &["/app_version", "/key_storage", "/os_compromised", "/os_version"]),
        (format!(r#"{{"os_compromised":false,"key_storage":"none","app_version":"1","os_version":"{long}","os":"\n"}}"#),
            &["/os", "/os_version"]),
        (r#"{"os_compromised":false,"key_storage":"none","app_version":"1","os_version":"1","model":"x","jailbroken":true}"#.to_owned(),
            &["/jailbroken", "/model"]),
        (r#"{"os_compromised":true,"os_compromised":false,"key_storage":"none","app_version":"1","os_version":"1"}"#.to_owned(),
            &["/os_compromised"]),
        ("[]".to_owned(), &[""]),
    ];
    for (body, expected) in bodies {
        let refused = send(phone.signed_request("/v1/device-reports", &body)).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_request"), "{body}");
        let problem = refused.json();
        let mut pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap())
            .collect();
        pointers.sort_unstable();
        assert_eq!(pointers, expected, "{body}");
    }
    for (body, code) in [("{", "invalid_json"), (&"x".repeat(5_000)[..], "body_too_large")] {
        assert_eq!(send(phone.signed_request("/v1/device-reports", body)).await.problem_code(), code);
    }
    assert_eq!(list_reports(&system, &[]), [] as [Value; 0]);
    assert_eq!(phone.post_summary("20:00:00").await.status, 201, "what was refused marks nobody");
}

#[tokio::test]
async fn compromised_device_is_refused_when_configured() {
    let system = System::start_with_env(&[REFUSE_COMPROMISED]);
    let (ana, ben) = (system.credentials("ana", &SCOPES), system.credentials("ben", &SCOPES));
    let phone = EnrolledPhone::enroll(&system.base_url, &ana).await;
    let other = EnrolledPhone::enroll(&system.base_url, &ana).await;
    let plain_key = EnrolledPhone { url: &system.base_url, credentials: &ana, device: None };
    let bens = EnrolledPhone { url: &system.base_url, credentials: &ben, device: None };
    assert_eq!(phone.post_summary("08:00:00").await.status, 201);
    phone.send_report(true).await;
    let refused = phone.post_summary("08:00:01").await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (403, "device_compromised"), "{refused:?}");
    for (number, well) in [&other, &plain_key, &bens].into_iter().enumerate() {
        let answer = well.post_summary(&format!("09:00:0{number}")).await;
        assert!(answer.status < 300, "from that device alone: {answer:?}");
    }
    // Once more changes nothing, and reporting itself is never refused.
    phone.send_report(true).await;
    assert_eq!(phone.post_summary("08:00:02").await.status, 403);
    phone.send_report(false).await;
    assert_eq!(phone.post_summary("08:00:03").await.status, 200);
    // The default key's holder is its user.
    bens.send_report(true).await;
    assert_eq!(bens.post_summary("10:00:00").await.problem_code(), "device_compromised");
    assert_eq!(phone.post_summary("10:00:00").await.status, 200);

    // It is remembered, and forgotten where nobody wants it any more.
    let folder = system.stop().await;
    let system = System::start_in(folder, &[REFUSE_COMPROMISED]);
    let again = EnrolledPhone { url: &system.base_url, credentials: &ben, device: None };
    assert_eq!(again.post_summary("10:00:01").await.problem_code(), "device_compromised");
    let folder = system.stop().await;
    let system = System::start_in(folder, &[]);
    let again = EnrolledPhone { url: &system.base_url, credentials: &ben, device: None };
    assert!(again.post_summary("10:00:01").await.status < 300, "off unless it is asked for");
}

#[tokio::test]
async fn all_ingests_apply_a_report() {
    let cluster = Cluster::start_with_env(&[REFUSE_COMPROMISED]).await;
    let (one, two) = (cluster.url(Node::IngestOne), cluster.url(Node::IngestTwo));
    let arguments = [&["--user", "ana", "--url", one][..], &SCOPES].concat();
    let ana = credentials(&cluster.data_dir(), &arguments);
    let phone = EnrolledPhone::enroll(one, &ana).await;
    let there = EnrolledPhone { url: two, credentials: &ana, device: phone.device.clone() };
    let mut second = 0;
    for is_compromised in [true, false] {
        phone.send_report(is_compromised).await;
        // Within a minute, as for devices that are revoked.
        wait_until("the other ingest heeds it", async || {
            second += 1;
            let time = format!("{:02}:{:02}:00", second / 60, second % 60);
            ((there.post_summary(&time).await.status == 403) == is_compromised).then_some(())
        })
        .await;
        assert_eq!(phone.post_summary("23:00:00").await.status == 403, is_compromised);
    }
}
