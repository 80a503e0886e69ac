//! No secret of a callback in any log, and nothing of what providers tell in clear on any disk.

use super::{OTHER_USER, Scheme, USER, WebhookSenders, system_deliveries};
use crate::harness::provider::as_str_pairs;
use crate::harness::provider::webhooks::ProviderDelivery;
use crate::harness::{LeakScanner, RawRequest, System, send_raw};

const CHALLENGE: &str = "planted-challenge-of-a-provider";
const PLANTED_TEXT: &str = "planted-words-of-a-provider";

#[tokio::test]
async fn bodies_and_secrets_are_never_written_in_clear() {
    let senders = WebhookSenders::with_all_schemes();
    let environment = [&as_str_pairs(&senders.environment)[..], &[("SYNCWELL_LOG", "trace")]].concat();
    let system = System::start_with_env(&environment);
    let mut secrets =
        vec![CHALLENGE.to_owned(), PLANTED_TEXT.to_owned(), USER.to_owned(), OTHER_USER.to_owned()];
    for sender in &senders.all {
        secrets.extend([sender.secret.clone(), sender.verify_token.clone()]);
        secrets.extend(sender.path_secret.clone());
        let mut notice = sender.delivery_about(&[USER]);
        // Also with something in it that nobody else says.
        notice.body = match (sender.scheme, String::from_utf8(notice.body).unwrap()) {
            (Scheme::Withings, body) => format!("{body}&note={PLANTED_TEXT}"),
            (Scheme::Garmin, body) => body.replace("summary-", PLANTED_TEXT),
            (_, body) => {
                let (before, after) = body.rsplit_once('}').unwrap();
                format!(r#"{before},"note":"{PLANTED_TEXT}"}}{after}"#)
            }
        }
        .into_bytes();
        let request = sender.request(&notice);
        for _ in 0..2 {
            let answer = request.send(&system.base_url).await;
            assert!(answer.status < 300, "{:?}: {answer:?}", sender.scheme);
        }
        let spoiled = RawRequest { body: [&notice.body[..], b"x"].concat(), ..request.clone() };
        spoiled.send(&system.base_url).await;
        sender.request(&ProviderDelivery::new(PLANTED_TEXT)).send(&system.base_url).await;
        let lost =
            RawRequest { path: format!("{}?planted=planted-query-of-ours", request.path), ..request.clone() };
        lost.send(&system.base_url).await;
        if let Some(handshake) = sender.handshake(CHALLENGE) {
            assert!(handshake.send(&system.base_url).await.status < 300);
            let wrong = RawRequest { path: handshake.path.replace("ver", "rev"), ..handshake };
            wrong.send(&system.base_url).await;
        }
        let path = format!("/v1/webhooks/{}/planted-secret-that-is-wrong", sender.provider);
        RawRequest { path, ..request }.send(&system.base_url).await;
    }
    let several = senders.all.iter().find(|sender| sender.scheme == Scheme::Fitbit).unwrap();
    several.request(&several.delivery_about(&[USER, OTHER_USER])).send(&system.base_url).await;
    // Every one's, the two of the last, and what Withings does not sign and so can't be told from the first.
    assert_eq!(system_deliveries(&system).await.len(), senders.all.len() + 2 + 1);
    secrets.extend(["planted-query-of-ours".to_owned(), "planted-secret-that-is-wrong".to_owned()]);

    let needles = LeakScanner::new(&secrets);
    let metrics =
        send_raw(&system.base_url, b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            .await
            .body_text;
    let mut found = needles.scan("the metrics", metrics.as_bytes());
    for command in [&["events", "tail", "-n", "100", "--json"][..], &["doctor", "--json"]] {
        let output = system.run_command(command);
        found.extend(needles.scan("what a command says", &[output.stdout, output.stderr].concat()));
    }
    let folder = system.stop().await;
    let log = std::fs::read_to_string(folder.path().join("up.log")).unwrap();
    assert!(log.contains("/v1/webhooks/{provider}/{secret}"), "the route's template stands for the path");
    let (files, more) = needles.scan_folder(folder.path());
    found.extend(more);
    assert!(files > 10, "the view and the broker's store are there");
    assert!(found.is_empty(), "{found:#?}");
}
