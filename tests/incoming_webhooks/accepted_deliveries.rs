//! Deliveries that are right.

use data_encoding::BASE64;
use serde_json::json;

use super::{
    Node, Scheme, USER, WebhookSenders, assert_accepted, cluster_deliveries, reveal_event, system_deliveries,
};
use crate::harness::provider::webhooks::{ProviderDelivery, WebhookSender};
use crate::harness::{TestFolder, now};

#[tokio::test]
async fn each_scheme_is_stored_once_as_sent() {
    let senders = WebhookSenders::with_all_schemes();
    let system = senders.start_system();
    for (number, sender) in senders.all.iter().enumerate() {
        let scheme = sender.scheme;
        let notice = sender.delivery_about(&[USER]);
        let request = sender.request(&notice);
        assert_accepted(scheme, &request.send(&system.base_url).await);
        let events = system_deliveries(&system).await;
        assert_eq!(events.len(), number + 1, "{scheme:?}: when the answer is there, so is the event");
        let shown = reveal_event(&system, &events[number]);
        let content = &shown["content"];
        assert_eq!(content["provider"], sender.provider.as_str());
        assert_eq!(
            (&content["provider_user"], &content["whole"]),
            (&json!(USER), &json!(true)),
            "{scheme:?}"
        );
        assert_eq!(content["body_base64"], BASE64.encode(&notice.body), "{scheme:?}");
        let has_id = [Scheme::Junction, Scheme::StandardWebhooks].contains(&scheme);
        assert_eq!(content["delivery_id"].as_str(), has_id.then_some(notice.id.as_str()));
        // What it takes to verify it again, and no secret.
        let kept = content["headers"].to_string();
        for name in request.headers.keys().filter(|name| name.contains("signature")) {
            assert!(kept.contains(name), "{scheme:?}: {name} in {kept}");
        }
        assert!(!kept.contains(&sender.verify_token) && !kept.contains("content-type"), "{kept}");

        // The same again, and signed anew as a retry is.
        assert_accepted(scheme, &request.send(&system.base_url).await);
        let later =
            ProviderDelivery { signed_at: notice.signed_at + jiff::SignedDuration::from_secs(2), ..notice };
        assert_accepted(scheme, &sender.request(&later).send(&system.base_url).await);
        assert_eq!(system_deliveries(&system).await.len(), number + 1, "{scheme:?}: a replay");
    }
    let metrics =
        crate::harness::provider::bare_request("GET", "/metrics").send(&system.base_url).await.body_text;
    for (result, count) in [("stored", 1), ("replayed", 2)] {
        let line =
            format!(r#"syncwell_provider_webhooks_total{{provider="oura",result="{result}"}} {count}"#);
        assert!(metrics.lines().any(|found| found == line), "{line}");
    }
}

#[tokio::test]
async fn replay_is_detected_by_all_ingests_and_after_restart() {
    // By its body, and by its id.
    let senders = WebhookSenders::new(&[Scheme::Suunto, Scheme::Junction]);
    let mut cluster = senders.start_cluster().await;
    let mut requests = Vec::new();
    for sender in &senders.all {
        let request = sender.request(&sender.delivery_about(&[USER]));
        assert_accepted(sender.scheme, &request.send(cluster.url(Node::IngestOne)).await);
        requests.push((sender.scheme, request));
    }
    for (scheme, request) in &requests {
        assert_accepted(*scheme, &request.send(cluster.url(Node::IngestTwo)).await);
    }
    assert_eq!(cluster_deliveries(&cluster).await.len(), 2);
    cluster.kill_node(Node::IngestOne);
    cluster.kill_node(Node::IngestTwo);
    cluster.start_node(Node::IngestOne);
    cluster.start_node(Node::IngestTwo);
    cluster.wait_until_ready().await;
    for (scheme, request) in &requests {
        for part in [Node::IngestOne, Node::IngestTwo] {
            assert_accepted(*scheme, &request.send(cluster.url(part)).await);
        }
    }
    assert_eq!(cluster_deliveries(&cluster).await.len(), 2);

    // At the same time at both: one of them is it.
    let notices: Vec<_> = (0..4).map(|_| senders.all[1].delivery_about(&[USER])).collect();
    let racing = notices.iter().flat_map(|notice| {
        let request = senders.all[1].request(notice);
        let urls = [Node::IngestOne, Node::IngestTwo, Node::IngestOne].map(|part| cluster.url(part));
        urls.map(|url| {
            let request = request.clone();
            async move { request.send(url).await }
        })
    });
    for answer in futures_util::future::join_all(racing).await {
        assert_accepted(Scheme::Junction, &answer);
    }
    assert_eq!(cluster_deliveries(&cluster).await.len(), 6);
}

#[tokio::test]
async fn both_secrets_are_accepted_during_rotation() {
    let mut senders =
        WebhookSenders::new(&[Scheme::Oura, Scheme::Suunto, Scheme::StandardWebhooks, Scheme::Garmin]);
    let folder = TestFolder::new();
    // Beside the first secrets: the client secret, or the one in the first file.
    let mut others = Vec::new();
    for sender in &senders.all {
        let mut other = WebhookSender::new(sender.scheme);
        other.client_id = sender.client_id.clone();
        let key = if sender.scheme == Scheme::Garmin { "PATH_SECRET" } else { "SECRET" };
        let secret =
            |sender: &WebhookSender| sender.path_secret.clone().unwrap_or_else(|| sender.secret.clone());
        let files: Vec<_> = [sender, &other]
            .iter()
            .enumerate()
            .map(|(number, one)| {
                let file = folder.path().join(format!("{}-{number}", sender.provider));
                std::fs::write(&file, format!("{}\n", secret(one))).unwrap();
                file.to_str().unwrap().to_owned()
            })
            .collect();
        let name =
            format!("SYNCWELL_PROVIDERS__{}__WEBHOOK_{key}_FILES", sender.provider.to_ascii_uppercase());
        senders.environment.push((name, json!(files).to_string()));
        others.push(other);
    }
    let system = senders.start_system();
    for sender in senders.all.iter().chain(&others) {
        let request = sender.request(&sender.delivery_about(&[USER]));
        // Each its own, where there are no ids: the bodies alike are one delivery.
        let request = if sender.scheme == Scheme::StandardWebhooks {
            request
        } else {
            let mut body = sender.delivery_about(&[USER]).body;
            body.push(if others.iter().any(|other| other.secret == sender.secret) { b' ' } else { b'\n' });
            sender.request(&ProviderDelivery::new(body))
        };
        assert_accepted(sender.scheme, &request.send(&system.base_url).await);
    }
    assert_eq!(system_deliveries(&system).await.len(), 8);
    let third = WebhookSender::new(Scheme::Oura);
    let refused = third.request(&third.delivery_about(&[USER])).send(&system.base_url).await;
    assert_eq!(refused.problem_code(), "invalid_signature");
}

/// Strava signs, as some say, or doesn't, as others do.
#[tokio::test]
async fn strava_is_accepted_with_and_without_signature() {
    let mut senders = WebhookSenders::new(&[Scheme::Strava]);
    senders
        .environment
        .push(("SYNCWELL_PROVIDERS__STRAVA__WEBHOOK_SUBSCRIPTIONS".to_owned(), r#"["120475"]"#.to_owned()));
    let system = senders.start_system();
    let signed = &senders.all[0];
    let mut unsigned = signed.clone();
    unsigned.has_signature = false;
    let notice = signed.delivery_about(&[USER]);
    assert_accepted(Scheme::Strava, &signed.request(&notice).send(&system.base_url).await);
    let other = unsigned.delivery_about(&["8315529049"]);
    assert_accepted(Scheme::Strava, &unsigned.request(&other).send(&system.base_url).await);
    assert_eq!(system_deliveries(&system).await.len(), 2);
    let foreign = String::from_utf8(other.body).unwrap().replace("120475", "120476");
    let refused = unsigned.request(&ProviderDelivery::new(foreign)).send(&system.base_url).await;
    assert_eq!(
        (refused.status, refused.problem_code().as_str()),
        (401, "invalid_signature"),
        "not our subscription"
    );
    let wrong =
        signed.with_secret("another").request(&ProviderDelivery::new(notice.body).with_signed_at(now()));
    assert_eq!(
        wrong.send(&system.base_url).await.problem_code(),
        "invalid_signature",
        "a wrong one is worse than none"
    );
    assert_eq!(system_deliveries(&system).await.len(), 2);
}
