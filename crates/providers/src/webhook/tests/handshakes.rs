//! Handshakes by a code, a challenge, a ping and HEAD. Google's is with its signatures.

use super::*;

fn to(name: &str, sent: &TestRequest) -> Result<VerifiedWebhook, WebhookError> {
    let secrets = WebhookSecrets {
        signing: vec![secret("golden-secret")],
        path: if provider(name).webhook.as_ref().unwrap().is_path_secret_required {
            vec![secret(PATH)]
        } else {
            vec![]
        },
        verify: vec![secret("old-token"), secret("new+token")],
        ..WebhookSecrets::default()
    };
    sent.verify_by(provider(name).webhook.as_ref().unwrap(), &secrets)
}

fn answered(status: u16) -> Result<VerifiedWebhook, WebhookError> {
    Ok(VerifiedWebhook::Handshake(WebhookResponse::empty(status)))
}

fn echoed(body: &str) -> Result<VerifiedWebhook, WebhookError> {
    let reply =
        WebhookResponse { status: 200, content_type: Some("application/json"), body: body.to_owned() };
    Ok(VerifiedWebhook::Handshake(reply))
}

#[test]
fn fitbit_by_a_code() {
    for query in ["verify=old-token", "verify=new%2Btoken", "a=b&verify=old-token"] {
        assert_eq!(to("fitbit", &TestRequest::get(query)), answered(204), "{query}");
    }
    let wrong = Err(WebhookError::InvalidVerifyToken { status: 404 });
    for query in ["", "verify=", "verify=wrong", "verify=new+token", "Verify=old-token", "verify=old-token2"]
    {
        assert_eq!(to("fitbit", &TestRequest::get(query)), wrong, "{query}");
    }
    assert_eq!(to("fitbit", &TestRequest::get("verify=old-token&verify=wrong")), wrong);
    assert_eq!(to("fitbit", &TestRequest { query: None, ..TestRequest::get("") }), wrong);
}

#[test]
fn oura_by_a_challenge() {
    let get = |query: &str| to("oura", &TestRequest::get(query));
    assert_eq!(get("verification_token=old-token&challenge=abc"), echoed(r#"{"challenge":"abc"}"#));
    assert_eq!(get("challenge=%22%7D%3C&verification_token=new%2Btoken"), echoed(r#"{"challenge":"\"}<"}"#));
    let wrong = Err(WebhookError::InvalidVerifyToken { status: 403 });
    for query in [
        "",
        "challenge=abc",
        "verification_token=&challenge=abc",
        "verification_token=wrong&challenge=abc",
        "verification_token=old-token&verification_token=old-token&challenge=abc",
    ] {
        assert_eq!(get(query), wrong, "{query}");
    }
}

#[test]
fn challenges_that_are_not_echoed() {
    let get = |challenge: &str| {
        to("oura", &TestRequest::get(&format!("verification_token=old-token&challenge={challenge}")))
    };
    let malformed = Err(WebhookError::Malformed("the challenge"));
    let longest = "x".repeat(512);
    assert_eq!(get(&longest), echoed(&format!(r#"{{"challenge":"{longest}"}}"#)));
    for challenge in ["", "%00", "%0A", "%C3%B6", "%7F", &"x".repeat(513), "a&challenge=a"] {
        assert_eq!(get(challenge), malformed, "{challenge}");
    }
    assert_eq!(to("oura", &TestRequest::get("verification_token=old-token")), malformed);
}

#[test]
fn strava_by_a_challenge_of_its_own_names() {
    let get = |query: &str| to("strava", &TestRequest::get(query).with_path(PATH));
    let right =
        "hub.mode=subscribe&hub.verify_token=old-token&hub.challenge=15f7d1a91c1f40f8a748fd134752feb3";
    assert_eq!(get(right), echoed(r#"{"hub.challenge":"15f7d1a91c1f40f8a748fd134752feb3"}"#));
    let wrong = Err(WebhookError::InvalidVerifyToken { status: 403 });
    assert_eq!(get(&right.replace("old-token", "x")), wrong);
    let malformed = |query: &str| matches!(get(query), Err(WebhookError::Malformed(_)));
    assert!(malformed(&right.replace("subscribe", "unsubscribe")));
    assert!(malformed(&right.replace("hub.mode=subscribe&", "")));
    assert!(malformed(&format!("{right}&hub.mode=subscribe")));
    assert_eq!(
        to("strava", &TestRequest::get(right)),
        Err(WebhookError::InvalidPathSecret),
        "the path comes first"
    );
}

#[test]
fn polar_by_a_ping_before_there_is_a_secret() {
    let provider = provider("polar");
    let webhook = provider.webhook.as_ref().unwrap();
    let none = WebhookSecrets::default();
    assert_eq!(webhook.check_secrets(&none), Ok(()), "its secret comes after the ping");
    for ping in [r#"{"event":"PING"}"#, " { \"event\" : \"PING\" } "] {
        assert_eq!(TestRequest::post(&[], ping).verify_by(webhook, &none), answered(200), "{ping}");
        assert_eq!(to("polar", &TestRequest::post(&[], ping)), answered(200), "{ping}");
    }
    let wrong = Err(WebhookError::InvalidSignature { status: 401 });
    for other in [
        r#"{"event":"PING","user_id":1}"#,
        r#"{"event":"ping"}"#,
        r#"{"event":["PING"]}"#,
        r#"[{"event":"PING"}]"#,
        r#"{"event":"EXERCISE"}"#,
        r#"{"event":"PING"} x"#,
        "",
    ] {
        assert_eq!(to("polar", &TestRequest::post(&[], other)), wrong, "{other}");
    }
    let unsigned =
        TestRequest::post(&[("polar-webhook-signature", "00")], r#"{"event":"EXERCISE","user_id":1}"#);
    assert_eq!(unsigned.verify_by(webhook, &none), Err(WebhookError::NotConfigured("the signing secret")));
}

#[test]
fn a_table_can_allow_a_ping_more_keys() {
    let text = include_str!("../../../tables/polar.toml")
        .replace("\"PING\"", "\"PING\"\nignored = [\"timestamp\"]\nstatus = 202");
    let provider = Provider::parse("polar", &text).unwrap();
    let ping = |body| {
        TestRequest::post(&[], body).verify_by(provider.webhook.as_ref().unwrap(), &WebhookSecrets::default())
    };
    assert_eq!(ping(r#"{"timestamp":"2026-11-22T08:00:00Z","event":"PING"}"#), answered(202));
    assert_eq!(ping(r#"{"event":"PING"}"#), answered(202));
    assert!(ping(r#"{"timestamp":"2026-11-22T08:00:00Z"}"#).is_err());
    assert!(ping(r#"{"event":"PING","timestamp":1,"user_id":1}"#).is_err());
}

#[test]
fn withings_by_head() {
    let head = TestRequest { method: WebhookMethod::Head, ..TestRequest::post(&[], "") };
    assert_eq!(to("withings", &head), Err(WebhookError::InvalidPathSecret));
    assert_eq!(to("withings", &head.with_path(PATH)), answered(200));
}

#[test]
fn methods_that_a_provider_does_not_use() {
    for provider in SHIPPED.iter() {
        let webhook = provider.webhook.as_ref().unwrap();
        let path = webhook.is_path_secret_required.then_some(PATH);
        for method in [WebhookMethod::Get, WebhookMethod::Head] {
            let used = match (provider.name.as_str(), method) {
                ("fitbit" | "oura" | "strava", WebhookMethod::Get) | ("withings", WebhookMethod::Head) => {
                    true
                }
                (_, WebhookMethod::Get | WebhookMethod::Head | WebhookMethod::Post) => false,
            };
            let answer = to(provider.name.as_str(), &TestRequest { method, path, ..TestRequest::get("") });
            assert_eq!(answer == Err(WebhookError::MethodNotAllowed), !used, "{} {method:?}", provider.name);
        }
    }
}
