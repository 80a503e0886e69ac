//! What each role's own credentials must not be able to do, tried with raw clients against the repository's nats.conf.

mod role_subjects;

use std::time::Duration;

use async_nats::{Client, ConnectOptions};
use events::{EVENTS_STREAM, Log};
use keys::KEYS_STREAM;
use nats_server::{Role, permissions};
use schemas::Sequence;

use crate::harness::{Cluster, Node, RawRequest, summary, wait_until};
use role_subjects::{allowed_requests, attack_subjects};

/// What the streams hold; must be the same after every attack.
#[derive(Debug, PartialEq)]
struct StreamsSnapshot {
    events: (u64, u64),
    keys: (u64, u64),
    connections: (u64, u64),
    config: serde_json::Value,
}

async fn take_snapshot(cluster: &Cluster) -> StreamsSnapshot {
    let owner = cluster.connect_as(Role::Owner).await;
    let info = async |stream: jetstream::Stream| stream.info().await.unwrap().expect("the stream is gone");
    let events = info(EVENTS_STREAM.stream(owner.clone())).await;
    let keys = info(KEYS_STREAM.stream(owner.clone())).await;
    let connections = info(worker::CONNECTIONS_STREAM.stream(owner)).await;
    StreamsSnapshot {
        events: (events.state.messages, events.state.last_seq),
        keys: (keys.state.messages, keys.state.last_seq),
        connections: (connections.state.messages, connections.state.last_seq),
        config: events.config,
    }
}

/// A client of the library itself, with a role's credentials: an attacker's.
async fn connect_attacker(cluster: &Cluster, role: Role) -> Client {
    ConnectOptions::with_nkey(cluster.seed(role))
        .custom_inbox_prefix(format!("_INBOX_{}", role.name()))
        .request_timeout(Some(Duration::from_millis(300)))
        .connect(cluster.nats_url())
        .await
        .unwrap()
}

async fn post_one_event(cluster: &Cluster) -> String {
    let posted = RawRequest::post(
        &cluster.credentials("victim", Node::IngestOne),
        summary("20:00:00", r#""steps":1"#),
    );
    assert_eq!(posted.send(cluster.url(Node::IngestOne)).await.status, 201);
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    let event = log.get(Sequence::FIRST).await.unwrap().unwrap();
    event.header().unwrap().user.to_string()
}

#[tokio::test]
async fn roles_reach_only_their_own_subjects() {
    let cluster = Cluster::start().await;
    let user = post_one_event(&cluster).await;
    let before = take_snapshot(&cluster).await;
    // Ingest is last: what it may write shows that everything sent before has arrived.
    let daily = Role::ALL.into_iter().filter(|role| !matches!(role, Role::Owner | Role::Ingest));
    let daily = daily.chain([Role::Ingest]);
    for role in daily {
        let client = connect_attacker(&cluster, role).await;
        let tried: Vec<_> = attack_subjects(&user)
            .into_iter()
            .filter(|subject| !permissions::may_publish(role, subject))
            .collect();
        // Asked directly, for an answer: nobody may give one.
        let answers = futures_util::future::join_all(tried.iter().map(|target| {
            let payload = if target.contains("UPDATE") || target.contains("CREATE") {
                r#"{"name":"EVENTS","discard":"old","max_msgs":1,"mirror":{"name":"KV_keys"}}"#
            } else {
                ""
            };
            client.request(target.clone(), payload.into())
        }));
        for (target, answer) in tried.iter().zip(answers.await) {
            assert!(answer.is_err(), "{} got an answer from {target}: {answer:?}", role.name());
        }
        // Sent as the reply of something that is allowed: it must lead nowhere.
        for target in &tried {
            for (subject, payload) in allowed_requests(role, &user) {
                assert!(permissions::may_publish(role, &subject), "{} and {subject}", role.name());
                client.publish_with_reply(subject, target.clone(), payload.into()).await.unwrap();
            }
        }
        if role == Role::Ingest {
            // The log's own acknowledgement as a forged key or event. The message itself is allowed, and no event.
            for target in [format!("$KV.keys.{user}.evil"), "$JS.API.STREAM.DELETE.EVENTS".to_owned()] {
                client.publish_with_reply("events.v1.7.nobody", target, "".into()).await.unwrap();
            }
        }
        client.flush().await.unwrap();
    }
    // What ingest wrote last was written after everything else that was sent.
    let from_ingest = 2;
    let after = wait_until("what ingest was allowed to write is written", async || {
        let after = take_snapshot(&cluster).await;
        (after.events.1 - before.events.1 >= from_ingest).then_some(after)
    });
    let after = after.await;
    assert_eq!(after.events.1 - before.events.1, from_ingest, "an event was forged through a reply");
    assert_eq!(after.keys, before.keys, "a key was written, overwritten or deleted");
    assert_eq!(after.connections, before.connections, "a connection was written or deleted");
    assert_eq!(after.config, before.config);
}

#[tokio::test]
async fn roles_cannot_subscribe_to_foreign_subjects() {
    let cluster = Cluster::start().await;
    for role in [Role::Ingest, Role::Auditor, Role::Operator, Role::Worker, Role::Backup] {
        let client = connect_attacker(&cluster, role).await;
        for subject in [
            "events.v1.>",
            "$KV.keys.>",
            "$KV.breakglass.>",
            "breakglass.v1.*",
            "keys.v1.>",
            "checkpoints.v1",
            "changes.v1",
            "$KV.connections.>",
            "$KV.deliveries.>",
            "view.v1.*",
            "tree.v1.*",
            "_INBOX.>",
            "_INBOX_projector.>",
            "$JS.>",
            ">",
        ] {
            let mut heard = client.subscribe(subject).await.unwrap();
            client.flush().await.unwrap();
            // A subscription that the broker refuses ends at once.
            let posted = RawRequest::post(
                &cluster.credentials("talker", Node::IngestOne),
                summary("20:00:00", r#""steps":1"#),
            );
            assert!(posted.send(cluster.url(Node::IngestOne)).await.status < 300);
            let first =
                tokio::time::timeout(Duration::from_millis(50), futures_util::StreamExt::next(&mut heard))
                    .await;
            assert!(!matches!(first, Ok(Some(_))), "{} hears {subject}: {first:?}", role.name());
        }
    }
}

#[tokio::test]
async fn key_keeper_refuses_a_wrong_kek() {
    let cluster = Cluster::start().await;
    post_one_event(&cluster).await;
    // Another KEK of the same version: the keeper refuses before it serves, and overwrites nothing.
    let before = take_snapshot(&cluster).await;
    let other_kek = format!("1 {}", "ab".repeat(32));
    let data_dir = cluster.data_dir();
    let arguments = [
        "keys",
        "serve",
        "--nats",
        &cluster.nats_url(),
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--listen",
        "127.0.0.1:0",
    ];
    let output = crate::harness::run_syncwell(&arguments, &[("SYNCWELL_SECRETS__KEK", &other_kek)]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{complaint}");
    assert!(complaint.contains("the key-encryption key is not the one"), "{complaint}");
    assert!(!complaint.contains("abab"), "a secret was printed");
    assert_eq!(take_snapshot(&cluster).await, before);
}
