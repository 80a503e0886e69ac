//! Receivers that fail, and what becomes of what they were to be told.

use std::time::Duration;

use serde_json::json;

use super::receiver::Answer;
use super::{Scene, add, done, listed, post, summary_of, webhooks};
use crate::harness::{post_many, raw, summary, until};

#[tokio::test]
async fn a_message_is_sent_again_the_same_and_in_the_end_is_parked() {
    let scene = Scene::new("[1, 1, 1]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (id, secret) = add(&data_dir, &[&receiver.url("/hook")]);
    let mut answers = vec![
        Answer::Close,
        Answer::Busy { retry_after_seconds: 3 },
        Answer::Redirect(receiver.url("/elsewhere")),
        Answer::Status(400),
    ];
    receiver.answer(move |_| answers.pop().unwrap_or(Answer::Status(500)));
    let told = post(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let parked = until("it is parked", async || {
        let parked = done(webhooks(&data_dir, &["parked", "list", "--json"]));
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
    let pause = |at: usize| attempts[at].at.duration_since(attempts[at - 1].at);
    assert!(pause(1) >= Duration::from_millis(900) && pause(3) >= Duration::from_secs(3), "as was asked for");
    assert_eq!((&parked["endpoint"], &parked["kind"]), (&json!(id), &json!("summary.changed")));
    assert_eq!((&parked["event_id"], &parked["position"]), (&told["event_id"], &told["sequence"]));
    assert_eq!((&parked["message_id"], &parked["attempts"]), (&json!(attempts[0].id()), &json!(4)));
    assert!(parked["last"].as_str().unwrap().contains("connection broke"), "{parked}");
    let metrics = b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let metrics = raw(&system.base_url, metrics).await.text;
    for line in [
        r#"syncwell_feed_deliveries_total{result="failed"} 4"#.to_owned(),
        r#"syncwell_feed_deliveries_total{result="parked"} 1"#.to_owned(),
        format!("syncwell_feed_parked{{endpoint=\"{id}\"}} 1"),
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line} in {metrics}");
    }
    let log = std::fs::read_to_string(&system.process.log).unwrap();
    assert!(log.contains("messages are parked") && !log.contains("/hook"), "{log}");

    // An operator has it sent again when the receiver is well.
    receiver.answer(|_| Answer::Status(200));
    let change = parked["change"].to_string();
    assert_eq!(done(webhooks(&data_dir, &["parked", "retry", &id, &change, "--json"]))["retried"], 1);
    let again = receiver.wait_for(5, |_| true).await.remove(4);
    assert_eq!((again.id(), &again.body), (attempts[0].id(), &attempts[0].body));
    assert!(again.is_signed_with(&secret));
    until("nothing is parked any more", async || {
        let listed = listed(&data_dir);
        (listed["parked"] == 0 && listed["waiting"] == 0).then_some(())
    })
    .await;
    assert_eq!(webhooks(&data_dir, &["parked", "retry", "--all"]).code, Some(1), "nothing like that");
}

#[tokio::test]
async fn one_message_that_fails_holds_up_no_other() {
    let scene = Scene::new("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    add(&data_dir, &[&receiver.url("/")]);
    let (bad, body) = summary_of(3, r#""steps":1"#);
    let is_bad = move |date: &str| date == bad.to_string();
    receiver.answer(move |delivery| Answer::Status(if is_bad(&delivery.date()) { 500 } else { 204 }));
    post(&system, "ana", body).await;
    receiver.wait_for(1, |delivery| is_bad(&delivery.date())).await;
    for days_ago in [0, 1, 2] {
        post(&system, "ana", summary_of(days_ago, r#""steps":1"#).1).await;
    }
    receiver.wait_for(3, |delivery| !is_bad(&delivery.date())).await;
    until("only one waits", async || {
        let listed = listed(&data_dir);
        (listed["waiting"] == 1 && listed["behind"] == 0).then_some(())
    })
    .await;
    receiver.answer(|_| Answer::Status(204));
    until("it is taken too", async || (listed(&data_dir)["waiting"] == 0).then_some(())).await;
    let ids = receiver.deliveries().into_iter().map(|delivery| delivery.id().to_owned());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 4);
}

#[tokio::test]
async fn whoever_answers_410_is_not_told_again() {
    let scene = Scene::new("[1]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    let (id, _) = add(&data_dir, &[&receiver.url("/")]);
    receiver.answer(|_| Answer::Status(410));
    post(&system, "ana", summary("20:00:00", r#""steps":1"#)).await;
    let listed = until("it is disabled", async || {
        let listed = listed(&data_dir);
        listed["disabled"].is_object().then_some(listed)
    })
    .await;
    assert_eq!((&listed["disabled"]["reason"], &listed["parked"]), (&json!("gone"), &json!(1)));
    receiver.answer(|_| Answer::Status(204));
    post(&system, "ana", summary("21:00:00", r#""steps":2"#)).await;
    // A second endpoint hears of what the first one does not.
    add(&data_dir, &[&receiver.url("/second")]);
    post(&system, "ana", summary("22:00:00", r#""steps":3"#)).await;
    receiver.wait_for(1, |delivery| delivery.path == "/second").await;
    assert_eq!(receiver.deliveries().iter().filter(|delivery| delivery.path == "/").count(), 1);
    let retried = webhooks(&data_dir, &["parked", "retry", &id, "--json"]);
    assert_eq!((retried.code, retried.json()["disabled"].clone()), (Some(1), json!(1)), "{}", retried.text());
    receiver.answer(|_| Answer::Status(410));
    let tested = webhooks(&data_dir, &["test", &id, "--json"]);
    assert_eq!((tested.code, tested.json()["status"].clone()), (Some(1), json!(410)));
}

#[tokio::test]
async fn a_dead_receiver_is_asked_rarely_and_told_everything_when_it_is_back() {
    const CHANGES: usize = 60;
    /// Failures before a receiver is held back, and what may be under way besides.
    const AT_FULL_SPEED_MAX: usize = 7 + 16;
    let scene = Scene::new("[2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]");
    let system = scene.system();
    let (receiver, data_dir) = (&scene.receiver, system.data_dir());
    add(&data_dir, &[&receiver.url("/")]);
    receiver.answer(|_| Answer::Status(503));
    post_many(&data_dir, &system.base_url, &["ana", "ben", "cid"], CHANGES as u64 / 3, 1).await;
    let attempts = receiver.wait_for(AT_FULL_SPEED_MAX + 2, |_| true).await;
    for pair in attempts[AT_FULL_SPEED_MAX..].windows(2) {
        assert!(
            pair[1].at.duration_since(pair[0].at) >= Duration::from_millis(1_900),
            "one at a time, with pauses"
        );
    }
    receiver.answer(|_| Answer::Status(200));
    until("everything is told", async || {
        let listed = listed(&data_dir);
        (listed["waiting"] == 0 && listed["behind"] == 0).then_some(())
    })
    .await;
    let ids = receiver.deliveries().into_iter().map(|delivery| delivery.id().to_owned());
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), CHANGES);
    assert_eq!(listed(&data_dir)["parked"], 0);
}
