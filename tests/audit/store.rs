//! A bit that flips in the broker's own files. The broker says nothing of it, or forgets what was behind it.

use std::path::Path;

use nats_server::Role;

use super::{audit, events_of, files_below, refused, signed};
use crate::harness::{Cluster, Part, System, all_events, post_many, run_in, text_of};

const USERS: [&str; 8] = ["ana", "ben", "carl", "dora", "emil", "fay", "gus", "hana"];
const EACH: u64 = 40;
const EVENTS: u64 = EACH * USERS.len() as u64;
const TARGET: u64 = 171;

/// Flips one bit of an event's sealed content where the broker keeps it.
fn flip(store: &Path, event: &[u8]) {
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
async fn flipped() -> System {
    let system = System::start();
    post_many(&system.data_dir(), &system.base_url, &USERS, EACH, 0).await;
    signed(&system.data_dir(), EVENTS).await;
    let event = events_of(&system).await.remove(TARGET as usize - 1);
    let folder = system.stop().await;
    flip(&folder.path().join("data/nats/store"), event.bytes());
    // Nobody who goes on from the end sees it; whoever reads the log does.
    System::start_in(folder, &[])
}

#[tokio::test]
async fn a_flipped_bit_behind_a_clean_stop_is_a_hole_with_its_sequence() {
    let system = flipped().await;
    let (code, report) = audit(&system.data_dir(), &[]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
    assert_eq!(report["findings"][0]["kind"], "hole", "{report}");
    let rebuilt = run_in(&system.data_dir(), &["view", "rebuild"]);
    assert_eq!(rebuilt.code, Some(1), "{}", rebuilt.text());
    assert!(rebuilt.text().contains(&TARGET.to_string()), "{}", rebuilt.text());

    let folder = system.stop().await;
    std::fs::remove_dir_all(folder.path().join("data/view")).unwrap();
    let said = refused(folder.path()).await;
    assert!(said.contains(&format!("INCIDENT: the log has a hole: sequence {TARGET} is missing")), "{said}");
}

#[tokio::test]
async fn an_audit_that_opens_everything_reports_a_hole_too() {
    let system = flipped().await;
    let (code, report) = audit(&system.data_dir(), &["--reveal", "--reason", "the yearly audit"]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
}

#[tokio::test]
async fn a_flipped_bit_behind_an_unclean_end_loses_events_and_is_an_incident() {
    let mut cluster = Cluster::start().await;
    post_many(&cluster.data_dir(), cluster.url(Part::IngestOne), &USERS, EACH, 0).await;
    signed(&cluster.data_dir(), EVENTS).await;
    let event = all_events(cluster.connect(Role::Auditor).await).await.remove(TARGET as usize - 1);
    for part in [Part::Notary, Part::Projector] {
        assert_eq!(cluster.part(part).stop().await, Some(0));
    }
    cluster.kill_broker().await;
    flip(&cluster.folder.path().join("broker"), event.bytes());
    cluster.start_broker().await;

    for part in [Part::Notary, Part::Projector] {
        cluster.start_part(part);
        assert_eq!(cluster.part(part).ended().await, Some(1), "{part:?}");
        let log = text_of(&cluster.part(part).log);
        assert!(log.contains("INCIDENT: "), "{log}");
    }
    let (code, report) = audit(&cluster.data_dir(), &["--nats", &cluster.nats_url()]);
    assert_eq!((code, &report["first_bad_sequence"]), (Some(1), &TARGET.into()), "{report}");
}
