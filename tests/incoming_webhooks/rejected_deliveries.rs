//! Deliveries that are not the provider's: refused with the right code, and nothing appended.

use jiff::SignedDuration;

use super::{
    RawRequest, Scheme, System, USER, WebhookSenders, assert_refused, invalid_signature_status,
    system_deliveries,
};
use crate::harness::now;
use crate::harness::provider::bare_request;
use crate::harness::provider::webhooks::{ProviderDelivery, WebhookSender};

/// Sent to the system that knows these senders, every one is refused and leaves nothing.
struct RejectionCheck<'s> {
    system: &'s System,
}

impl RejectionCheck<'_> {
    async fn assert_rejected(&self, request: &RawRequest, status: u16, code: &str, what: &str) {
        let answer = request.send(&self.system.base_url).await;
        assert_refused(&answer, status, code, what);
        for header in request.headers.values() {
            let value = String::from_utf8_lossy(header);
            assert!(value.len() < 12 || !answer.body_text.contains(&*value), "{what} echoes what was sent");
        }
    }
}

fn with_body(request: RawRequest, body: impl Into<Vec<u8>>) -> RawRequest {
    RawRequest { body: body.into(), ..request }
}

#[tokio::test]
async fn wrong_signature_or_changed_body_is_refused() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    let tried = RejectionCheck { system: &system };
    let signing = senders.all.iter().filter(|sender| !Scheme::UNSIGNED.contains(&sender.scheme));
    for (number, sender) in signing.enumerate() {
        let (scheme, status) = (sender.scheme, invalid_signature_status(sender.scheme));
        let notice = sender.delivery_about(&[USER]);
        let good = sender.request(&notice);
        let what = format!("{scheme:?}");
        let other = if scheme == Scheme::GoogleHealth {
            sender.with_other_tink_key()
        } else {
            let other = WebhookSender::new(scheme);
            sender.with_secret(&other.secret)
        };
        tried.assert_rejected(&other.request(&notice), status, "invalid_signature", &what).await;
        for at in [0, notice.body.len() / 2, notice.body.len() - 1] {
            let mut body = notice.body.clone();
            body[at] ^= 1;
            tried.assert_rejected(&with_body(good.clone(), body), status, "invalid_signature", &what).await;
        }
        for body in [[&notice.body[..], b" "].concat(), notice.body[1..].to_vec(), Vec::new()] {
            tried.assert_rejected(&with_body(good.clone(), body), status, "invalid_signature", &what).await;
        }
        let signatures = good.headers.keys().copied().filter(|name| name.contains("signature"));
        for name in signatures.filter(|name| !name.ends_with("timestamp")) {
            for value in
                ["", "00", "v1,", "t=1,v1=00", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "\u{e9}"]
            {
                let spoiled = good.clone().header(name, value);
                tried
                    .assert_rejected(
                        &spoiled,
                        status,
                        "invalid_signature",
                        &format!("{what} {name}: {value}"),
                    )
                    .await;
            }
            if scheme != Scheme::Strava {
                let without = good.clone().without_header(name);
                tried
                    .assert_rejected(&without, status, "invalid_signature", &format!("{what} without {name}"))
                    .await;
            }
        }
        if scheme == Scheme::GoogleHealth {
            for authorization in ["Bearer other", ""] {
                let spoiled = good.clone().header("authorization", authorization);
                tried.assert_rejected(&spoiled, 401, "invalid_signature", "Google's authorization").await;
            }
            tried
                .assert_rejected(
                    &good.clone().without_header("authorization"),
                    401,
                    "invalid_signature",
                    "and none",
                )
                .await;
        }
        assert_eq!(system_deliveries(&system).await.len(), number, "{scheme:?}");
        // And the good one is as good as before.
        assert!(good.send(&system.base_url).await.status < 300, "{scheme:?}");
        assert_eq!(system_deliveries(&system).await.len(), number + 1, "{scheme:?}");
    }
}

#[tokio::test]
async fn stale_timestamp_is_refused() {
    let senders = WebhookSenders::new(&Scheme::WITH_TIMESTAMP);
    let system = senders.start_system();
    let tried = RejectionCheck { system: &system };
    for sender in &senders.all {
        let hours = if sender.scheme == Scheme::Terra { 26 } else { 0 };
        let tolerance = SignedDuration::from_hours(hours) + SignedDuration::from_secs(300);
        for at in [now() - tolerance - SignedDuration::from_secs(20), now() + SignedDuration::from_secs(330)]
        {
            let stale = sender.request(&sender.delivery_about(&[USER]).with_signed_at(at));
            tried.assert_rejected(&stale, 401, "stale_timestamp", &format!("{:?}", sender.scheme)).await;
            // Without the secret it is not even told that it is stale.
            let forged = sender.with_secret(&WebhookSender::new(sender.scheme).secret);
            let forged = forged.request(&sender.delivery_about(&[USER]).with_signed_at(at));
            tried.assert_rejected(&forged, 401, "invalid_signature", "a forged one").await;
        }
        // The timestamp is signed: another one does not make an old delivery new.
        if let Some(name) =
            ["x-oura-timestamp", "x-whoop-signature-timestamp", "svix-timestamp", "webhook-timestamp"]
                .into_iter()
                .find(|name| sender.request(&sender.delivery_about(&[USER])).headers.contains_key(name))
        {
            let old = sender.delivery_about(&[USER]).with_signed_at(now() - SignedDuration::from_secs(600));
            let fresh =
                sender.request(&ProviderDelivery { signed_at: now(), ..old.clone() }).headers[name].clone();
            let moved = sender.request(&old).header(name, fresh);
            tried.assert_rejected(&moved, 401, "invalid_signature", "a moved timestamp").await;
        }
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
    // What is a little off is let pass.
    for sender in &senders.all {
        for seconds in [-240, 240] {
            let at = now() + SignedDuration::from_secs(seconds);
            let mut notice = sender.delivery_about(&[USER]).with_signed_at(at);
            notice.body.extend(if seconds > 0 { b" ".as_slice() } else { b"\n" });
            let answer = sender.request(&notice).send(&system.base_url).await;
            assert!(answer.status < 300, "{:?}: {answer:?}", sender.scheme);
        }
    }
    assert_eq!(system_deliveries(&system).await.len(), 12);
}

#[tokio::test]
async fn wrong_path_is_refused() {
    let mut senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    let tried = RejectionCheck { system: &system };
    for sender in &mut senders.all {
        let what = format!("{:?}", sender.scheme);
        let notice = sender.delivery_about(&[USER]);
        let right = sender.path_secret.take();
        if let Some(right) = right {
            let mut paths = vec![Some("wrong".to_owned()), Some("%ff".to_owned())];
            let last = if right.ends_with('a') { "b" } else { "a" };
            paths.extend([
                None,
                Some(right.to_uppercase()),
                Some(right[1..].to_owned()),
                Some(format!("{right}x")),
                Some(format!("{}{last}", &right[..right.len() - 1])),
            ]);
            for path in paths {
                sender.path_secret = path;
                tried.assert_rejected(&sender.request(&notice), 404, "not_found", &what).await;
            }
        }
    }
    for path in
        ["/v1/webhooks/nobody", "/v1/webhooks/nobody/secret", "/v1/webhooks/FITBIT", "/v1/webhooks/%ff"]
    {
        tried.assert_rejected(&with_body(bare_request("POST", path), "{}"), 404, "not_found", path).await;
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
}

#[tokio::test]
async fn body_without_a_delivery_is_refused() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    let tried = RejectionCheck { system: &system };
    for sender in &senders.all {
        let what = format!("{:?}", sender.scheme);
        // Signed rightly, and about nobody that can be told.
        let bodies: &[&[u8]] = match sender.scheme {
            Scheme::Withings => &[b"userid=1&userid=2", b"appli=1", b"\xff=1"],
            Scheme::Terra | Scheme::Junction => {
                &[b"{", b"{\"user\":{\"user_id\":[]},\"user_id\":[]}", b"\xff"]
            }
            Scheme::Fitbit
            | Scheme::GoogleHealth
            | Scheme::Oura
            | Scheme::Whoop
            | Scheme::Polar
            | Scheme::Garmin
            | Scheme::Strava
            | Scheme::Suunto
            | Scheme::StandardWebhooks => &[b"", b"{", b"null", b"[{}]", b"{}x", b"{\"steps\":1}", b"\xff"],
        };
        for body in bodies {
            let request = sender.request(&ProviderDelivery::new(*body));
            let body = String::from_utf8_lossy(body).into_owned();
            tried.assert_rejected(&request, 422, "invalid_request", &format!("{what}: {body}")).await;
        }
        let mut large = sender.delivery_about(&[USER]).body;
        large.resize(256 * 1024 + 1, b' ');
        let large = sender.request(&ProviderDelivery::new(large));
        tried.assert_rejected(&large, 413, "body_too_large", &what).await;
        let zipped = sender.request(&sender.delivery_about(&[USER])).header("content-encoding", "gzip");
        tried.assert_rejected(&zipped, 415, "unsupported_media_type", &what).await;
    }
    assert_eq!(system_deliveries(&system).await.len(), 0);
    let sender = &senders.all[0];
    let mut exact = sender.delivery_about(&[USER]);
    exact.body.resize(256 * 1024, b' ');
    assert!(sender.request(&exact).send(&system.base_url).await.status < 300, "just as much as may be");
    assert_eq!(system_deliveries(&system).await.len(), 1);
}
