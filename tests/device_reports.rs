//! What phones say of themselves: kept, shown to operators, and heeded where the operator wants that.

use client::{Credentials, SigningKey, sign};
use serde_json::{Value, json};

use crate::harness::provider::plain;
use crate::harness::{Answer, Cluster, Part, RawRequest, System, credentials, now, run_in, summary, until};

const SCOPES: [&str; 2] = ["--scope", "sync:write sync:read device:enroll"];
const REFUSE: (&str, &str) = ("SYNCWELL_DEVICES__REFUSE_COMPROMISED", "true");

/// A phone: its user's token, and the key that it signs with.
struct Phone<'u> {
    url: &'u str,
    credentials: &'u Credentials,
    /// Its own, as it was enrolled; or none, and the user's default key signs.
    device: Option<Value>,
}

impl<'u> Phone<'u> {
    /// With a key of its own.
    async fn enrolled(url: &'u str, credentials: &'u Credentials) -> Self {
        let mut enrol = RawRequest::get(credentials, "/v1/devices");
        enrol.method = "POST";
        let answer = enrol.send(url).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self { url, credentials, device: Some(answer.json()) }
    }

    fn request(&self, path: &str, body: &str) -> RawRequest {
        let mut request = RawRequest::post(self.credentials, body);
        request.path = path.to_owned();
        let Some(device) = &self.device else { return request };
        let key = SigningKey::from_hex(device["signing_key_hex"].as_str().unwrap()).unwrap();
        let signed = sign(&key, now().as_millisecond().to_string(), body.to_owned());
        request
            .header("x-sync-timestamp", signed.timestamp)
            .header("x-sync-signature", signed.signature)
            .header("x-sync-key-id", device["key_id"].as_str().unwrap())
    }

    fn report_of(&self, is_compromised: bool) -> RawRequest {
        self.request("/v1/device-reports", &report(is_compromised).to_string())
    }

    async fn report(&self, is_compromised: bool) {
        let answer = self.report_of(is_compromised).send(self.url).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    async fn post(&self, time: &str) -> Answer {
        self.request("/v1/summaries", &summary(time, r#""steps":1"#)).send(self.url).await
    }

    fn device_id(&self) -> &str {
        self.device.as_ref().map_or("default", |device| device["device_id"].as_str().unwrap())
    }
}

fn report(is_compromised: bool) -> Value {
    json!({ "os_compromised": is_compromised, "key_storage": "hardware", "app_version": "4.2.0 (417)",
            "os": "ios", "os_version": "26.1" })
}

/// What `devices reports` lists, by device.
fn listed(system: &System, more: &[&str]) -> Vec<Value> {
    let ran = run_in(&system.data_dir(), &[&["devices", "reports", "--json"], more].concat());
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    ran.output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_report_is_kept_listed_counted_and_can_be_verified_again() {
    let system = System::start();
    let credentials = system.credentials("ana", &SCOPES);
    let first = Phone::enrolled(&system.base_url, &credentials).await;
    let second = Phone::enrolled(&system.base_url, &credentials).await;
    let plain_key = Phone { url: &system.base_url, credentials: &credentials, device: None };
    let request = first.report_of(false);
    let answer = request.send(&system.base_url).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let accepted = answer.json();
    assert_eq!((&accepted["sequence"], &accepted["replayed"]), (&json!(3), &json!(false)), "{accepted}");
    let again = request.send(&system.base_url).await;
    assert_eq!((again.status, &again.json()["replayed"]), (200, &json!(true)), "{again:?}");
    assert_eq!(again.json()["event_id"], accepted["event_id"]);
    second.report(true).await;
    plain_key.report(false).await;
    first.report(false).await;

    let devices = |listed: &[Value]| {
        let mut devices: Vec<_> =
            listed.iter().map(|one| one["device"].as_str().unwrap().to_owned()).collect();
        devices.sort();
        devices
    };
    let mut expected: Vec<_> = [&first, &second, &plain_key].map(|phone| phone.device_id().to_owned()).into();
    expected.sort();
    let all = until("all are listed", async || {
        Some(listed(&system, &[])).filter(|all| all.iter().any(|one| one["sequence"] == 6))
    })
    .await;
    assert_eq!(devices(&all), expected, "each device once, with what it last said: {all:?}");
    for one in &all {
        let is_second = one["device"] == second.device_id();
        assert_eq!(one["report"], report(is_second), "{one}");
        assert!(one["user_ref"].is_string() && one["received_at"].is_string());
    }
    let compromised = listed(&system, &["--compromised", "--reason", "weekly review"]);
    assert_eq!(devices(&compromised), [second.device_id()]);
    let shown = run_in(&system.data_dir(), &["devices", "reports"]);
    assert!(
        shown.output.contains(second.device_id()) && shown.output.contains("4.2.0 (417)"),
        "{}",
        shown.text()
    );
    let tail = run_in(&system.data_dir(), &["events", "tail", "-n", "20", "--json"]);
    assert!(tail.output.contains("syncwell.access.recorded.v1"), "who looked is in the log: {}", tail.text());

    let metrics = plain("GET", "/metrics").send(&system.base_url).await.text;
    for (is_compromised, count) in [(false, 3), (true, 1)] {
        let line = metrics.lines().find(|line| {
            line.starts_with("syncwell_device_reports_total{")
                && line.contains(&format!(r#"os_compromised="{is_compromised}""#))
        });
        assert!(line.is_some_and(|line| line.ends_with(&format!(" {count}"))), "{line:?}: a replay is none");
    }

    let audited = run_in(&system.data_dir(), &["audit", "verify", "--reveal", "--json"]);
    assert_eq!(audited.code, Some(0), "{}", audited.text());
    assert_eq!(audited.json()["signatures"], 4, "each report's: {}", audited.output);
}

#[tokio::test]
async fn a_report_that_is_not_signed_or_does_not_hold_is_refused() {
    let system = System::start_with(&[REFUSE]);
    let credentials = system.credentials("ana", &SCOPES);
    let phone = Phone::enrolled(&system.base_url, &credentials).await;
    let other = Phone::enrolled(&system.base_url, &credentials).await;
    let send = async |request: RawRequest| request.send(&system.base_url).await;
    let good = phone.report_of(true);
    let mut mixed = RawRequest { headers: other.report_of(true).headers, ..good.clone() };
    mixed.headers.insert("x-sync-key-id", good.headers["x-sync-key-id"].clone());
    let mut changed = good.clone();
    changed.body = report(false).to_string().into_bytes();
    let mut late = phone.report_of(true).header("x-sync-timestamp", "1700000000");
    late.body.clear();
    for (request, status, code) in [
        (good.clone().header("x-sync-signature", "00".repeat(32)), 401, "invalid_signature"),
        (mixed, 401, "invalid_signature"),
        (changed, 401, "invalid_signature"),
        (good.clone().without("x-sync-key-id"), 401, "invalid_signature"),
        (late, 401, "stale_timestamp"),
        (good.clone().without("x-sync-signature"), 401, "invalid_signature"),
        (good.clone().without("authorization"), 401, "invalid_token"),
        (good.clone().header("content-type", "text/plain"), 415, "unsupported_media_type"),
    ] {
        let refused = send(request).await;
        assert_eq!((refused.status, refused.problem().as_str()), (status, code), "{refused:?}");
    }
    let reader = system.credentials("ana", &["--scope", "sync:read"]);
    let reader = Phone { url: &system.base_url, credentials: &reader, device: phone.device.clone() };
    assert_eq!(send(reader.report_of(true)).await.problem(), "insufficient_scope");

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
        let refused = send(phone.request("/v1/device-reports", &body)).await;
        assert_eq!((refused.status, refused.problem().as_str()), (422, "invalid_request"), "{body}");
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
        assert_eq!(send(phone.request("/v1/device-reports", body)).await.problem(), code);
    }
    assert_eq!(listed(&system, &[]), [] as [Value; 0]);
    assert_eq!(phone.post("20:00:00").await.status, 201, "what was refused marks nobody");
}

#[tokio::test]
async fn a_compromised_device_posts_nothing_where_the_operator_wants_that() {
    let system = System::start_with(&[REFUSE]);
    let (ana, ben) = (system.credentials("ana", &SCOPES), system.credentials("ben", &SCOPES));
    let phone = Phone::enrolled(&system.base_url, &ana).await;
    let other = Phone::enrolled(&system.base_url, &ana).await;
    let plain_key = Phone { url: &system.base_url, credentials: &ana, device: None };
    let bens = Phone { url: &system.base_url, credentials: &ben, device: None };
    assert_eq!(phone.post("08:00:00").await.status, 201);
    phone.report(true).await;
    let refused = phone.post("08:00:01").await;
    assert_eq!((refused.status, refused.problem().as_str()), (403, "device_compromised"), "{refused:?}");
    for (number, well) in [&other, &plain_key, &bens].into_iter().enumerate() {
        let answer = well.post(&format!("09:00:0{number}")).await;
        assert!(answer.status < 300, "from that device alone: {answer:?}");
    }
    // Once more changes nothing, and reporting itself is never refused.
    phone.report(true).await;
    assert_eq!(phone.post("08:00:02").await.status, 403);
    phone.report(false).await;
    assert_eq!(phone.post("08:00:03").await.status, 200);
    // The default key's holder is its user.
    bens.report(true).await;
    assert_eq!(bens.post("10:00:00").await.problem(), "device_compromised");
    assert_eq!(phone.post("10:00:00").await.status, 200);

    // It is remembered, and forgotten where nobody wants it any more.
    let folder = system.stop().await;
    let system = System::start_in(folder, &[REFUSE]);
    let again = Phone { url: &system.base_url, credentials: &ben, device: None };
    assert_eq!(again.post("10:00:01").await.problem(), "device_compromised");
    let folder = system.stop().await;
    let system = System::start_in(folder, &[]);
    let again = Phone { url: &system.base_url, credentials: &ben, device: None };
    assert!(again.post("10:00:01").await.status < 300, "off unless it is asked for");
}

#[tokio::test]
async fn every_ingest_heeds_what_one_was_told() {
    let cluster = Cluster::start_with(&[REFUSE]).await;
    let (one, two) = (cluster.url(Part::IngestOne), cluster.url(Part::IngestTwo));
    let arguments = [&["--user", "ana", "--url", one][..], &SCOPES].concat();
    let ana = credentials(&cluster.data_dir(), &arguments);
    let phone = Phone::enrolled(one, &ana).await;
    let there = Phone { url: two, credentials: &ana, device: phone.device.clone() };
    let mut second = 0;
    for is_compromised in [true, false] {
        phone.report(is_compromised).await;
        // Within a minute, as for devices that are revoked.
        until("the other ingest heeds it", async || {
            second += 1;
            let time = format!("{:02}:{:02}:00", second / 60, second % 60);
            ((there.post(&time).await.status == 403) == is_compromised).then_some(())
        })
        .await;
        assert_eq!(phone.post("23:00:00").await.status == 403, is_compromised);
    }
}
