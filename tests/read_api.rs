//! What is read (contract, section 6), through real HTTP.

use http::Request;
use serde_json::Value;

use crate::harness::{RawRequest, System, send_raw, summary, wait_until, yesterday};

#[tokio::test]
async fn row_has_an_etag_and_honors_if_none_match() {
    let system = System::start();
    let credentials = system.credentials("reader", &[]);
    let path = format!("/v1/summaries/{}", yesterday());
    let get = || RawRequest::get(&credentials, &path);
    assert_eq!(get().send(&system.base_url).await.problem_code(), "not_found");
    let workouts = format!(
        r#""workouts":[{{"type":"run","duration":30,"start_time":"{}T08:00:00+02:00"}}]"#,
        yesterday()
    );
    let posted =
        RawRequest::post(&credentials, summary("20:00:00", &workouts)).send(&system.base_url).await.json();
    let answer = get().send(&system.base_url).await;
    let row = answer.json();
    assert_eq!((answer.status, &row["position"]), (200, &posted["sequence"]));
    let workout = &row["workouts"][0];
    assert_eq!(
        workout["start_time"],
        format!("{}T06:00:00Z", yesterday()),
        "the instant, whatever offset it was written in"
    );
    assert_eq!(workout["first_reported"]["event_id"], posted["event_id"]);
    assert!(row.get("steps").is_none());
    let tag = answer.headers["etag"].clone();
    for tags in [tag.clone(), format!("\"x\", {tag}"), "*".to_owned()] {
        let unchanged = get().header("if-none-match", tags).send(&system.base_url).await;
        assert_eq!((unchanged.status, unchanged.body_text.as_str()), (304, ""));
        assert_eq!(unchanged.headers["etag"], tag);
    }
    RawRequest::post(&credentials, summary("21:00:00", r#""steps":5"#)).send(&system.base_url).await;
    let changed = get().header("if-none-match", tag).send(&system.base_url).await;
    assert_eq!((changed.status, &changed.json()["steps"]), (200, &5.into()));
    for wrong in ["2026-2-1", "yesterday", "2026-02-30", "%ff"] {
        let answer =
            RawRequest::get(&credentials, &format!("/v1/summaries/{wrong}")).send(&system.base_url).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (400, "invalid_parameter"), "{wrong}");
    }
}

#[tokio::test]
async fn ranges_are_inclusive_ascending_and_per_user() {
    let system = System::start();
    let (one, other) = (system.credentials("one", &[]), system.credentials("other", &[]));
    for date in ["2026-02-16", "2026-02-14", "2026-02-15"] {
        let body = format!(r#"{{"date":"{date}","generated_at":"{date}T20:00:00Z","steps":1}}"#);
        assert_eq!(RawRequest::post(&one, body).send(&system.base_url).await.status, 201);
    }
    let dates = async |credentials, query: &str| {
        let range = RawRequest::get(credentials, &format!("/v1/summaries?{query}"))
            .send(&system.base_url)
            .await
            .json();
        assert_eq!(range["position"], 3);
        let dates =
            range["summaries"].as_array().unwrap().iter().map(|row| row["date"].as_str().unwrap().to_owned());
        dates.collect::<Vec<_>>()
    };
    assert_eq!(
        dates(&one, "from=2026-02-14&to=2026-02-16").await,
        ["2026-02-14", "2026-02-15", "2026-02-16"]
    );
    assert_eq!(dates(&one, "from=2026-02-15&to=2026-02-15").await, ["2026-02-15"]);
    assert_eq!(dates(&one, "from=2025-02-16&to=2026-02-16").await.len(), 3, "366 days");
    assert!(dates(&other, "from=2026-02-14&to=2026-02-16").await.is_empty());
    for wrong in [
        "",
        "from=2026-02-14",
        "from=2026-02-16&to=2026-02-14",
        "from=2025-02-15&to=2026-02-16",
        "from=x&to=y",
    ] {
        let answer = RawRequest::get(&one, &format!("/v1/summaries?{wrong}")).send(&system.base_url).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (400, "invalid_parameter"), "{wrong}");
    }
}

#[tokio::test]
async fn history_explains_the_row() {
    let system = System::start();
    let credentials = system.credentials("curious", &[]);
    let mut ids = Vec::new();
    for (time, values) in [
        ("20:00:00", r#""steps":9000"#),
        ("08:00:00", r#""steps":1000,"hrv":50"#),
        ("21:00:00", r#""steps":9000"#),
    ] {
        let posted =
            RawRequest::post(&credentials, summary(time, values)).send(&system.base_url).await.json();
        ids.push(posted["event_id"].clone());
    }
    let path = format!("/v1/summaries/{}/history", yesterday());
    let history = RawRequest::get(&credentials, &path).send(&system.base_url).await.json();
    let events = history["events"].as_array().unwrap();
    let of = |name: &str| events.iter().map(|event| event[name].clone()).collect::<Vec<_>>();
    assert_eq!(of("event_id"), ids);
    assert_eq!(of("sequence"), [1, 2, 3]);
    assert_eq!(of("outcome"), ["created", "merged", "unchanged"]);
    let fields: Vec<_> = events.iter().map(|event| &event["fields"]).collect();
    assert_eq!(*fields[0], serde_json::json!({ "steps": { "offered": 9000, "taken": true } }));
    assert_eq!(
        *fields[1],
        serde_json::json!({ "steps": { "offered": 1000, "taken": false }, "hrv": { "offered": 50, "taken": true } })
    );
    assert_eq!(fields[2]["steps"]["taken"], true, "the same value under a later clock is the later event's");
    let row = &history["row"];
    assert_eq!((&row["steps"]["value"], &row["steps"]["event_id"]), (&9000.into(), &ids[2]));
    assert_eq!((&row["hrv"]["value"], &row["hrv"]["event_id"]), (&50.into(), &ids[1]));
    let other = system.credentials("stranger", &[]);
    assert_eq!(RawRequest::get(&other, &path).send(&system.base_url).await.problem_code(), "not_found");
}

#[tokio::test]
async fn event_is_visible_to_its_owner_only() {
    let system = System::start();
    let credentials = system.credentials("owner", &[]);
    let posted = RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#))
        .send(&system.base_url)
        .await
        .json();
    let later = RawRequest::post(&credentials, summary("21:00:00", r#""steps":2"#))
        .send(&system.base_url)
        .await
        .json();
    let path = |event: &Value| format!("/v1/events/{}", event["event_id"].as_str().unwrap());
    for scope in ["sync:read", "sync:write"] {
        let credentials = system.credentials("owner", &["--scope", scope]);
        let shown = RawRequest::get(&credentials, &path(&posted)).send(&system.base_url).await;
        assert_eq!((shown.status, shown.json()), (200, posted.clone()));
        assert_eq!(RawRequest::get(&credentials, &path(&later)).send(&system.base_url).await.json(), later);
    }
    let stranger = system.credentials("stranger", &[]);
    assert_eq!(
        RawRequest::get(&stranger, &path(&posted)).send(&system.base_url).await.problem_code(),
        "not_found"
    );
    for unknown in
        ["/v1/events/nonsense", "/v1/events/%ff", "/v1/events/019c68e5-51e3-7fff-bfff-ffffffffffff"]
    {
        assert_eq!(
            RawRequest::get(&credentials, unknown).send(&system.base_url).await.problem_code(),
            "not_found"
        );
    }
    let no_scope = system.credentials("owner", &["--scope", "device:enroll"]);
    assert_eq!(
        RawRequest::get(&no_scope, &path(&posted)).send(&system.base_url).await.problem_code(),
        "insufficient_scope"
    );
    let write_only = system.credentials("owner", &["--scope", "sync:write"]);
    let row = RawRequest::get(&write_only, &format!("/v1/summaries/{}", yesterday()));
    assert_eq!(row.send(&system.base_url).await.problem_code(), "insufficient_scope");
}

#[tokio::test]
async fn health_metrics_and_openapi_need_no_token() {
    let system = System::start();
    let get = async |path: &str| {
        send_raw(
            &system.base_url,
            format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes(),
        )
        .await
    };
    assert_eq!(get("/livez").await.body_text, "ok\n");
    assert_eq!(get("/readyz").await.body_text, "ready\n");
    let document = get("/openapi.json").await;
    assert_eq!(document.body_text, include_str!("../schemas/openapi.json"));
    assert_eq!(document.json()["openapi"], "3.1.1");
    RawRequest::post(&system.credentials("counted", &[]), summary("20:00:00", r#""steps":1"#))
        .send(&system.base_url)
        .await;
    let metrics = get("/metrics").await.body_text;
    for line in [
        "syncwell_summaries_total{outcome=\"created\"} 1",
        "syncwell_events_folded_total{outcome=\"created\"} 1",
        "syncwell_view_position 1",
        "syncwell_http_requests_total{method=\"POST\",route=\"/v1/summaries\",status=\"201\"} 1",
    ] {
        assert!(metrics.lines().any(|found| found == line), "{line} is missing in\n{metrics}");
    }
}

#[tokio::test]
async fn metrics_can_use_a_separate_listener() {
    // A port that was free a moment ago; nothing else of this test asks for one.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let system = System::start_with_env(&[("SYNCWELL_METRICS__LISTEN", &address)]);
    let mut own = client::HttpConnection::new(&format!("http://{address}")).unwrap();
    let metrics = wait_until("the metrics are served", async || {
        own.send(Request::get("/metrics"), bytes::Bytes::new()).await.ok()
    });
    assert!(metrics.await.status.is_success());
    let beside =
        send_raw(&system.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert_eq!(beside.problem_code(), "not_found");
}
