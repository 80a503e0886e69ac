//! An event that can't be folded: it waits with its user's later ones, nobody else does, and it is never skipped in silence.

use client::Credentials;
use events::Log;
use jetstream::{Appender, CommitMode, NewMessage, StoredMessage};
use keys::KeysStream;
use nats_server::Role;
use schemas::Sequence;
use serde_json::Value;

use crate::harness::{Answer, Cluster, Part, RawRequest, command_in, run, summary, until, yesterday};

async fn post(cluster: &Cluster, credentials: &Credentials, body: String) -> u64 {
    let posted = RawRequest::post(credentials, body).header("prefer", "wait=0");
    let posted = posted.send(cluster.url(Part::IngestOne)).await;
    assert!(posted.status < 300, "{posted:?}");
    posted.json()["sequence"].as_u64().unwrap()
}

async fn row(cluster: &Cluster, credentials: &Credentials) -> Answer {
    let path = format!("/v1/summaries/{}", yesterday());
    RawRequest::get(credentials, &path).send(cluster.url(Part::Projector)).await
}

/// Waits until the view has folded up to here.
async fn folded(cluster: &Cluster, credentials: &Credentials, sequence: u64) -> Value {
    until("the view has folded it", async || {
        let answer = row(cluster, credentials).await;
        let position = (answer.status == 200).then(|| answer.json()["position"].as_u64().unwrap())?;
        (position >= sequence).then(|| answer.json())
    })
    .await
}

fn operator(cluster: &Cluster, arguments: &[&str]) -> (Option<i32>, String) {
    let output = command_in(&cluster.data_dir(), &[arguments, &["--nats", &cluster.nats_url()]].concat());
    let complaint = String::from_utf8(output.stderr).unwrap();
    (output.status.code(), format!("{}{complaint}", String::from_utf8(output.stdout).unwrap()))
}

fn parked(cluster: &Cluster) -> Vec<Value> {
    let (code, text) = operator(cluster, &["events", "parked", "list", "--json"]);
    assert_eq!(code, Some(0), "{text}");
    serde_json::from_str(&text).unwrap()
}

/// Destroys the one data key that there is, as a lost disk would.
async fn lose_the_key(cluster: &Cluster) -> StoredMessage {
    let keys = KeysStream::open(cluster.connect(Role::Keys).await);
    let records = keys.last_per_subject("$KV.keys.*.*").await.unwrap();
    let key = records.into_iter().find(|record| !record.subject.contains(".kek.")).unwrap();
    keys.secure_delete(key.sequence).await.unwrap();
    key
}

async fn bring_back(cluster: &Cluster, key: &StoredMessage) {
    let appender = Appender::start(cluster.connect(Role::Keys).await, CommitMode::Grouped);
    let payload = key.payload.clone();
    let draft =
        NewMessage { subject: key.subject.clone(), id: None, headers: Vec::new(), expected: None, payload };
    appender.append(draft).await.unwrap();
}

#[tokio::test]
async fn a_user_whose_key_is_lost_waits_alone_and_goes_on_when_it_is_back() {
    let mut cluster = Cluster::start().await;
    let (ana, ben) =
        (cluster.credentials("ana", Part::IngestOne), cluster.credentials("ben", Part::IngestOne));
    post(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    folded(&cluster, &ana, 1).await;
    let key = lose_the_key(&cluster).await;
    // Nobody remembers the key any more but ingest, which goes on sealing under it.
    assert_eq!(cluster.part(Part::Projector).stop().await, Some(0));
    post(&cluster, &ana, summary("09:00:00", r#""steps":2000"#)).await;
    post(&cluster, &ana, summary("10:00:00", r#""steps":3000"#)).await;
    let of_ben = post(&cluster, &ben, summary("10:00:00", r#""steps":1"#)).await;
    cluster.start_part(Part::Projector);
    cluster.ready().await;
    folded(&cluster, &ben, of_ben).await;

    let waiting = parked(&cluster);
    assert_eq!(waiting.len(), 1, "{waiting:?}");
    assert_eq!((&waiting[0]["sequence"], &waiting[0]["kind"]), (&2.into(), &"key_missing".into()));
    assert_eq!(waiting[0]["waiting"], 1, "the one behind it");
    assert_eq!(folded(&cluster, &ben, of_ben).await.get("stale"), None);
    let (code, shown) = operator(&cluster, &["events", "parked", "show", "2", "--json"]);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((code, &shown["type"]), (Some(0), &"syncwell.summary.received.v1".into()));
    assert_eq!(operator(&cluster, &["events", "parked", "retry", "2"]).0, Some(1), "the key is still lost");

    // Once the key is back the row is read again, as it was and marked; folding it anew takes an operator.
    bring_back(&cluster, &key).await;
    let stale = folded(&cluster, &ana, of_ben).await;
    assert_eq!((&stale["steps"], &stale["stale"]), (&1000.into(), &true.into()));
    let (code, text) = operator(&cluster, &["events", "parked", "retry", "2"]);
    assert_eq!(code, Some(0), "{text}");
    let mended = folded(&cluster, &ana, of_ben).await;
    assert_eq!((&mended["steps"], mended.get("stale")), (&3000.into(), None));
    assert!(parked(&cluster).is_empty());
    let (code, text) = operator(&cluster, &["view", "verify"]);
    assert_eq!(code, Some(0), "{text}");
}

/// Appends bytes under a user's subject, as whoever has ingest's credentials could.
async fn inject(cluster: &Cluster, subject: &str, bytes: Vec<u8>) -> u64 {
    let appender = Appender::start(cluster.connect(Role::Ingest).await, CommitMode::Grouped);
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
async fn forged_events_are_parked_by_name_and_left_out_with_a_reason() {
    let cluster = Cluster::start().await;
    let (ana, ben) =
        (cluster.credentials("ana", Part::IngestOne), cluster.credentials("ben", Part::IngestOne));
    post(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    post(&cluster, &ben, summary("08:00:00", r#""steps":7"#)).await;
    let log = Log::over(cluster.connect(Role::Auditor).await);
    let stored = async |sequence| log.get(Sequence::new(sequence).unwrap()).await.unwrap().unwrap();
    let (of_ana, of_ben) = (stored(1).await, stored(2).await);

    // A true event of another user; bytes that are none; a true event with one bit of its content changed.
    assert_eq!(inject(&cluster, of_ana.subject(), of_ben.bytes().to_vec()).await, 3);
    post(&cluster, &ana, summary("09:00:00", r#""steps":2000"#)).await;
    assert_eq!(inject(&cluster, "events.v1.0.nobody", b"garbage".to_vec()).await, 5);
    let mut changed = of_ben.bytes().to_vec();
    let at = changed.len() - 20;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    assert_eq!(inject(&cluster, of_ben.subject(), changed).await, 6);
    let end =
        post(&cluster, &cluster.credentials("carl", Part::IngestOne), summary("08:00:00", r#""steps":3"#))
            .await;
    folded(&cluster, &cluster.credentials("carl", Part::Projector), end).await;

    let waiting = parked(&cluster);
    let mut kinds: Vec<_> = waiting
        .iter()
        .map(|one| (one["sequence"].as_u64().unwrap(), one["kind"].as_str().unwrap()))
        .collect();
    kinds.sort_unstable();
    assert_eq!(kinds, [(3, "misfiled"), (5, "malformed"), (6, "sealed")]);
    let stale = row(&cluster, &ana).await.json();
    assert_eq!((&stale["steps"], &stale["stale"]), (&1000.into(), &true.into()));

    // A rebuild that knows of them goes on; one that meets a new one stops, and nothing is switched.
    let (code, text) = operator(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(parked(&cluster).len(), 3, "what waits waits in the new view too");

    assert_eq!(
        operator(&cluster, &["events", "parked", "discard", "3"]).0,
        Some(2),
        "no reason, no discarding"
    );
    assert_eq!(operator(&cluster, &["events", "parked", "discard", "4", "--reason", "x"]).0, Some(1));
    for sequence in ["3", "5", "6"] {
        let (code, text) =
            operator(&cluster, &["events", "parked", "discard", sequence, "--reason", "forged, ticket 7"]);
        assert_eq!(code, Some(0), "{text}");
    }
    assert!(parked(&cluster).is_empty());
    let mended = row(&cluster, &ana).await.json();
    assert_eq!((&mended["steps"], mended.get("stale")), (&2000.into(), None));
    let (_, tail) = operator(&cluster, &["events", "tail", "--json"]);
    let said = tail.lines().filter(|line| line.contains("syncwell.event.discarded.v1")).count();
    assert!(said == 3 && tail.contains("forged, ticket 7"), "{tail}");
    for command in
        [&["view", "verify"][..], &["view", "rebuild", "--fresh"], &["view", "diff", "serving", "kept"]]
    {
        let (code, text) = operator(&cluster, command);
        assert_eq!(code, Some(0), "{command:?}: {text}");
    }
}

#[tokio::test]
async fn a_rebuild_stops_at_a_poison_that_the_serving_view_does_not_know() {
    let mut cluster = Cluster::start().await;
    let ana = cluster.credentials("ana", Part::IngestOne);
    post(&cluster, &ana, summary("08:00:00", r#""steps":1000"#)).await;
    folded(&cluster, &ana, 1).await;
    // The serving view has folded the event; what folds now can't open it.
    let key = lose_the_key(&cluster).await;
    assert_eq!(cluster.part(Part::Projector).stop().await, Some(0));
    cluster.start_part(Part::Projector);
    cluster.ready().await;
    let (code, text) = operator(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("at sequence 1") && text.contains("nothing was switched"), "{text}");
    bring_back(&cluster, &key).await;
    assert_eq!(row(&cluster, &ana).await.json()["steps"], 1000, "the old view goes on serving");
    let (code, text) = operator(&cluster, &["view", "rebuild"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(run(&["events", "parked", "list", "--help"], &[]).status.success());
}
