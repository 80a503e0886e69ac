//! Everything is killed at random moments under load, round after round, while phones retry the same bytes. In the end
//! every acknowledged event is in the log exactly once, and every row equals an independent fold.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use client::{Backoff, Phone, PostResult};
use events::Log;
use jetstream::ScanFrom;
use nats_server::Role;
use schemas::{Accepted, EventId, RowsDocument, Sequence, Summary, SummaryBounds};
use tokio::sync::watch;

use crate::harness::{Cluster, ExpectedRow, Node, now, reference_fold, wait_until, yesterday};

const PHONES: usize = 10;
const ROUNDS: usize = 5;

/// A small generator, seeded, so that a failing round can be run again.
struct SeededRng(u64);

impl SeededRng {
    fn next_below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Posts until told to stop; every post is tried until it is settled.
async fn run_phone(
    mut phone: Phone,
    mut dice: SeededRng,
    stop: watch::Receiver<bool>,
) -> Vec<(Accepted, Summary)> {
    let mut accepted = Vec::new();
    let date = yesterday();
    while !*stop.borrow() {
        let (hour, minute, second) = (dice.next_below(23), dice.next_below(60), dice.next_below(60));
        let (steps, kind, start, minutes) =
            (dice.next_below(9_000), dice.next_below(3), dice.next_below(4), 1 + dice.next_below(60));
        let hrv = if dice.next_below(2) == 0 {
            format!(r#","hrv":{}"#, 20 + dice.next_below(80))
        } else {
            String::new()
        };
        let body = format!(
            r#"{{"date":"{date}","generated_at":"{date}T{hour:02}:{minute:02}:{second:02}Z","steps":{steps}{hrv},
            "workouts":[{{"type":"kind-{kind}","start_time":"{date}T0{start}:00:00Z","duration":{minutes}}}]}}"#
        );
        let signed = phone.sign(now().as_nanosecond().to_string()[..13].to_owned(), body.clone());
        let backoff = Backoff::new(Duration::from_millis(10), Duration::from_millis(150), 600);
        match phone.post(&signed, backoff).await {
            Ok(PostResult::Accepted(answer)) => {
                let summary = Summary::parse(body.as_bytes(), &SummaryBounds::default(), now()).unwrap();
                accepted.push((answer, summary));
            }
            other => panic!("not settled: {other:?}"),
        }
    }
    accepted
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_events_survive_random_kills() {
    let environment =
        [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];
    let mut cluster = Cluster::start_with_env(&environment).await;
    let seed = now().as_nanosecond() as u64;
    println!("seed {seed}");
    let mut dice = SeededRng(seed);
    let (stop, stopped) = watch::channel(false);
    let mut phones = Vec::new();
    for number in 0..PHONES {
        let part = [Node::IngestOne, Node::IngestTwo][number % 2];
        let credentials = cluster.credentials(&format!("user-{number}"), part);
        let dice = SeededRng(seed ^ (number as u64) << 32);
        phones.push(tokio::spawn(run_phone(Phone::new(credentials).unwrap(), dice, stopped.clone())));
    }
    for round in 0..ROUNDS as u64 {
        // The load itself is the clock: some more events, and then somebody dies.
        let target = last_sequence(&cluster).await + 20 + dice.next_below(150);
        wait_until("the load goes on", async || (last_sequence(&cluster).await >= target).then_some(()))
            .await;
        let victims = [Node::IngestOne, Node::IngestTwo, Node::Projector, Node::Keys];
        // The broker and everything at once for certain, and then whoever it hits.
        let victim = if round < 2 { round } else { dice.next_below(6) };
        match victim {
            0 => {
                cluster.kill_broker().await;
                cluster.start_broker().await;
            }
            1 => {
                // All at once, as when the power fails.
                victims.iter().for_each(|part| cluster.kill_node(*part));
                cluster.kill_broker().await;
                cluster.start_broker().await;
                victims.iter().for_each(|part| cluster.start_node(*part));
            }
            number => {
                let part = victims[number as usize - 2];
                cluster.kill_node(part);
                cluster.start_node(part);
            }
        }
        cluster.wait_until_ready().await;
    }
    stop.send(true).unwrap();
    let mut accepted = Vec::new();
    for phone in phones {
        accepted.push(phone.await.unwrap());
    }
    let recorded = read_event_ids(&cluster).await;
    let total: usize = accepted.iter().map(Vec::len).sum();
    println!("{total} posts, {} events", recorded.len());
    // A post is an event and an event is a post: none lost, none twice, none that nobody sent.
    assert_eq!(recorded.len(), total);
    for (answer, _) in accepted.iter().flatten() {
        assert_eq!(recorded.get(&answer.event_id), Some(&answer.sequence), "{answer:?}");
    }
    for (number, posts) in accepted.into_iter().enumerate() {
        let posts: Vec<_> = posts.into_iter().map(|(answer, summary)| (answer.sequence, summary)).collect();
        let mut reader = Phone::new(cluster.credentials(&format!("user-{number}"), Node::Projector)).unwrap();
        let rows = wait_until("the view has caught up", async || {
            let answer = reader.get("/v1/summaries?from=2026-01-01&to=2026-12-31").await.ok()?;
            let rows: RowsDocument = serde_json::from_slice(&answer.body).ok()?;
            (rows.position == recorded.len() as u64).then_some(rows)
        });
        assert_eq!(ExpectedRow::from(&rows.await.summaries[0]), reference_fold(&posts), "user-{number}");
    }
}

async fn last_sequence(cluster: &Cluster) -> u64 {
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    log.open().await.unwrap().last.map_or(0, Sequence::get)
}

/// Every event of the log by its name; the same name twice is a failure here.
async fn read_event_ids(cluster: &Cluster) -> HashMap<EventId, Sequence> {
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    let mut found = BTreeMap::new();
    loop {
        let next = found.len() as u64 + 1;
        let events = log.scan(ScanFrom::Sequence(next), None).await.unwrap();
        if events.is_empty() {
            break;
        }
        for event in events {
            found.insert(event.sequence(), event.header().unwrap().id);
        }
    }
    let by_name: HashMap<_, _> = found.iter().map(|(sequence, id)| (*id, *sequence)).collect();
    assert_eq!(by_name.len(), found.len(), "an event stands in the log twice");
    by_name
}
