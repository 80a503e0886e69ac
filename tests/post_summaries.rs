//! Each line of the contract's answers (section 4), through real HTTP.

use schemas::Outcome;
use serde_json::Value;

use crate::harness::{RawRequest, RawResponse, System, now, summary, wait_until, yesterday};

#[tokio::test]
async fn contract_example_is_created_replayed_and_merged() {
    let system = System::start();
    let credentials = system.credentials("example", &[]);
    let date = yesterday();
    let example = format!(
        r#"{{ "date": "{date}", "steps": 9234, "resting_hr": 58, "sleep_hours": 7.4, "hrv": 46.2,
        "workouts": [ {{ "type": "running", "duration": 42, "calories": 418.5, "start_time": "{date}T06:22:00Z" }} ],
        "generated_at": "{date}T21:59:45Z" }}"#
    );
    let request = RawRequest::post(&credentials, example.clone());
    let created = request.send(&system.base_url).await;
    assert_eq!((created.status, &created.json()["outcome"]), (201, &Value::from("created")));
    let first = created.json();
    assert_eq!(
        (&first["date"], &first["sequence"], &first["replayed"]),
        (&date.to_string().into(), &1.into(), &false.into())
    );
    assert!(created.headers.contains_key("x-correlation-id"));

    let again = request.send(&system.base_url).await;
    assert_eq!(again.status, 200);
    let again = again.json();
    assert_eq!((&again["outcome"], &again["replayed"]), (&"unchanged".into(), &true.into()));
    assert_eq!((&again["event_id"], &again["sequence"]), (&first["event_id"], &first["sequence"]));

    let anew =
        RawRequest::post_signed_at(&credentials, &now().to_string(), example).send(&system.base_url).await;
    let anew_json = anew.json();
    assert_eq!(
        (anew.status, &anew_json["outcome"], &anew_json["replayed"]),
        (200, &"unchanged".into(), &false.into())
    );
    assert_eq!(anew_json["sequence"], 2, "a re-submission signed anew is a new event");

    let sparse = summary("22:30:00", r#""steps":10000"#);
    assert_eq!(
        RawRequest::post(&credentials, sparse).send(&system.base_url).await.json()["outcome"],
        "merged"
    );
    system.stop().await;
}

#[tokio::test]
async fn older_summary_fills_missing_fields() {
    let system = System::start();
    let credentials = system.credentials("gaps", &[]);
    let post = async |body: String| {
        RawRequest::post(&credentials, body).send(&system.base_url).await.json()["outcome"].clone()
    };
    assert_eq!(post(summary("20:00:00", r#""steps":9000"#)).await, "created");
    assert_eq!(post(summary("08:00:00", r#""steps":1000,"hrv":50"#)).await, "merged");
    assert_eq!(post(summary("07:00:00", r#""steps":10"#)).await, "unchanged");
    let row = RawRequest::get(&credentials, &format!("/v1/summaries/{}", yesterday()))
        .send(&system.base_url)
        .await
        .json();
    assert_eq!((&row["steps"], &row["hrv"]), (&9000.into(), &50.into()));
}

#[tokio::test]
async fn each_refusal_has_its_status_and_code() {
    let system = System::start();
    let url = &system.base_url;
    let good = system.credentials("refused", &[]);
    let body = summary("20:00:00", r#""steps":9000"#);
    let post = || RawRequest::post(&good, body.clone());
    let old = (now().as_second() - 301).to_string();
    let early = (now().as_second() + 330).to_string();
    let read_only = system.credentials("refused", &["--scope", "sync:read"]);
    let other = system.credentials("somebody-else", &[]);
    let mut flipped = post();
    flipped.body[10] ^= 1;
    let cases: Vec<(&str, RawRequest, u16, &str)> = vec![
        ("no token", post().without_header("authorization"), 401, "invalid_token"),
        ("another scheme", post().header("authorization", "Basic abc"), 401, "invalid_token"),
        ("a wrong token", post().header("authorization", "Bearer abc"), 401, "invalid_token"),
        (
            "a token for too long",
            RawRequest::post(&system.credentials("refused", &["--ttl", "2h"]), body.clone()),
            401,
            "invalid_token",
        ),
        ("no scope", RawRequest::post(&read_only, body.clone()), 403, "insufficient_scope"),
        ("no timestamp", post().without_header("x-sync-timestamp"), 400, "invalid_header"),
        ("a timestamp that is none", post().header("x-sync-timestamp", "noon"), 400, "invalid_header"),
        (
            "a timestamp that is not ASCII",
            post().header("x-sync-timestamp", "１７".as_bytes()),
            400,
            "invalid_header",
        ),
        (
            "a signature that is not ASCII",
            post().header("x-sync-signature", [0xff, 0xfe]),
            400,
            "invalid_header",
        ),
        (
            "a token that is not ASCII",
            post().header("authorization", "Bearer ü".as_bytes()),
            400,
            "invalid_header",
        ),
        ("an old timestamp", RawRequest::post_signed_at(&good, &old, body.clone()), 401, "stale_timestamp"),
        (
            "an early timestamp",
            RawRequest::post_signed_at(&good, &early, body.clone()),
            401,
            "stale_timestamp",
        ),
        ("no signature", post().without_header("x-sync-signature"), 401, "invalid_signature"),
        ("a wrong signature", post().header("x-sync-signature", "ab".repeat(32)), 401, "invalid_signature"),
        ("a body changed by one bit", flipped, 401, "invalid_signature"),
        (
            "somebody else's token",
            post().header("authorization", format!("Bearer {}", other.token)),
            401,
            "invalid_signature",
        ),
        ("an unknown key", post().header("x-sync-key-id", "9.default"), 401, "invalid_signature"),
        ("five signatures", post().header("x-sync-signature", ["ab"; 5].join(",")), 400, "invalid_header"),
        ("another content type", post().header("content-type", "text/plain"), 415, "unsupported_media_type"),
        ("no content type", post().without_header("content-type"), 415, "unsupported_media_type"),
        ("an encoded body", post().header("content-encoding", "gzip"), 415, "unsupported_media_type"),
        ("no JSON", RawRequest::post(&good, "nonsense"), 400, "invalid_json"),
        ("no summary", RawRequest::post(&good, "{}"), 422, "invalid_summary"),
        ("a body too large", RawRequest::post(&good, " ".repeat(65_537)), 413, "body_too_large"),
        ("another method", RawRequest { method: "PUT", ..post() }, 405, "method_not_allowed"),
        ("another path", RawRequest { path: "/v1/nothing".to_owned(), ..post() }, 404, "not_found"),
    ];
    for (what, request, status, code) in cases {
        let answer = request.send(url).await;
        assert_eq!((answer.status, answer.problem_code().as_str()), (status, code), "{what}: {answer:?}");
        // Four digits stand in one random id of two thousand.
        let said = answer.body_text.replace(&answer.headers["x-correlation-id"], "");
        assert!(!said.contains("9000"), "{what}: a value that was sent is echoed: {said}");
    }
    let refused = post().without_header("authorization").send(url).await;
    assert!(refused.headers["www-authenticate"].starts_with("Bearer"));
    let stale = RawRequest::post_signed_at(&good, &old, body.clone()).send(url).await.json();
    let server_time: jiff::Timestamp = stale["server_time"].as_str().unwrap().parse().unwrap();
    assert!(now().duration_since(server_time).abs().as_secs() < 60);
    let tail = system.run_command(&["events", "tail"]);
    assert_eq!(String::from_utf8(tail.stdout).unwrap(), "", "nothing was appended");
    // And after all that, a good one is accepted.
    assert_eq!(post().send(url).await.status, 201);
}

#[tokio::test]
async fn expired_token_is_refused_after_earlier_success() {
    let environment = [("SYNCWELL_AUTH__LEEWAY_SECONDS", "0"), ("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0")];
    let system = System::start_with_env(&environment);
    let credentials = system.credentials("expiring", &["--ttl", "2s"]);
    let answer = wait_until("the token has expired", async || {
        let answer = RawRequest::post(&credentials, "{}").send(&system.base_url).await;
        (answer.status != 422).then_some(answer)
    });
    assert_eq!(answer.await.problem_code(), "invalid_token");
}

#[tokio::test]
async fn checks_run_in_the_contract_order() {
    let system = System::start();
    let url = &system.base_url;
    let good = system.credentials("order", &[]);
    // Everything is wrong with this request; each step mends the first thing that was refused.
    let everything = RawRequest::post(&good, "x".repeat(70_000))
        .without_header("authorization")
        .header("x-sync-timestamp", "1000000000")
        .header("x-sync-signature", "ab".repeat(32))
        .header("content-type", "text/plain");
    let sized = RawRequest { body: b"nonsense".to_vec(), ..everything.clone() };
    let with_token = sized.clone().header("authorization", format!("Bearer {}", good.token));
    let fresh = now().as_second().to_string();
    let signed = RawRequest::post_signed_at(&good, &fresh, "nonsense").header("content-type", "text/plain");
    let steps = [
        (everything, "body_too_large"),
        (sized, "invalid_token"),
        (with_token.clone(), "stale_timestamp"),
        (with_token.header("x-sync-timestamp", fresh), "invalid_signature"),
        (signed.clone(), "unsupported_media_type"),
        (signed.header("content-type", "application/json"), "invalid_json"),
        (RawRequest::post(&good, "[]"), "invalid_summary"),
    ];
    for (request, code) in steps {
        assert_eq!(request.send(url).await.problem_code(), code);
    }
}

#[tokio::test]
async fn each_violation_is_reported_by_json_pointer() {
    let system = System::start();
    let body = r#"{"date":"2026-02-30","steps":-1,"mood":"fine","workouts":[{"type":"","duration":0}]}"#;
    let answer = RawRequest::post(&system.credentials("pointers", &[]), body).send(&system.base_url).await;
    assert_eq!(answer.problem_code(), "invalid_summary");
    let errors = answer.json()["errors"].clone();
    let found: Vec<_> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["pointer"].as_str().unwrap(), e["code"].as_str().unwrap()))
        .collect();
    let expected = [
        ("/date", "invalid_format"),
        ("/steps", "out_of_range"),
        ("/mood", "unknown_field"),
        ("/workouts/0/type", "invalid_format"),
        ("/workouts/0/duration", "out_of_range"),
        ("/workouts/0/start_time", "required"),
        ("/generated_at", "required"),
    ];
    assert_eq!(found, expected);
}

#[tokio::test]
async fn all_timestamp_and_signature_formats_are_accepted() {
    let system = System::start();
    let credentials = system.credentials("spellings", &[]);
    let now = now();
    let timestamps = [now.as_second().to_string(), now.as_millisecond().to_string(), now.to_string()];
    for (number, timestamp) in timestamps.iter().enumerate() {
        let body = summary(&format!("1{number}:00:00"), r#""steps":5"#);
        let request = RawRequest::post_signed_at(&credentials, timestamp, body);
        let hex = String::from_utf8(request.headers["x-sync-signature"].clone()).unwrap();
        let other = "0".repeat(64);
        let spelled = [hex.clone(), format!("v1={hex}"), format!("v1={other}, v1={hex}")][number].clone();
        let answer =
            request.header("x-sync-signature", spelled).header("x-sync-key-id", credentials.key_id.clone());
        let answer = answer.send(&system.base_url).await;
        assert!(matches!(answer.status, 200 | 201), "{timestamp}: {answer:?}");
    }
}

#[tokio::test]
async fn respond_async_returns_202_and_a_location() {
    let system = System::start();
    let credentials = system.credentials("patient", &[]);
    let request =
        RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#)).header("prefer", "respond-async");
    let answer = request.send(&system.base_url).await;
    assert_eq!((answer.status, &answer.json()["outcome"]), (202, &Value::Null));
    let location = answer.headers["location"].clone();
    assert_eq!(location, format!("/v1/events/{}", answer.json()["event_id"].as_str().unwrap()));
    let outcome = wait_until("the outcome is known", async || {
        let event = RawRequest::get(&credentials, &location).send(&system.base_url).await.json();
        serde_json::from_value::<Option<Outcome>>(event["outcome"].clone()).unwrap()
    });
    assert_eq!(outcome.await, Outcome::Created);
}

#[tokio::test]
async fn rates_are_limited_per_user_and_address() {
    let environment =
        [("SYNCWELL_RATES__PER_USER_BURST", "3"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "12")];
    let system = System::start_with_env(&environment);
    let (one, other) = (system.credentials("one", &[]), system.credentials("other", &[]));
    let post = async |credentials| -> RawResponse {
        RawRequest::post(credentials, summary("20:00:00", r#""steps":1"#)).send(&system.base_url).await
    };
    for _ in 0..3 {
        assert!(post(&one).await.status < 300);
    }
    let limited = post(&one).await;
    assert_eq!((limited.status, limited.problem_code().as_str()), (429, "rate_limited"));
    assert!(limited.headers["retry-after"].parse::<u64>().unwrap() >= 1);
    assert!(limited.headers["ratelimit"].starts_with("\"per_user\";r=0;t="));
    assert_eq!(limited.headers["ratelimit-policy"], "\"per_user\";q=60;w=60");
    assert!(post(&other).await.status < 300, "one user's rate is not another's");
    // The address is counted before the token is looked at.
    let anonymous = RawRequest::post(&one, "{}").without_header("authorization");
    let mut codes = Vec::new();
    for _ in 0..10 {
        codes.push(anonymous.send(&system.base_url).await.problem_code());
    }
    assert_eq!(codes.first().map(String::as_str), Some("invalid_token"));
    assert_eq!(codes.last().map(String::as_str), Some("rate_limited"));
}

#[tokio::test]
async fn value_bounds_are_configurable() {
    let system = System::start_with_env(&[
        ("SYNCWELL_SYNC__BOUNDS__STEPS", "[0, 100]"),
        ("SYNCWELL_SYNC__BOUNDS__HRV", "[0, 500]"),
    ]);
    let credentials = system.credentials("bounds", &[]);
    let post = async |values: &str| {
        RawRequest::post(&credentials, summary("20:00:00", values)).send(&system.base_url).await.status
    };
    assert_eq!(post(r#""steps":101"#).await, 422);
    assert_eq!(post(r#""steps":100,"hrv":400"#).await, 201);
}
