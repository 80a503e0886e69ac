//! A restore that is killed, refused, or older than an erasure.

use std::fs;
use std::path::{Path, PathBuf};

use events::EVENTS_STREAM;
use jetstream::{Appender, CommitMode, NewMessage};
use keys::KEYS_STREAM;
use nats_server::Role;

use super::{comparable_events, copy_files, run_ok, wait_until_signed};
use crate::harness::{
    Cluster, Node, Process, RawRequest, System, post_summaries, read_all_events, read_text, run_cli, summary,
    wait_until,
};

/// Whether a stream of this name has messages in the broker's files.
fn has_messages(folder: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    // Files and folders come and go while the broker works.
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        let is_block = path.extension().is_some_and(|extension| extension == "blk")
            && path.components().any(|part| part.as_os_str() == name);
        if is_block { entry.metadata().is_ok_and(|it| it.len() > 0) } else { has_messages(&path, name) }
    })
}

#[tokio::test]
async fn killed_restore_can_be_run_again() {
    let system = System::start();
    let data_dir = system.data_dir();
    post_summaries(&data_dir, &system.base_url, &["ana", "ben", "carl", "dora"], 40, 0).await;
    wait_until_signed(&data_dir, 160).await;
    let log = read_all_events(system.connect_as(Role::Auditor).await).await;
    let [backup, secrets] = ["backup", "secrets"].map(|name| system.folder.path().join(name));
    let [backup, secrets] = [&backup, &secrets].map(|path| path.to_str().unwrap());
    run_ok(&data_dir, &["backup", backup, "--secrets-to", secrets]);
    let folder = system.stop().await;
    fs::remove_dir_all(&data_dir).unwrap();

    let restore = ["restore", backup, "--secrets-from", secrets, "--data-dir", data_dir.to_str().unwrap()];
    let store = data_dir.join("nats/store");
    let moments: [(&str, &dyn Fn() -> bool); 6] = [
        ("the secrets are there", &|| data_dir.join("secrets").exists()),
        ("the broker's folder is there", &|| data_dir.join("nats").exists()),
        ("the broker keeps something", &|| store.join("jetstream").exists()),
        ("there are keys", &|| has_messages(&store, "KV_keys")),
        ("there are events", &|| has_messages(&store, "EVENTS")),
        ("there are checkpoints", &|| has_messages(&store, "CHECKPOINTS")),
    ];
    for (moment, has_come) in moments {
        let mut process = Process::spawn(&restore, folder.path().join("restore.log"));
        wait_until(moment, async || (has_come() || process.try_exit_code().is_some()).then_some(())).await;
        process.kill();
    }
    let put_back = run_ok(&data_dir, &restore[..4]);
    let all = &put_back["events"];
    assert_eq!(all["held"].as_u64().unwrap() + all["appended"].as_u64().unwrap(), 160, "{put_back}");
    let system = System::start_in(folder, &[]);
    assert!(
        comparable_events(&read_all_events(system.connect_as(Role::Auditor).await).await)
            == comparable_events(&log),
        "the log is another one"
    );
    let report = run_ok(&data_dir, &["audit", "verify", "--reveal", "--reason", "after the fire"]);
    assert_eq!((&report["holds"], &report["signatures"]), (&true.into(), &160.into()), "{report}");
}

/// What the streams of a broker hold.
async fn message_counts(cluster: &Cluster) -> [u64; 3] {
    let owner = cluster.connect_as(Role::Owner).await;
    let events = EVENTS_STREAM.stream(owner.clone());
    let streams =
        [events, KEYS_STREAM.stream(owner.clone()), notary_client::CHECKPOINTS_STREAM.stream(owner)];
    let mut held = [0; 3];
    for (held, stream) in held.iter_mut().zip(streams) {
        *held = stream.info().await.unwrap().unwrap().state.messages;
    }
    held
}

#[tokio::test]
async fn damaged_backup_is_refused_before_any_write() {
    let system = System::start();
    post_summaries(&system.data_dir(), &system.base_url, &["ana", "ben"], 4, 0).await;
    let whole = system.folder.path().join("backup");
    run_ok(&system.data_dir(), &["backup", whole.to_str().unwrap()]);
    let cluster = Cluster::start_broker_with_streams().await;
    let vkey = cluster.folder.path().join("restored.vkey");
    fs::copy(system.data_dir().join("log.vkey"), &vkey).unwrap();
    let empty = message_counts(&cluster).await;
    assert_eq!(empty[0], 0);

    let cut = |file: &str| read_text(&whole.join(file))[..read_text(&whole.join(file)).len() - 30].to_owned();
    let without_last = |file: &str| {
        let text = read_text(&whole.join(file));
        text[..=text.trim_end().rfind('\n').unwrap()].to_owned()
    };
    let keys = read_text(&whole.join("keys.ndjson"));
    // Another wrapped key, in the same form.
    let at = keys.trim_end().rfind('"').unwrap() - 12;
    let other = if keys.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &keys[..at], &keys[at + 1..]);
    let mut number = 0;
    let mut refuse = |file: &str, text: Option<String>, expected: &str| {
        number += 1;
        let spoiled: PathBuf = cluster.folder.path().join(format!("spoiled-{number}"));
        copy_files(&whole, &spoiled);
        match text {
            Some(text) => fs::write(spoiled.join(file), text).unwrap(),
            None => fs::remove_file(spoiled.join(file)).unwrap(),
        }
        let nats = cluster.nats_url();
        let vkey = ["--vkey", vkey.to_str().unwrap()];
        let arguments = [&["restore", spoiled.to_str().unwrap(), "--nats", &nats], &vkey[..]].concat();
        let refused = run_cli(&cluster.data_dir(), &arguments);
        assert_eq!(refused.exit_code, Some(1), "{file}: {}", refused.stderr);
        assert!(
            refused.stderr.contains(file) && refused.stderr.contains(expected),
            "{file}, {expected}: {}",
            refused.stderr
        );
    };
    refuse("events.ndjson", Some(cut("events.ndjson")), "was cut short");
    refuse("keys.ndjson", Some(cut("keys.ndjson")), "was cut short");
    refuse("checkpoints.ndjson", Some(cut("checkpoints.ndjson")), "was cut short");
    refuse("keys.ndjson", Some(without_last("keys.ndjson")), "was cut short");
    refuse("checkpoints.ndjson", Some(without_last("checkpoints.ndjson")), "was cut short");
    refuse("keys.ndjson", Some(changed), "was changed");
    for file in ["events.ndjson", "keys.ndjson", "checkpoints.ndjson"] {
        refuse(file, None, "is missing");
    }
    assert_eq!(message_counts(&cluster).await, empty, "nothing was written");
}

#[tokio::test]
async fn erasure_newer_than_the_backup_stays() {
    let mut cluster = Cluster::start().await;
    let data_dir = cluster.data_dir();
    let posted = post_summaries(&data_dir, cluster.url(Node::IngestOne), &["ana", "ben"], 2, 0).await;
    let (nats, backup) = (cluster.nats_url(), cluster.folder.path().join("backup"));
    run_ok(&data_dir, &["backup", backup.to_str().unwrap(), "--nats", &nats]);
    let of_ana = posted.iter().find(|posted| posted.user == "ana").unwrap().sequence;
    let log = read_all_events(cluster.connect_as(Role::Auditor).await).await;
    let ana = log[of_ana as usize - 1].user().unwrap().to_string();

    let keys = KEYS_STREAM.stream(cluster.connect_as(Role::Keys).await);
    let records = keys.last_per_subject(&format!("$KV.keys.{ana}.*")).await.unwrap();
    assert_eq!(records.len(), 1);
    let appender = Appender::start(cluster.connect_as(Role::Keys).await, CommitMode::Grouped);
    let mark = NewMessage {
        subject: format!("$KV.keys.{ana}.erased"),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: vec![1, 2].into(),
    };
    appender.append(mark).await.unwrap();
    keys.secure_delete(records[0].sequence).await.unwrap();

    let put_back = run_ok(&data_dir, &["restore", backup.to_str().unwrap(), "--nats", &nats]);
    assert_eq!((&put_back["keys"]["erased"], &put_back["keys"]["appended"]), (&1.into(), &0.into()));
    let left = keys.last_per_subject(&format!("$KV.keys.{ana}.*")).await.unwrap();
    assert_eq!(left.len(), 1, "the mark alone");
    assert!(left[0].subject.ends_with(".erased"));
    // Nobody remembers the key any more.
    for part in [Node::Keys, Node::IngestOne] {
        cluster.kill_node(part);
        cluster.start_node(part);
    }
    cluster.wait_until_ready().await;
    let again =
        RawRequest::post(&cluster.credentials("ana", Node::IngestOne), summary("20:00:00", r#""steps":2"#));
    assert_eq!(again.send(cluster.url(Node::IngestOne)).await.problem_code(), "account_erased");
}
