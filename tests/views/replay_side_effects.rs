//! Replays tell nobody anything.

use std::collections::BTreeMap;

use events::OutcomeMessage;
use nats_server::Role;
use schemas::EventId;
use tokio::time::{Duration, timeout};

use super::{TestUser, run_ok, run_operator_command};
use crate::harness::{Cluster, Node, yesterday};

#[tokio::test]
async fn rebuilds_send_no_outcome_twice() {
    let mut cluster = Cluster::start().await;
    // Every ingest's address.
    let listener = cluster.connect_as(Role::Ingest).await;
    let mut outcomes = listener.subscribe("outcome.v1.*", None).await.unwrap();
    listener.flush().await.unwrap();
    let (mut ana, mut ben) = (TestUser::new(&cluster, "ana"), TestUser::new(&cluster, "ben"));
    for hour in 10..14 {
        ana.post(yesterday(), &format!("{hour}:00:00"), &format!(r#""steps":{hour}"#)).await;
        ben.post(yesterday(), &format!("{hour}:30:00"), &format!(r#""steps":{hour}"#)).await;
    }
    let date = yesterday().to_string();
    for replay in [
        &["view", "rebuild"][..],
        &["view", "rebuild", "--fresh"],
        &["view", "rebuild", "--dry-run"],
        &["view", "rebuild"],
        &["view", "rollback"],
        &["view", "verify"],
        &["view", "at", "5"],
        &["view", "at", "5", "--user", "ana"],
        &["view", "rebuild", "--user", "ana"],
        &["view", "rebuild", "--user", "ben", "--date", &date],
        &["view", "diff", "serving", "kept"],
        &["events", "show", "1", "--reveal"],
    ] {
        run_ok(&cluster, replay);
    }
    assert_eq!(
        run_operator_command(&cluster, &["events", "parked", "retry", "1"]).exit_code,
        Some(1),
        "nothing waits"
    );
    assert_eq!(cluster.process(Node::Projector).stop().await, Some(0));
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    let end = ana.post(yesterday(), "15:00:00", r#""steps":15"#).await;

    let mut told: BTreeMap<EventId, usize> = BTreeMap::new();
    let mut last = 0;
    while last < end {
        let heard =
            timeout(Duration::from_secs(60), outcomes.next()).await.expect("the last outcome").unwrap();
        let message: OutcomeMessage = serde_json::from_slice(&heard.payload).unwrap();
        for folded in message.folded {
            *told.entry(folded.event_id).or_default() += 1;
            last = last.max(folded.sequence.get());
        }
    }
    assert_eq!(told.len(), ana.posts.len() + ben.posts.len());
    assert!(told.values().all(|times| *times == 1), "told again: {told:?}");
    ana.check_rows().await;
}
