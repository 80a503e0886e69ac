//! How providers find out that a callback is ours. Nothing of it is appended.

use serde_json::json;

use super::{Scheme, WebhookSenders, assert_refused, system_deliveries};
use crate::harness::RawRequest;
use crate::harness::provider::bare_request;
use crate::harness::provider::webhooks::WebhookSender;

const CHALLENGE: &str = "15f7d1a91c1f40f8a748fd134752feb3";

#[tokio::test]
async fn valid_handshake_gets_the_expected_response() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    for sender in &senders.all {
        let Some(handshake) = sender.handshake(CHALLENGE) else { continue };
        let answer = handshake.send(&system.base_url).await;
        let (status, echo) = match sender.scheme {
            Scheme::Fitbit => (204, None),
            Scheme::Oura => (200, Some(json!({ "challenge": CHALLENGE }))),
            Scheme::Strava => (200, Some(json!({ "hub.challenge": CHALLENGE }))),
            Scheme::GoogleHealth
            | Scheme::Whoop
            | Scheme::Withings
            | Scheme::Polar
            | Scheme::Garmin
            | Scheme::Suunto
            | Scheme::Terra
            | Scheme::Junction
            | Scheme::StandardWebhooks => (200, None),
        };
        assert_eq!(answer.status, status, "{:?}: {answer:?}", sender.scheme);
        match echo {
            Some(echo) => {
                assert_eq!(answer.json(), echo);
                assert_eq!(answer.headers["content-type"], "application/json");
            }
            None => assert_eq!(answer.body_text, "", "{:?}", sender.scheme),
        }
        // As often as they like.
        assert_eq!(handshake.send(&system.base_url).await.status, status);
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
}

#[tokio::test]
async fn invalid_handshake_is_refused_without_echo() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    let echo = "echo-me-not";
    for sender in &senders.all {
        let what = format!("{:?}", sender.scheme);
        let mut stranger = WebhookSender::new(sender.scheme);
        stranger.path_secret = sender.path_secret.clone();
        let Some(handshake) = stranger.handshake(echo) else { continue };
        let refused = handshake.send(&system.base_url).await;
        assert!(!refused.body_text.contains(echo), "{what}: {refused:?}");
        match sender.scheme {
            Scheme::Fitbit => assert_refused(&refused, 404, "invalid_signature", &what),
            Scheme::GoogleHealth => assert_refused(&refused, 401, "invalid_signature", &what),
            Scheme::Oura | Scheme::Strava => assert_refused(&refused, 403, "invalid_signature", &what),
            // They have none to get wrong.
            Scheme::Withings
            | Scheme::Polar
            | Scheme::Whoop
            | Scheme::Garmin
            | Scheme::Suunto
            | Scheme::Terra
            | Scheme::Junction
            | Scheme::StandardWebhooks => assert_eq!(refused.status, 200, "{what}"),
        }
        if sender.path_secret.is_some() {
            let mut lost = sender.clone();
            lost.path_secret = Some("wrong".to_owned());
            let refused = lost.handshake(echo).unwrap().send(&system.base_url).await;
            assert_eq!(refused.status, 404, "{what}: {refused:?}");
        }
    }
    let path = |scheme: Scheme| {
        let sender = senders.all.iter().find(|sender| sender.scheme == scheme).unwrap();
        (
            sender.handshake("x").unwrap().path.split('?').next().unwrap().to_owned(),
            sender.verify_token.clone(),
        )
    };
    let ((oura, token), (strava, verify)) = (path(Scheme::Oura), path(Scheme::Strava));
    for (query, what) in [
        (format!("{oura}?verification_token={token}"), "without a challenge"),
        (format!("{oura}?challenge={echo}"), "without a token"),
        (
            format!("{oura}?verification_token={token}&challenge={}", "x".repeat(513)),
            "a challenge that is too long",
        ),
        (format!("{oura}?verification_token={token}&challenge=%0d%0ax"), "a challenge of two lines"),
        (
            format!("{strava}?hub.mode=unsubscribe&hub.verify_token={verify}&hub.challenge={echo}"),
            "another mode",
        ),
        (format!("{strava}?hub.verify_token={verify}&hub.challenge={echo}"), "without a mode"),
    ] {
        let refused = bare_request("GET", &query).send(&system.base_url).await;
        assert!(refused.status >= 400 && refused.status < 500, "{what}: {refused:?}");
        refused.problem_code();
        assert!(!refused.body_text.contains(echo), "{what}");
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
}

/// Who has no such handshake delivers, and in no other way.
#[tokio::test]
async fn unexpected_methods_get_405() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    for sender in &senders.all {
        let good = sender.request(&sender.delivery_about(&["7"]));
        let is_get = |method| sender.handshake("x").is_some_and(|handshake| handshake.method == method);
        for method in ["GET", "HEAD"] {
            if is_get(method) {
                continue;
            }
            let answer = RawRequest { method, body: Vec::new(), ..good.clone() }.send(&system.base_url).await;
            assert_eq!(answer.status, 405, "{:?} {method}: {answer:?}", sender.scheme);
        }
        let put = RawRequest { method: "PUT", body: Vec::new(), ..good }.send(&system.base_url).await;
        assert_eq!(put.status, 405, "{put:?}");
    }
    // Polar's ping is a ping and nothing else.
    let polar = senders.all.iter().find(|sender| sender.scheme == Scheme::Polar).unwrap();
    for body in [r#"{"event":"PONG"}"#, r#"{"event":"PING","user_id":7}"#, "PING"] {
        let ping = RawRequest { body: body.into(), ..polar.handshake("").unwrap() };
        let answer = ping.send(&system.base_url).await;
        assert_eq!(answer.status, 401, "{body}: {answer:?}");
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
}
