//! What the door does not take, and of which nothing comes.

use serde_json::{Value, json};

use super::{ConnectedSystem, REDIRECT_URI};
use crate::harness::provider::{Endpoint, ProviderProfile};

/// The pointers of a 422, in their order.
fn error_pointers(problem: &Value) -> Vec<&str> {
    let mut pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    pointers.sort_unstable();
    pointers
}

#[tokio::test]
async fn unknown_provider_and_redirect_uri_are_refused() {
    // Oura is shipped, and not configured.
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let app = connected.app("ana");
    for (provider, redirect_uri, expected) in [
        ("oura", REDIRECT_URI, ["/provider"].as_slice()),
        ("nobody", REDIRECT_URI, &["/provider"]),
        ("Simulated", REDIRECT_URI, &["/provider"]),
        ("", REDIRECT_URI, &["/provider"]),
        ("simulated", "myapp://connected/", &["/redirect_uri"]),
        ("simulated", "myapp://Connected", &["/redirect_uri"]),
        ("simulated", "myapp://connected?x=1", &["/redirect_uri"]),
        ("simulated", "myapp://connected#x", &["/redirect_uri"]),
        ("simulated", "myapp://connecte", &["/redirect_uri"]),
        ("simulated", " myapp://connected", &["/redirect_uri"]),
        ("simulated", "https://evil.example/", &["/redirect_uri"]),
        ("simulated", "", &["/redirect_uri"]),
        ("nobody", "https://evil.example/", &["/provider", "/redirect_uri"]),
    ] {
        let body = json!({ "provider": provider, "redirect_uri": redirect_uri });
        let refused = app.post("/v1/connections", &body).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (422, "invalid_request"), "{body}");
        assert_eq!(error_pointers(&refused.json()), expected, "{body}");
        assert!(!refused.body_text.contains("evil.example"), "what was sent is not echoed");
    }
    assert_eq!(connected.event_types().await, [""; 0]);
    assert!(connected.simulator().requests().is_empty());
}

#[tokio::test]
async fn malformed_bodies_are_refused_with_every_violation() {
    let connected = ConnectedSystem::start(ProviderProfile::default());
    let app = connected.app("ana");
    let begun = app.begin_connection().await;
    let (begin, authorize, reauth) = (
        "/v1/connections".to_owned(),
        format!("/v1/connections/{}/authorize", begun.id),
        format!("/v1/connections/{}/reauth", begun.id),
    );
    let good = format!(r#""provider":"simulated","redirect_uri":"{REDIRECT_URI}""#);
    let long = format!(r#"{{"code":"{}","state":"s"}}"#, "x".repeat(9 * 1_024));
    let requests = [
        (&begin, "{", 400, "invalid_json", [].as_slice()),
        (&begin, "", 415, "unsupported_media_type", &[]),
        (&begin, "{} x", 400, "invalid_json", &[]),
        (&begin, "[]", 422, "invalid_request", &[""]),
        (&begin, "{}", 422, "invalid_request", &["/provider", "/redirect_uri"]),
        (
            &begin,
            &format!(r#"{{{good},"scope":"all","client_id":"x"}}"#),
            422,
            "invalid_request",
            &["/client_id", "/scope"],
        ),
        (
            &begin,
            r#"{"provider":7,"redirect_uri":["x"]}"#,
            422,
            "invalid_request",
            &["/provider", "/redirect_uri"],
        ),
        (&begin, &format!(r#"{{{good},"provider":"simulated"}}"#), 422, "invalid_request", &["/provider"]),
        (
            &begin,
            &format!(r#"{{{good},"code_challenge":"short"}}"#),
            422,
            "invalid_request",
            &["/code_challenge"],
        ),
        (&authorize, "{}", 422, "invalid_request", &["/code", "/state"]),
        (&authorize, r#"{"code":"","state":null}"#, 422, "invalid_request", &["/code", "/state"]),
        (&authorize, r#"{"code":"c","state":"s","token":"t"}"#, 422, "invalid_request", &["/token"]),
        (
            &authorize,
            r#"{"code":"c d","state":"s","code_verifier":1,"iss":{}}"#,
            422,
            "invalid_request",
            &["/code", "/code_verifier", "/iss"],
        ),
        (&authorize, &long, 413, "body_too_large", &[]),
        (&authorize, "\u{feff}{}", 400, "invalid_json", &[]),
        (&reauth, r#"{"provider":"simulated"}"#, 422, "invalid_request", &["/provider"]),
        (&reauth, "nothing", 400, "invalid_json", &[]),
    ];
    for (path, body, status, code, expected) in requests {
        let refused = app.request("POST", path, body).send(&app.ingest_url).await;
        assert_eq!((refused.status, refused.problem_code().as_str()), (status, code), "{path} {body}");
        if status == 422 {
            assert_eq!(error_pointers(&refused.json()), expected, "{path} {body}");
        }
    }
    let form = app.request("POST", &authorize, "code=c&state=s");
    let refused =
        form.header("content-type", "application/x-www-form-urlencoded").send(&app.ingest_url).await;
    assert_eq!((refused.status, refused.problem_code().as_str()), (415, "unsupported_media_type"));
    assert_eq!(connected.event_types().await, ["connection.requested"]);
    assert_eq!(connected.simulator().requests_to(Endpoint::Exchange).len(), 0);
    assert_eq!(app.complete_authorization(&begun).await.status, 200, "and the state is as good as before");
}
