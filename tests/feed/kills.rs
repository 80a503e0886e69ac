//! Kills, between what is appended and what is delivered: nothing is lost, and what is repeated has the same name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc;

use super::receiver::{Answer, Delivery};
use super::{Scene, add};
use crate::harness::{Cluster, Part, System, all_events, post_many, run_in, until};

/// Messages that a receiver takes before it holds the next until it is let go: those are under way when somebody is killed.
const TAKEN: usize = 4;

/// Returns once whoever holds the other end lets go.
fn hold_past(number: usize, let_go: &mpsc::Receiver<()>) {
    if number > TAKEN {
        // Nothing is ever sent: it ends when the other end does.
        let _ = let_go.recv();
    }
}

/// The positions that were told, after a look at their names: one for each, and the same body every time.
fn positions(deliveries: &[Delivery]) -> BTreeSet<u64> {
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
async fn a_killed_system_tells_everything_when_it_is_back() {
    let scene = Scene::new("[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1]");
    let mut system = scene.system();
    add(&system.data_dir(), &[&scene.receiver.url("/")]);
    let mut expected = BTreeSet::new();
    for round in 0..3 {
        let before = scene.receiver.deliveries().len();
        // Some are refused, so that a kill also meets messages that wait.
        let (held, let_go) = mpsc::channel::<()>();
        let mut number = 0;
        scene.receiver.answer(move |_| {
            number += 1;
            hold_past(number, &let_go);
            Answer::Status(if number % 3 == 0 { 500 } else { 204 })
        });
        let posted =
            post_many(&system.data_dir(), &system.base_url, &["ana", "ben", "cid", "dan"], 6, round).await;
        expected.extend(posted.into_iter().map(|posted| posted.sequence));
        scene.receiver.wait_for(before + TAKEN, |_| true).await;
        let System { mut process, folder, .. } = system;
        process.kill();
        drop((process, held));
        system = System::start_in(folder, &scene.environment());
    }
    until("everything is told", async || (positions(&scene.receiver.deliveries()) == expected).then_some(()))
        .await;
}

#[tokio::test]
async fn two_workers_tell_everything_and_one_takes_over_from_the_other() {
    let scene = Scene::new("[1]");
    let environment = scene.environment();
    let mut cluster = Cluster::broker_with_streams().await;
    cluster.environment =
        environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let parts =
        [Part::Keys, Part::Notary, Part::Projector, Part::IngestOne, Part::WorkerOne, Part::WorkerTwo];
    for part in parts {
        cluster.start_part(part);
    }
    cluster.ready().await;
    let (nats, ingest) = (cluster.nats_url(), cluster.url(Part::IngestOne).to_owned());
    let data_dir = cluster.data_dir();
    let added = operator(&data_dir, &["webhooks", "add", &scene.receiver.url("/"), "--nats", &nats]);
    assert!(added.contains("whsec_"), "{added}");

    let post = async |round| post_many(&data_dir, &ingest, &["ana", "ben", "cid"], 8, round).await;
    let mut expected: BTreeSet<_> = post(0).await.into_iter().map(|posted| posted.sequence).collect();
    let told = scene.receiver.wait_for(expected.len(), |_| true).await;
    assert_eq!(positions(&told), expected);
    assert_eq!(told.len(), expected.len(), "while nobody is killed, each once");

    // Whichever delivers: one is killed while there is much to tell, comes back, and then the other.
    for (round, part) in [(1, Part::WorkerOne), (2, Part::WorkerTwo)] {
        let before = scene.receiver.deliveries().len();
        let (held, let_go) = mpsc::channel::<()>();
        let mut number = 0;
        scene.receiver.answer(move |_| {
            number += 1;
            hold_past(number, &let_go);
            Answer::Status(204)
        });
        expected.extend(post(round).await.into_iter().map(|posted| posted.sequence));
        scene.receiver.wait_for(before + TAKEN, |_| true).await;
        cluster.kill_part(part);
        drop(held);
        until("the one that is left tells everything", async || {
            (positions(&scene.receiver.deliveries()) == expected).then_some(())
        })
        .await;
        cluster.start_part(part);
        cluster.ready().await;
    }
    // The broker goes away meanwhile, with the leases.
    expected.extend(post(3).await.into_iter().map(|posted| posted.sequence));
    cluster.kill_broker().await;
    cluster.start_broker().await;
    until("everything is told", async || (positions(&scene.receiver.deliveries()) == expected).then_some(()))
        .await;
    let events = all_events(cluster.connect(nats_server::Role::Auditor).await).await;
    assert_eq!(events.len(), expected.len());
}

fn operator(data_dir: &Path, arguments: &[&str]) -> String {
    let ran = run_in(data_dir, arguments);
    assert_eq!(ran.code, Some(0), "{}", ran.text());
    ran.output
}
