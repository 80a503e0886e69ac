//! Kills, between what is appended and what is delivered: nothing is lost, and what is repeated has the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc;

use super::receiver::{ReceivedDelivery, ReceiverResponse};
use super::{WebhookFixture, add_endpoint};
use crate::harness::{Cluster, Node, System, post_summaries, read_all_events, run_cli, wait_until};

/// Messages that a receiver takes before it holds the next until it is let go: those are under way when somebody is killed.
const DELIVERIES_BEFORE_HOLD: usize = 4;

/// Returns once whoever holds the other end lets go.
fn hold_after_limit(number: usize, let_go: &mpsc::Receiver<()>) {
    if number > DELIVERIES_BEFORE_HOLD {
        // Nothing is ever sent: it ends when the other end does.
        let _ = let_go.recv();
    }
}

/// The positions that were told, after a look at their names: one for each, and the same body every time.
fn delivered_positions(deliveries: &[ReceivedDelivery]) -> BTreeSet<u64> {
    let mut told = BTreeMap::new();
    for delivery in deliveries {
        let position = delivery.json()["data"]["position"].as_u64().unwrap();
        let named = told.entry(position).or_insert_with(|| (delivery.id(), &delivery.body));
        assert_eq!(*named, (delivery.id(), &delivery.body));
    }
    let ids: BTreeSet<_> = told.values().map(|(id, _)| *id).collect();
    assert_eq!(ids.len(), told.len(), "every event has a name of its own");
    told.into_keys().collect()
}

#[tokio::test]
async fn killed_system_delivers_everything_after_restart() {
    let scene = WebhookFixture::new("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]");
    let mut system = scene.start_system();
    add_endpoint(&system.data_dir(), &[&scene.receiver.url("/")]);
    let mut expected = BTreeSet::new();
    for round in 0..3 {
        let before = scene.receiver.deliveries().len();
        // Some are refused, so that a kill also meets messages that wait.
        let (held, let_go) = mpsc::channel::<()>();
        let mut number = 0;
        scene.receiver.respond_with(move |_| {
            number += 1;
            hold_after_limit(number, &let_go);
            ReceiverResponse::Status(if number % 3 == 0 { 500 } else { 204 })
        });
        let posted =
            post_summaries(&system.data_dir(), &system.base_url, &["ana", "ben", "cid", "dan"], 6, round)
                .await;
        expected.extend(posted.into_iter().map(|posted| posted.sequence));
        scene.receiver.wait_for_deliveries(before + DELIVERIES_BEFORE_HOLD, |_| true).await;
        let System { mut process, folder, .. } = system;
        process.kill();
        drop((process, held));
        system = System::start_in(folder, &scene.environment());
    }
    wait_until("everything is told", async || {
        (delivered_positions(&scene.receiver.deliveries()) == expected).then_some(())
    })
    .await;
}

#[tokio::test]
async fn second_worker_takes_over_deliveries() {
    let scene = WebhookFixture::new("[1]");
    let environment = scene.environment();
    let mut cluster = Cluster::start_broker_with_streams().await;
    cluster.environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parts =
        [Node::Keys, Node::Notary, Node::Projector, Node::IngestOne, Node::WorkerOne, Node::WorkerTwo];
    for part in parts {
        cluster.start_node(part);
    }
    cluster.wait_until_ready().await;
    let (nats, ingest) = (cluster.nats_url(), cluster.url(Node::IngestOne).to_owned());
    let data_dir = cluster.data_dir();
    let added = run_ok(&data_dir, &["webhooks", "add", &scene.receiver.url("/"), "--nats", &nats]);
    assert!(added.contains("whsec_"), "{added}");

    let post = async |round| post_summaries(&data_dir, &ingest, &["ana", "ben", "cid"], 8, round).await;
    let mut expected: BTreeSet<_> = post(0).await.into_iter().map(|posted| posted.sequence).collect();
    let told = scene.receiver.wait_for_deliveries(expected.len(), |_| true).await;
    assert_eq!(delivered_positions(&told), expected);
    assert_eq!(told.len(), expected.len(), "while nobody is killed, each once");

    // Whichever delivers: one is killed while there is much to tell, comes back, and then the other.
    for (round, part) in [(1, Node::WorkerOne), (2, Node::WorkerTwo)] {
        let before = scene.receiver.deliveries().len();
        let (held, let_go) = mpsc::channel::<()>();
        let mut number = 0;
        scene.receiver.respond_with(move |_| {
            number += 1;
            hold_after_limit(number, &let_go);
            ReceiverResponse::Status(204)
        });
        expected.extend(post(round).await.into_iter().map(|posted| posted.sequence));
        scene.receiver.wait_for_deliveries(before + DELIVERIES_BEFORE_HOLD, |_| true).await;
        cluster.kill_node(part);
        drop(held);
        wait_until("the one that is left tells everything", async || {
            (delivered_positions(&scene.receiver.deliveries()) == expected).then_some(())
        })
        .await;
        cluster.start_node(part);
        cluster.wait_until_ready().await;
    }
    // The broker goes away meanwhile, with the leases.
    expected.extend(post(3).await.into_iter().map(|posted| posted.sequence));
    cluster.kill_broker().await;
    cluster.start_broker().await;
    wait_until("everything is told", async || {
        (delivered_positions(&scene.receiver.deliveries()) == expected).then_some(())
    })
    .await;
    let events = read_all_events(cluster.connect_as(nats_server::Role::Auditor).await).await;
    assert_eq!(events.len(), expected.len());
}

fn run_ok(data_dir: &Path, arguments: &[&str]) -> String {
    let ran = run_cli(data_dir, arguments);
    assert_eq!(ran.exit_code, Some(0), "{}", ran.combined_output());
    ran.stdout
}
