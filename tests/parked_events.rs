//! An event that can't be folded: it waits with its user's later ones, nobody else does, and it is never skipped in silence.

use client::Credentials;
use events::Log;
use jetstream::{Appender, CommitMode, NewMessage, StoredMessage};
use keys::KEYS_STREAM;
use nats_server::Role;
use schemas::Sequence;
use serde_json::Value;

use crate::harness::{
    Cluster, Node, RawRequest, RawResponse, run_syncwell, run_syncwell_in, summary, wait_until, yesterday,
};

async fn post_summary(cluster: &Cluster, credentials: &Credentials, body: String) -> u64 {
    let posted = RawRequest::post(credentials, body).header("prefer", "wait=0");
    let posted = posted.send(cluster.url(Node::IngestOne)).await;
    assert!(posted.status < 300, "{posted:?}");
    posted.json()["sequence"].as_u64().unwrap()
}

async fn read_row(cluster: &Cluster, credentials: &Credentials) -> RawResponse {
    let path = format!("/v1/summaries/{}", yesterday());
    RawRequest::get(credentials, &path).send(cluster.url(Node::Projector)).await
}

/// Waits until the view has folded up to here.
async fn wait_until_folded(cluster: &Cluster, credentials: &Credentials, sequence: u64) -> Value {
    wait_until("the view has folded it", async || {
        let answer = read_row(cluster, credentials).await;
        let position = (answer.status == 200).then(|| answer.json()["position"].as_u64().unwrap())?;
        (position >= sequence).then(|| answer.json())
    })
    .await
}

fn run_operator_command(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let output =
        run_syncwell_in(&cluster.data_dir(), &[arguments, &["--nats", &cluster.nats_url()]].concat());
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), format!("{}{complaint}", String::from_utf8(output.stdout).unwrap()))
}

fn list_parked(cluster: &Cluster) -> Vec<Value> {
    let (code, text) = run_operator_command(cluster, &["events", "parked", "list", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Destroys the one data key that there is, as a lost disk would.
async fn destroy_data_key(cluster: &Cluster) -> StoredMessage {
    let keys = KEYS_STREAM.stream(cluster.connect_as(Role::Keys).await);
    let records = keys.last_per_subject("$KV.keys.*.*").await.unwrap();
    let key = records.into_iter().find(|record| !record.subject.contains(".kek.")).unwrap();
    keys.secure_delete(key.sequence).await.unwrap();
    key
}

async fn restore_data_key(cluster: &Cluster, key: &StoredMessage) {
    let appender = Appender::start(cluster.connect_as(Role::Keys).await, CommitMode::Grouped);
    let payload = key.payload.clone();
    let draft =
        NewMessage { subject: key.subject.clone(), id: None, headers: Vec::new(), expected: None, payload };
    appender.append(draft).await.unwrap();
}

#[tokio::test]
async fn lost_key_parks_one_user_until_it_returns() {
    let mut cluster = Cluster::start().await;
    let (ana, ben) =
        (cluster.credentials("ana", Node::IngestOne), cluster.credentials("ben", Node::IngestOne));
    post_summary(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    wait_until_folded(&cluster, &ana, 1).await;
    let key = destroy_data_key(&cluster).await;
    // Nobody remembers the key any more but ingest, which goes on sealing under it.
    assert_eq!(cluster.process(Node::Projector).stop().await, Some(0));
    post_summary(&cluster, &ana, summary("09:00:00", r#""steps":2000"#)).await;
    post_summary(&cluster, &ana, summary("10:00:00", r#""steps":3000"#)).await;
    let of_ben = post_summary(&cluster, &ben, summary("10:00:00", r#""steps":1"#)).await;
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    wait_until_folded(&cluster, &ben, of_ben).await;

    let waiting = list_parked(&cluster);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((&waiting[0]["sequence"], &waiting[0]["kind"]), (&2.into(), &"key_missing".into()));
    assert_eq!(waiting[0]["waiting"], 1, "the one behind it");
    assert_eq!(wait_until_folded(&cluster, &ben, of_ben).await.get("stale"), None);
    let (code, shown) = run_operator_command(&cluster, &["events", "parked", "show", "2", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["type"]), (Some(0), &"syncwell.summary.received.v1".into()));
    assert_eq!(
        run_operator_command(&cluster, &["events", "parked", "retry", "2"]).0,
        Some(1),
        "the key is still lost"
    );

    // Once the key is back the row is read again, as it was and marked; folding it anew takes an operator.
    restore_data_key(&cluster, &key).await;
    let stale = wait_until_folded(&cluster, &ana, of_ben).await;
    assert_eq!((&stale["steps"], &stale["stale"]), (&1000.into(), &true.into()));
    let (code, text) = run_operator_command(&cluster, &["events", "parked", "retry", "2"]);
    assert_eq!(code, Some(0), "{text}");
    let mended = wait_until_folded(&cluster, &ana, of_ben).await;
    assert_eq!((&mended["steps"], mended.get("stale")), (&3000.into(), None));
    assert!(list_parked(&cluster).is_empty());
    let (code, text) = run_operator_command(&cluster, &["view", "verify"]);
    assert_eq!(code, Some(0), "{text}");
}

/// Appends bytes under a user's subject, as whoever has ingest's credentials could.
async fn append_raw(cluster: &Cluster, subject: &str, bytes: Vec<u8>) -> u64 {
    let appender = Appender::start(cluster.connect_as(Role::Ingest).await, CommitMode::Grouped);
    let draft = NewMessage {
        subject: subject.to_owned(),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: bytes.into(),
    };
    appender.append(draft).await.unwrap().sequence
}

#[tokio::test]
async fn forged_events_are_parked_and_discarded_with_a_reason() {
    let cluster = Cluster::start().await;
    let (ana, ben) =
        (cluster.credentials("ana", Node::IngestOne), cluster.credentials("ben", Node::IngestOne));
    post_summary(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    post_summary(&cluster, &ben, summary("08:00:00", r#""steps":7"#)).await;
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    let stored = async |sequence| log.get(Sequence::new(sequence).unwrap()).await.unwrap().unwrap();
    let (of_ana, of_ben) = (stored(1).await, stored(2).await);

    // A true event of another user; bytes that are none; a true event with one bit of its content changed.
    assert_eq!(append_raw(&cluster, of_ana.subject(), of_ben.bytes().to_vec()).await, 3);
    post_summary(&cluster, &ana, summary("09:00:00", r#""steps":2000"#)).await;
    assert_eq!(append_raw(&cluster, "events.v1.0.nobody", b"garbage".to_vec()).await, 5);
    let mut changed = of_ben.bytes().to_vec();
    let at = changed.len() - 20;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(append_raw(&cluster, of_ben.subject(), changed).await, 6);
    let end = post_summary(
        &cluster,
        &cluster.credentials("carl", Node::IngestOne),
        summary("08:00:00", r#""steps":3"#),
    )
    .await;
    wait_until_folded(&cluster, &cluster.credentials("carl", Node::Projector), end).await;

    let waiting = list_parked(&cluster);
    let mut kinds: Vec<_> = waiting
        .iter()
        .map(|one| (one["sequence"].as_u64().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [(3, "misfiled"), (5, "malformed"), (6, "sealed")]);
    let stale = read_row(&cluster, &ana).await.json();
    assert_eq!((&stale["steps"], &stale["stale"]), (&1000.into(), &true.into()));

    // A rebuild that knows of them goes on; one that meets a new one stops, and nothing is switched.
    let (code, text) = run_operator_command(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(list_parked(&cluster).len(), 3, "what waits waits in the new view too");

    assert_eq!(
        run_operator_command(&cluster, &["events", "parked", "discard", "3"]).0,
        Some(2),
        "no reason, no discarding"
    );
    assert_eq!(
        run_operator_command(&cluster, &["events", "parked", "discard", "4", "--reason", "x"]).0,
        Some(1)
    );
    for sequence in ["3", "5", "6"] {
        let (code, text) = run_operator_command(
            &cluster,
            &["events", "parked", "discard", sequence, "--reason", "forged, ticket 7"],
        );
        assert_eq!(code, Some(0), "{text}");
    }
    assert!(list_parked(&cluster).is_empty());
    let mended = read_row(&cluster, &ana).await.json();
    assert_eq!((&mended["steps"], mended.get("stale")), (&2000.into(), None));
    let (_, tail) = run_operator_command(&cluster, &["events", "tail", "--json"]);
    let said = tail.lines().filter(|line| line.contains("syncwell.event.discarded.v1")).count();
    assert!(said == 3 && tail.contains("forged, ticket 7"), "{tail}");
    for command in
        [&["view", "verify"][..], &["view", "rebuild", "--fresh"], &["view", "diff", "serving", "kept"]]
    {
        let (code, text) = run_operator_command(&cluster, command);
        assert_eq!(code, Some(0), "{command:?}: {text}");
    }
}

#[tokio::test]
async fn rebuild_stops_at_a_newly_unreadable_event() {
    let mut cluster = Cluster::start().await;
    let ana = cluster.credentials("ana", Node::IngestOne);
    post_summary(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    wait_until_folded(&cluster, &ana, 1).await;
    // The serving view has folded the event; what folds now can't open it.
    let key = destroy_data_key(&cluster).await;
    assert_eq!(cluster.process(Node::Projector).stop().await, Some(0));
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready().await;
    let (code, text) = run_operator_command(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("at sequence 1") && text.contains("nothing was switched"), "{text}");
    restore_data_key(&cluster, &key).await;
    assert_eq!(read_row(&cluster, &ana).await.json()["steps"], 1000, "the old view goes on serving");
    let (code, text) = run_operator_command(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(run_syncwell(&["events", "parked", "list", "--help"], &[]).status.success());
}
