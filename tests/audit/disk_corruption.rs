//! A bit that flips in the broker's own files. The broker says nothing of it, or forgets what was behind it.

use std::path::Path;

use nats_server::Role;

use super::{files_below, read_events, run_audit_verify, start_and_fail, wait_until_signed};
use crate::harness::{Cluster, Node, System, post_summaries, read_all_events, read_text, run_cli};

const USERS: [&str; 8] = ["ana", "ben", "carl", "dora", "emil", "fay", "gus", "hana"];
const POSTS_PER_USER: u64 = 40;
const EVENTS: u64 = POSTS_PER_USER * USERS.len() as u64;
const TARGET: u64 = 171;

/// Flips one bit of an event's sealed content where the broker keeps it.
fn flip_bit(store: &Path, event: &[u8]) {
    let mut found = 0;
    for file in files_below(store).into_iter().filter(|file| file.extension().is_some_and(|it| it == "blk")) {
        let mut bytes = std::fs::read(&file).unwrap();
        let Some(at) = bytes.windows(event.len()).position(|window| window == event) else { continue };
        bytes[at + event.len() - 40] ^= 1;
        std::fs::write(&file, bytes).unwrap();
        found += 1;
    }
    assert_eq!(found, 1, "the event stands in one place");
}

/// A system that was stopped cleanly, and started again with one bit flipped meanwhile.
async fn start_with_flipped_bit() -> System {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &USERS, POSTS_PER_USER, 0).await;
    wait_until_signed(&system.data_dir(), EVENTS).await;
    let event = read_events(&system).await.remove(TARGET as usize - 1);
    let folder = system.stop().await;
    flip_bit(&folder.path().join("data/nats/store"), event.bytes());
    // Nobody who goes on from the end sees it; whoever reads the log does.
    System::start_in(folder, &[])
}

#[tokio::test]
async fn bit_flip_after_clean_stop_is_reported_as_a_hole() {
    let system = start_with_flipped_bit().await;
    let (code, report) = run_audit_verify(&system.data_dir(), &[]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert_eq!(report["findings"][0]["kind"], "hole", "{report}");
    let rebuilt = run_cli(&system.data_dir(), &["view", "rebuild"]);
    assert_eq!(rebuilt.exit_code, Some(1), "{}", rebuilt.combined_output());
    assert!(rebuilt.combined_output().contains(&TARGET.to_string()), "{}", rebuilt.combined_output());

    let folder = system.stop().await;
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = start_and_fail(folder.path()).await;
    assert!(said.contains(&format!("INCIDENT: the log has a hole: sequence {TARGET} is missing")), "{said}");
}

#[tokio::test]
async fn audit_with_reveal_reports_the_hole() {
    let system = start_with_flipped_bit().await;
    let (code, report) = run_audit_verify(&system.data_dir(), &["--reveal", "--reason", "the yearly audit"]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
}

#[tokio::test]
async fn bit_flip_after_kill_loses_events_and_is_an_incident() {
    let mut cluster = Cluster::start().await;
    post_summaries(&cluster.data_dir(), cluster.url(Node::IngestOne), &USERS, POSTS_PER_USER, 0).await;
    wait_until_signed(&cluster.data_dir(), EVENTS).await;
    let event = read_all_events(cluster.connect_as(Role::Auditor).await).await.remove(TARGET as usize - 1);
    for part in [Node::Notary, Node::Projector] {
        assert_eq!(cluster.process(part).stop().await, Some(0));
    }
    cluster.kill_broker().await;
    flip_bit(&cluster.folder.path().join("broker"), event.bytes());
    cluster.start_broker().await;

    for part in [Node::Notary, Node::Projector] {
        cluster.start_node(part);
        assert_eq!(cluster.process(part).wait_for_exit().await, Some(1), "{part:?}");
        let log = read_text(&cluster.process(part).log_path);
        assert!(log.contains("INCIDENT: "), "{log}");
    }
    let (code, report) = run_audit_verify(&cluster.data_dir(), &["--nats", &cluster.nats_url()]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
}
