//! Receivers that fail, and what becomes of what they were to be told.

use std::time::Duration;

use serde_json::json;

use super::receiver::ReceiverResponse;
use super::{
    WebhookFixture, add_endpoint, json_of_success, list_single_endpoint, post_summary, run_webhooks_command,
    summary_days_ago,
};
use crate::harness::{post_summaries, send_raw, summary, wait_until};

#[tokio::test]
async fn failed_message_is_retried_unchanged_then_parked() {
    let scene = WebhookFixture::new("[1, 1, 1]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (id, secret) = add_endpoint(&data_dir, &[&receiver.url("/hook")]);
    let mut answers = vec![
        ReceiverResponse::CloseConnection,
        ReceiverResponse::RetryAfter { retry_after_seconds: 3 },
        ReceiverResponse::Redirect(receiver.url("/elsewhere")),
        ReceiverResponse::Status(400),
    ];
    receiver.respond_with(move |_| answers.pop().unwrap_or(ReceiverResponse::Status(500)));
    let told = post_summary(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let parked = wait_until("it is parked", async || {
        let parked = json_of_success(run_webhooks_command(&data_dir, &["parked", "list", "--json"]));
        parked.as_array().unwrap().first().cloned()
    })
    .await;
    let attempts = receiver.deliveries();
    assert_eq!(attempts.len(), 4, "{attempts:?}");
    for attempt in &attempts {
        assert!(attempt.is_signed_with(&secret));
        assert_eq!(
            (attempt.id(), &attempt.body),
            (attempts[0].id(), &attempts[0].body),
            "the same every time"
        );
        assert_eq!(attempt.path, "/hook", "no redirect is followed");
    }
    let timestamp = |at: usize| attempts[at].headers["webhook-timestamp"].parse::<i64>().unwrap();
    assert!(timestamp(3) > timestamp(0), "signed anew");
    let pause = |at: usize| attempts[at].received_at.duration_since(attempts[at - 1].received_at);
    assert!(pause(1) >= Duration::from_millis(900) && pause(3) >= Duration::from_secs(3), "as was asked for");
    assert_eq!((&parked["endpoint"], &parked["kind"]), (&json!(id), &json!("summary.changed")));
    assert_eq!((&parked["event_id"], &parked["position"]), (&told["event_id"], &told["sequence"]));
    assert_eq!((&parked["message_id"], &parked["attempts"]), (&json!(attempts[0].id()), &json!(4)));
    assert!(parked["last"].as_str().unwrap().contains("connection broke"), "{parked}");
    let metrics = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = send_raw(&system.base_url, metrics).await.body_text;
    for line in [
        r#"syncwell_feed_deliveries_total{result="failed"} 4"#.to_owned(),
        r#"syncwell_feed_deliveries_total{result="parked"} 1"#.to_owned(),
        format!("syncwell_feed_parked{{endpoint=\"{id}\"}} 1"),
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in {metrics}");
    }
    let log = std::fs::read_to_string(&system.process.log_path).unwrap();
    assert!(log.contains("messages are parked") && !log.contains("/hook"), "{log}");

    // An operator has it sent again when the receiver is well.
    receiver.respond_with(|_| ReceiverResponse::Status(200));
    let change = parked["change"].to_string();
    assert_eq!(
        json_of_success(run_webhooks_command(&data_dir, &["parked", "retry", &id, &change, "--json"]))["retried"],
        1
    );
    let again = receiver.wait_for_deliveries(5, |_| true).await.remove(4);
    assert_eq!((again.id(), &again.body), (attempts[0].id(), &attempts[0].body));
    assert!(again.is_signed_with(&secret));
    wait_until("nothing is parked any more", async || {
        let listed = list_single_endpoint(&data_dir);
        (listed["parked"] == 0 && listed["waiting"] == 0).then_some(())
    })
    .await;
    assert_eq!(
        run_webhooks_command(&data_dir, &["parked", "retry", "--all"]).exit_code,
        Some(1),
        "nothing like that"
    );
}

#[tokio::test]
async fn failing_message_does_not_block_others() {
    let scene = WebhookFixture::new("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    add_endpoint(&data_dir, &[&receiver.url("/")]);
    let (bad, body) = summary_days_ago(3, r#""steps":1"#);
    let is_bad = move |date: &str| date == bad.to_string();
    receiver.respond_with(move |delivery| {
        ReceiverResponse::Status(if is_bad(&delivery.date()) { 500 } else { 204 })
    });
    post_summary(&system, "ana", body).await;
    receiver.wait_for_deliveries(1, |delivery| is_bad(&delivery.date())).await;
    for days_ago in [0, 1, 2] {
        post_summary(&system, "ana", summary_days_ago(days_ago, r#""steps":1"#).1).await;
    }
    receiver.wait_for_deliveries(3, |delivery| !is_bad(&delivery.date())).await;
    wait_until("only one waits", async || {
        let listed = list_single_endpoint(&data_dir);
        (listed["waiting"] == 1 && listed["behind"] == 0).then_some(())
    })
    .await;
    receiver.respond_with(|_| ReceiverResponse::Status(204));
    wait_until("it is taken too", async || (list_single_endpoint(&data_dir)["waiting"] == 0).then_some(()))
        .await;
    let ids = receiver.deliveries().into_iter().map(|delivery| delivery.id().to_owned());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn endpoint_answering_410_is_disabled() {
    let scene = WebhookFixture::new("[1]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (id, _) = add_endpoint(&data_dir, &[&receiver.url("/")]);
    receiver.respond_with(|_| ReceiverResponse::Status(410));
    post_summary(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let listed = wait_until("it is disabled", async || {
        let listed = list_single_endpoint(&data_dir);
        listed["disabled"].is_object().then_some(listed)
    })
    .await;
    assert_eq!((&listed["disabled"]["reason"], &listed["parked"]), (&json!("gone"), &json!(1)));
    receiver.respond_with(|_| ReceiverResponse::Status(204));
    post_summary(&system, "ana", summary("21:00:00", r#""steps":2"#)).await;
    // A second endpoint hears of what the first one does not.
    add_endpoint(&data_dir, &[&receiver.url("/second")]);
    post_summary(&system, "ana", summary("22:00:00", r#""steps":3"#)).await;
    receiver.wait_for_deliveries(1, |delivery| delivery.path == "/second").await;
    assert_eq!(receiver.deliveries().iter().filter(|delivery| delivery.path == "/").count(), 1);
    let retried = run_webhooks_command(&data_dir, &["parked", "retry", &id, "--json"]);
    assert_eq!(
        (retried.exit_code, retried.json()["disabled"].clone()),
        (Some(1), json!(1)),
        "{}",
        retried.combined_output()
    );
    receiver.respond_with(|_| ReceiverResponse::Status(410));
    let tested = run_webhooks_command(&data_dir, &["test", &id, "--json"]);
    assert_eq!((tested.exit_code, tested.json()["status"].clone()), (Some(1), json!(410)));
}

#[tokio::test]
async fn dead_receiver_is_throttled_then_gets_everything() {
    const CHANGES: usize = 60;
    /// Failures before a receiver is held back, and what may be under way besides.
    const AT_FULL_SPEED_MAX: usize = 7 + 16;
    let scene = WebhookFixture::new("[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]");
    let system = scene.start_system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    add_endpoint(&data_dir, &[&receiver.url("/")]);
    receiver.respond_with(|_| ReceiverResponse::Status(503));
    post_summaries(&data_dir, &system.base_url, &["ana", "ben", "cid"], CHANGES as u64 / 3, 1).await;
    let attempts = receiver.wait_for_deliveries(AT_FULL_SPEED_MAX + 2, |_| true).await;
    for pair in attempts[AT_FULL_SPEED_MAX..].windows(2) {
        assert!(
            pair[1].received_at.duration_since(pair[0].received_at) >= Duration::from_millis(1_900),
            "one at a time, with pauses"
        );
    }
    receiver.respond_with(|_| ReceiverResponse::Status(200));
    wait_until("everything is told", async || {
        let listed = list_single_endpoint(&data_dir);
        (listed["waiting"] == 0 && listed["behind"] == 0).then_some(())
    })
    .await;
    let ids = receiver.deliveries().into_iter().map(|delivery| delivery.id().to_owned());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), CHANGES);
    assert_eq!(list_single_endpoint(&data_dir)["parked"], 0);
}
