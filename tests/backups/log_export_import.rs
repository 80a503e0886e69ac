//! `events export` and `events import`.

use std::fs;
use std::path::{Path, PathBuf};

use events::Log;
use futures_util::future::join_all;
use jetstream::{Appender, CommitMode, NewMessage};
use nats_server::Role;
use tlog::LogSigner;

use super::{comparable_events, run_ok, wait_until_signed};
use crate::harness::{Cluster, Node, Process, System, post_summaries, read_all_events, read_text, run_cli};

/// Appends messages that an export takes as they are.
async fn append_messages(cluster: &Cluster, count: u64, bytes: usize) {
    let appender = Appender::start(cluster.connect_as(Role::Ingest).await, CommitMode::Grouped);
    let draft = |number: u64| NewMessage {
        subject: format!("events.v1.{}.user{}", number % 64, number % 500),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: format!("{number:0>bytes$}").into(),
    };
    let all: Vec<_> = (0..count).collect();
    for some in all.chunks(1_000) {
        for appended in join_all(some.iter().map(|number| appender.append(draft(*number)))).await {
            appended.unwrap();
        }
    }
}

/// A copy of the public key of the log in one data folder, beside another cluster.
fn copy_vkey(from: &Path, to: &Cluster) -> PathBuf {
    let vkey = to.folder.path().join("exported.vkey");
    fs::copy(from.join("log.vkey"), &vkey).unwrap();
    vkey
}

async fn last_sequence(cluster: &Cluster) -> u64 {
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    log.open().await.unwrap().last.map_or(0, schemas::Sequence::get)
}

#[tokio::test]
async fn damaged_export_is_refused_before_any_import() {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &["ana", "ben"], 4, 0).await;
    let file = system.folder.path().join("log.ndjson");
    let exported = run_ok(&system.data_dir(), &["events", "export", file.to_str().unwrap()]);
    assert_eq!(exported["events"], 8);
    let there = run_cli(&system.data_dir(), &["events", "export", file.to_str().unwrap()]);
    assert_eq!(there.exit_code, Some(1), "a file that is there is not written over: {}", there.stderr);
    let whole = read_text(&file);

    let cluster = Cluster::start_broker_with_streams().await;
    let vkey = copy_vkey(&system.data_dir(), &cluster);
    let spoiled = cluster.folder.path().join("spoiled.ndjson");
    let (nats, vkey_text) = (cluster.nats_url(), read_text(&vkey));
    let import = |text: &str, vkey: &Path, more: &[&str]| {
        fs::write(&spoiled, text).unwrap();
        let common = ["events", "import", spoiled.to_str().unwrap(), "--vkey", vkey.to_str().unwrap()];
        run_cli(&cluster.data_dir(), &[&common[..], &["--nats", &nats, "--json"], more].concat())
    };
    let held = import(&whole, &vkey, &["--check"]);
    assert_eq!(held.exit_code, Some(0), "{}", held.stderr);
    assert_eq!((&held.json()["holds"], &held.json()["events"]), (&true.into(), &8.into()));

    let lines: Vec<_> = whole.split_inclusive('\n').collect();
    assert_eq!(lines.len(), 10, "a head, the events, and a manifest");
    let without = |left_out: usize| {
        let kept = lines.iter().enumerate().filter(|(number, _)| *number != left_out);
        kept.map(|(_, line)| *line).collect::<String>()
    };
    let doubled: String =
        lines.iter().enumerate().map(|(at, line)| line.repeat(1 + usize::from(at == 3))).collect();
    // One character within the sealed content of event 5.
    let mut changed = whole.clone().into_bytes();
    let at = lines[..6].concat().len() - 60;
    changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
    let changed = String::from_utf8(changed).unwrap();
    let mut bad = vec![
        (without(3), "event 3 is missing".to_owned()),
        (without(0), "line 1 is not in the form of an export".to_owned()),
        (without(9), "was cut short".to_owned()),
        (doubled, "event 3 is there twice".to_owned()),
        (changed, "was damaged".to_owned()),
        (format!("{whole}{}", lines[8]), "goes on behind its manifest".to_owned()),
    ];
    for length in [0, 1, lines[0].len(), lines[..4].concat().len(), whole.len() / 2, whole.len() - 1] {
        bad.push((whole[..length].to_owned(), "was cut short".to_owned()));
    }
    let foreign = cluster.folder.path().join("foreign.vkey");
    let origin = vkey_text.split('+').next().unwrap();
    fs::write(&foreign, LogSigner::new(origin, &[9; 32]).unwrap().vkey()).unwrap();
    let elsewhere = cluster.data_dir().join("log.vkey");
    let mut cases: Vec<_> = bad.into_iter().map(|(text, expected)| (text, expected, vkey.clone())).collect();
    cases.push((whole.clone(), "not signed by the log's key".to_owned(), foreign));
    cases.push((whole.clone(), "the note is of".to_owned(), elsewhere));
    for (text, expected, vkey) in cases {
        for more in [&["--check"][..], &[]] {
            let refused = import(&text, &vkey, more);
            assert_eq!(refused.exit_code, Some(1), "{expected}: {}", refused.stderr);
            assert!(refused.stderr.contains(&expected), "{expected}: {}", refused.stderr);
        }
    }
    assert_eq!(last_sequence(&cluster).await, 0, "nothing was imported");
    let imported = import(&whole, &vkey, &[]).json();
    assert_eq!((&imported["held"], &imported["appended"]), (&0.into(), &8.into()));
    let copy = read_all_events(cluster.connect_as(Role::Auditor).await).await;
    assert_eq!(
        comparable_events(&copy),
        comparable_events(&read_all_events(system.connect_as(Role::Auditor).await).await)
    );
}

#[tokio::test]
async fn killed_import_resumes_to_an_identical_log() {
    const EVENTS: u64 = 12_000;
    let mut source = Cluster::start_broker_with_streams().await;
    append_messages(&source, EVENTS, 700).await;
    source.start_node(Node::Notary);
    wait_until_signed(&source.data_dir(), EVENTS).await;
    let file = source.folder.path().join("log.ndjson");
    let file = file.to_str().unwrap();
    run_ok(&source.data_dir(), &["events", "export", file, "--nats", &source.nats_url()]);

    let target = Cluster::start_broker_with_streams().await;
    let vkey = copy_vkey(&source.data_dir(), &target);
    let (nats, data_dir) = (target.nats_url(), target.data_dir());
    let arguments = [
        "events",
        "import",
        file,
        "--vkey",
        vkey.to_str().unwrap(),
        "--nats",
        &nats,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    let log = Log::new(target.connect_as(Role::Auditor).await);
    let end = async || log.open().await.unwrap().last.map_or(0, schemas::Sequence::get);
    // Killed once at its beginning, and then whenever it has brought the log a little further.
    let mut kills = 0;
    let mut killed_at = 0;
    loop {
        let mut import = Process::spawn(&arguments, target.folder.path().join("import.log"));
        let code = loop {
            if let Some(code) = import.try_exit_code() {
                break Some(code);
            }
            let now = end().await;
            if now > killed_at && now < EVENTS {
                killed_at = now + 2_000;
                break None;
            }
            tokio::task::yield_now().await;
        };
        match code {
            None => {
                import.kill();
                kills += 1;
            }
            Some(code) => {
                assert_eq!(code, Some(0), "{}", read_text(&import.log_path));
                break;
            }
        }
    }
    assert!(kills >= 2, "{kills}");
    let (original, copy) = (
        read_all_events(source.connect_as(Role::Auditor).await).await,
        read_all_events(target.connect_as(Role::Auditor).await).await,
    );
    assert_eq!(original.len() as u64, EVENTS);
    assert!(comparable_events(&copy) == comparable_events(&original), "the log is another one");
    let again = run_ok(&data_dir, &[&arguments[..5], &["--nats", nats.as_str()]].concat());
    assert_eq!((&again["held"], &again["appended"]), (&EVENTS.into(), &0.into()));
}

#[tokio::test]
async fn import_into_a_different_log_appends_nothing() {
    let mut source = Cluster::start_broker_with_streams().await;
    append_messages(&source, 20, 50).await;
    source.start_node(Node::Notary);
    wait_until_signed(&source.data_dir(), 20).await;
    let file = source.folder.path().join("log.ndjson");
    let file = file.to_str().unwrap();
    run_ok(&source.data_dir(), &["events", "export", file, "--nats", &source.nats_url()]);
    let target = Cluster::start_broker_with_streams().await;
    let vkey = copy_vkey(&source.data_dir(), &target);
    // The first two are the same, the third is one byte longer.
    append_messages(&target, 2, 50).await;
    append_messages(&target, 1, 51).await;
    let nats = target.nats_url();
    let arguments = ["events", "import", file, "--vkey", vkey.to_str().unwrap(), "--nats", &nats];
    let refused = run_cli(&target.data_dir(), &arguments);
    assert_eq!(refused.exit_code, Some(1), "{}", refused.stderr);
    assert!(refused.stderr.contains("another event 3 than the export"), "{}", refused.stderr);
    assert_eq!(last_sequence(&target).await, 3);
}
