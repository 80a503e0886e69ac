//! Replays tell nobody anything.

use std::collections::BTreeMap;

use events::OutcomeMessage;
use nats_server::Role;
use schemas::EventId;
use tokio::time::{Duration, timeout};

use super::{User, done, operator};
use crate::harness::{Cluster, Part, yesterday};

#[tokio::test]
async fn replays_send_no_outcome_again() {
    let mut cluster = Cluster::start().await;
    // Every ingest's address.
    let listener = cluster.connect(Role::Ingest).await;
    let mut outcomes = listener.subscribe("outcome.v1.*", None).await.unwrap();
    listener.flush().await.unwrap();
    let (mut ana, mut ben) = (User::of(&cluster, "ana"), User::of(&cluster, "ben"));
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
        done(&cluster, replay);
    }
    assert_eq!(operator(&cluster, &["events", "parked", "retry", "1"]).code, Some(1), "nothing waits");
    assert_eq!(cluster.part(Part::Projector).stop().await, Some(0));
    cluster.start_part(Part::Projector);
    cluster.ready().await;
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
    ana.check().await;
}
