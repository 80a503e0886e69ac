//! The log against the real broker: group commit, duplicates in its midst, and a stream that breaks its promises.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use events::{EVENTS_STREAM, Log, LogError, LogVerificationError};
use futures_util::future::join_all;
use jetstream::{AppendAck, AppendError, Appender, CommitMode, ExpectedSequence, NewMessage};
use nats_server::Role;

use crate::harness::{Cluster, run_syncwell};

fn message_with_id(id: &str) -> NewMessage {
    let subject = format!("events.v1.0.{}", &id[..1]);
    let (headers, payload) = (Vec::new(), Bytes::from(id.to_owned()));
    NewMessage { subject, id: Some(id.to_owned()), headers, expected: None, payload }
}

async fn append_all(appender: &Appender, ids: &[String]) -> Vec<AppendAck> {
    let appended = join_all(ids.iter().map(|id| appender.append(message_with_id(id)))).await;
    appended.into_iter().map(Result::unwrap).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn batch_with_duplicates_stores_each_id_once() {
    let cluster = Cluster::start_broker_with_streams().await;
    let appender = Appender::start(cluster.connect_as(Role::Ingest).await, CommitMode::Grouped);
    let first: Vec<_> = (0..700).map(|number| format!("a-{number}")).collect();
    let stored = append_all(&appender, &first).await;
    assert!(stored.iter().all(|appended| !appended.is_duplicate));
    let sequences: BTreeSet<_> = stored.iter().map(|appended| appended.sequence).collect();
    assert_eq!(sequences, (1..=700).collect());

    // Seven old ones among new ones, and two new ones twice in the same breath.
    let mut mixed: Vec<_> = (0..700)
        .map(|number| if number % 100 == 50 { first[number].clone() } else { format!("b-{number}") })
        .collect();
    mixed.push("b-1".to_owned());
    mixed.push("b-2".to_owned());
    let again = append_all(&appender, &mixed).await;
    for (number, appended) in again.iter().take(700).enumerate() {
        assert_eq!(appended.is_duplicate, number % 100 == 50, "{number}");
        if appended.is_duplicate {
            assert_eq!(
                appended.sequence, stored[number].sequence,
                "a duplicate names the first one's sequence"
            );
        }
    }
    assert!(again[700].is_duplicate && again[700].sequence == again[1].sequence);
    assert!(again[701].is_duplicate && again[701].sequence == again[2].sequence);
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    assert_eq!(log.open().await.unwrap().last.unwrap().get(), 1_393);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_precondition_rejects_one_message_only() {
    let cluster = Cluster::start_broker_with_streams().await;
    let appender = Appender::start(cluster.connect_as(Role::Keys).await, CommitMode::Grouped);
    let draft = |number: usize, sequence| NewMessage {
        subject: format!("$KV.keys.user{number}.key"),
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: format!("$KV.keys.user{number}.*"), sequence }),
        payload: Bytes::from_static(b"wrapped"),
    };
    let appended =
        join_all((0..100).map(|number| appender.append(draft(number, if number == 42 { 9 } else { 0 }))))
            .await;
    for (number, appended) in appended.into_iter().enumerate() {
        assert_eq!(appended.is_ok(), number != 42, "{number}: {appended:?}");
        if number == 42 {
            assert_eq!(appended, Err(AppendError::Conflict));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn append_fails_at_once_while_the_broker_is_down() {
    let mut cluster = Cluster::start_broker_with_streams().await;
    let broker = cluster.connect_as(Role::Ingest).await;
    let appender = Appender::start(broker.clone(), CommitMode::Grouped);
    append_all(&appender, &["a-0".to_owned()]).await;
    cluster.kill_broker().await;
    broker.wait_disconnected().await;
    let refused = tokio::time::timeout(Duration::from_secs(1), appender.append(message_with_id("a-1"))).await;
    assert_eq!(refused.unwrap(), Err(AppendError::Unavailable), "at once, not after a time-out");
    cluster.start_broker().await;
    broker.wait_connected().await;
    let appended = append_all(&appender, &["a-0".to_owned(), "a-1".to_owned()]).await;
    assert_eq!(appended[0], AppendAck { sequence: 1, is_duplicate: true }, "the broker still knows the id");
    assert_eq!(
        appended[1],
        AppendAck { sequence: 2, is_duplicate: false },
        "what was refused had not been stored"
    );
}

#[tokio::test]
async fn stream_with_wrong_config_is_refused() {
    let cluster = Cluster::start_broker_only().await;
    let owner = cluster.connect_as(Role::Owner).await;
    let mut config = EVENTS_STREAM.config(1);
    config["discard"] = "old".into();
    config["max_msgs"] = 1_000.into();
    EVENTS_STREAM.stream(owner).create(&config).await.unwrap();
    let log = Log::new(cluster.connect_as(Role::Ingest).await);
    let refused = log.open().await;
    assert!(
        matches!(&refused, Err(LogError::Invalid(LogVerificationError::Config(mismatch))) if mismatch.key == "discard"),
        "{refused:?}"
    );
    let data_dir = cluster.data_dir();
    let setup = run_syncwell(
        &["setup", "--nats", &cluster.nats_url(), "--data-dir", data_dir.to_str().unwrap()],
        &[],
    );
    let complaint = String::from_utf8(setup.stderr).unwrap();
    assert_eq!(setup.status.code(), Some(1));
    assert!(
        complaint.contains("the stream EVENTS can't be trusted: its `discard` is \"old\", not \"new\""),
        "{complaint}"
    );
}
