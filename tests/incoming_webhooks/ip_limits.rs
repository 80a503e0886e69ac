//! From where, and how often.

use super::{Scheme, USER, WebhookSenders, assert_accepted, assert_refused, system_deliveries};
use crate::harness::provider::webhooks::{ProviderDelivery, WebhookSender};
use crate::harness::{RawRequest, System};

/// A delivery unlike the others, which comes by a proxy from this address.
fn request_from(sender: &WebhookSender, address: &str, number: usize) -> RawRequest {
    let mut notice = sender.delivery_about(&[USER]);
    notice.body = if sender.scheme == Scheme::Withings {
        format!("userid={USER}&appli={number}").into_bytes()
    } else {
        [notice.body, vec![b' '; number]].concat()
    };
    sender.request(&ProviderDelivery { ..notice }).header("x-forwarded-for", address)
}

fn start_behind_proxy(senders: &WebhookSenders, more: &[(&str, &str)]) -> System {
    let mut environment = senders.environment.clone();
    let more = more.iter().chain(&[("SYNCWELL_RATES__TRUSTED_PROXIES", r#"["127.0.0.0/8"]"#)]);
    environment.extend(more.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    System::start_with_env(&crate::harness::provider::as_str_pairs(&environment))
}

#[tokio::test]
async fn unsigned_deliveries_require_an_allowed_ip() {
    let senders = WebhookSenders::new(&[Scheme::Withings, Scheme::Garmin, Scheme::Suunto]);
    let addresses = r#"["192.0.2.0/24", "2001:db8::7"]"#;
    let system = start_behind_proxy(
        &senders,
        &[
            ("SYNCWELL_PROVIDERS__WITHINGS__WEBHOOK_ADDRESSES", addresses),
            ("SYNCWELL_PROVIDERS__GARMIN__WEBHOOK_ADDRESSES", addresses),
            ("SYNCWELL_PROVIDERS__SUUNTO__WEBHOOK_ADDRESSES", addresses),
        ],
    );
    let [withings, garmin, suunto] = [0, 1, 2].map(|number| &senders.all[number]);
    for sender in [withings, garmin] {
        for address in ["198.51.100.7", "192.0.3.1", "2001:db8::8", "127.0.0.1"] {
            let refused = request_from(sender, address, 1).send(&system.base_url).await;
            assert_refused(&refused, 404, "not_found", address);
        }
        let direct =
            request_from(sender, "x", 1).without_header("x-forwarded-for").send(&system.base_url).await;
        assert_refused(&direct, 404, "not_found", "the proxy's own address is nobody's");
        for (number, address) in ["192.0.2.7", "2001:db8::7"].into_iter().enumerate() {
            let number = number + 10;
            assert_accepted(
                sender.scheme,
                &request_from(sender, address, number).send(&system.base_url).await,
            );
        }
    }
    assert_eq!(system_deliveries(&system).await.len(), 4);
    // And even from there only with the secret, and as Garmin with its id.
    let mut wrong = withings.clone();
    wrong.path_secret = Some("wrong".to_owned());
    assert_eq!(request_from(&wrong, "192.0.2.7", 3).send(&system.base_url).await.problem_code(), "not_found");
    let mut wrong = garmin.clone();
    wrong.client_id = "another".to_owned();
    assert_eq!(
        request_from(&wrong, "192.0.2.7", 3).send(&system.base_url).await.problem_code(),
        "invalid_signature"
    );
    let without = request_from(garmin, "192.0.2.7", 3).without_header("garmin-client-id");
    assert_eq!(without.send(&system.base_url).await.problem_code(), "invalid_signature");
    assert_eq!(system_deliveries(&system).await.len(), 4);
    // A signature is worth more than an address.
    assert_accepted(Scheme::Suunto, &request_from(suunto, "198.51.100.7", 3).send(&system.base_url).await);
}

#[tokio::test]
async fn rate_limits_apply_per_ip_and_provider() {
    let senders = WebhookSenders::new(&[Scheme::Withings, Scheme::Suunto]);
    let system = start_behind_proxy(
        &senders,
        &[
            ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "3"),
            ("SYNCWELL_PROVIDERS__WITHINGS__WEBHOOK_ADDRESSES", r#"["192.0.2.0/24"]"#),
            ("SYNCWELL_PROVIDERS__WITHINGS__WEBHOOK_REQUESTS_PER_5_MINUTES", "6"),
        ],
    );
    let (withings, suunto) = (&senders.all[0], &senders.all[1]);
    let limited = async |sender: &WebhookSender, address: &str, free: usize| {
        for number in 1..=free {
            let answer = request_from(sender, address, number).send(&system.base_url).await;
            assert!(answer.status < 300, "{number} of {free}: {answer:?}");
        }
        let refused = request_from(sender, address, free + 1).send(&system.base_url).await;
        assert_refused(&refused, 429, "rate_limited", address);
        for header in ["retry-after", "ratelimit", "ratelimit-policy"] {
            assert!(refused.headers.contains_key(header), "{refused:?}");
        }
    };
    limited(withings, "192.0.2.7", 6).await;
    limited(suunto, "198.51.100.7", 3).await;
    let received_before = system_deliveries(&system).await.len();
    assert_eq!(received_before, 9, "what was refused left nothing");
    // Each address for itself.
    assert!(request_from(withings, "192.0.2.8", 20).send(&system.base_url).await.status < 300);
    assert!(request_from(suunto, "198.51.100.8", 20).send(&system.base_url).await.status < 300);
    // Guessing at providers and secrets counts too.
    for path in ["/v1/webhooks/nobody", "/v1/webhooks/withings/guess", "/v1/webhooks/suunto"] {
        let guess = RawRequest { path: path.to_owned(), ..request_from(suunto, "198.51.100.9", 1) };
        assert_ne!(guess.without_header("x-hmac-sha256-signature").send(&system.base_url).await.status, 429);
    }
    let refused = request_from(suunto, "198.51.100.9", 30).send(&system.base_url).await;
    assert_refused(&refused, 429, "rate_limited", "the guesses");
}
