//! A restore that is killed, refused, or older than an erasure.

use std::fs;
use std::path::{Path, PathBuf};

use jetstream::{Appender, CommitMode, NewMessage, Stream};
use keys::KeysStream;
use nats_server::Role;

use super::{copy_folder, done, same, signed};
use crate::harness::{
    Cluster, Part, Process, RawRequest, System, all_events, post_many, run_in, summary, text_of, until,
};

/// Whether a stream of this name has messages in the broker's files.
fn is_filled(folder: &Path, name: &str) -> bool {
    let Ok(entries) = fs::read_dir(folder) else { return false };
    // Files and folders come and go while the broker works.
    entries.filter_map(Result::ok).any(|entry| {
        let path = entry.path();
        let is_block = path.extension().is_some_and(|extension| extension == "blk")
            && path.components().any(|part| part.as_os_str() == name);
        if is_block { entry.metadata().is_ok_and(|it| it.len() > 0) } else { is_filled(&path, name) }
    })
}

#[tokio::test]
async fn a_restore_that_is_killed_at_any_moment_is_run_again_to_the_end() {
    let system = System::start();
    let data_dir = system.data_dir();
    post_many(&data_dir, &system.base_url, &["ana", "ben", "carl", "dora"], 40, 0).await;
    signed(&data_dir, 160).await;
    let log = all_events(system.connect(Role::Auditor).await).await;
    let [backup, secrets] = ["backup", "secrets"].map(|name| system.folder.path().join(name));
    let [backup, secrets] = [&backup, &secrets].map(|path| path.to_str().unwrap());
    done(&data_dir, &["backup", backup, "--secrets-to", secrets]);
    let folder = system.stop().await;
    fs::remove_dir_all(&data_dir).unwrap();

    let restore = ["restore", backup, "--secrets-from", secrets, "--data-dir", data_dir.to_str().unwrap()];
    let store = data_dir.join("nats/store");
    let moments: [(&str, &dyn Fn() -> bool); 6] = [
        ("the secrets are there", &|| data_dir.join("secrets").exists()),
        ("the broker's folder is there", &|| data_dir.join("nats").exists()),
        ("the broker keeps something", &|| store.join("jetstream").exists()),
        ("there are keys", &|| is_filled(&store, "KV_keys")),
        ("there are events", &|| is_filled(&store, "EVENTS")),
        ("there are checkpoints", &|| is_filled(&store, "CHECKPOINTS")),
    ];
    for (moment, has_come) in moments {
        let mut process = Process::spawn(&restore, folder.path().join("restore.log"));
        until(moment, async || (has_come() || process.has_ended().is_some()).then_some(())).await;
        process.kill();
    }
    let put_back = done(&data_dir, &restore[..4]);
    let all = &put_back["events"];
    assert_eq!(all["held"].as_u64().unwrap() + all["appended"].as_u64().unwrap(), 160, "{put_back}");
    let system = System::start_in(folder, &[]);
    assert!(
        same(&all_events(system.connect(Role::Auditor).await).await) == same(&log),
        "the log is another one"
    );
    let report = done(&data_dir, &["audit", "verify", "--reveal", "--reason", "after the fire"]);
    assert_eq!((&report["holds"], &report["signatures"]), (&true.into(), &160.into()), "{report}");
}

/// What the streams of a broker hold.
async fn held(cluster: &Cluster) -> [u64; 3] {
    let owner = cluster.connect(Role::Owner).await;
    let events = Stream::new(owner.clone(), "LOG.API", "EVENTS");
    let streams = [events, KeysStream::open(owner.clone()), notary::Checkpoints::stream(owner)];
    let mut held = [0; 3];
    for (held, stream) in held.iter_mut().zip(streams) {
        *held = stream.info().await.unwrap().unwrap().state.messages;
    }
    held
}

#[tokio::test]
async fn a_backup_that_was_cut_short_or_changed_is_refused_before_anything_is_written() {
    let system = System::start();
    post_many(&system.data_dir(), &system.base_url, &["ana", "ben"], 4, 0).await;
    let whole = system.folder.path().join("backup");
    done(&system.data_dir(), &["backup", whole.to_str().unwrap()]);
    let cluster = Cluster::broker_with_streams().await;
    let vkey = cluster.folder.path().join("restored.vkey");
    fs::copy(system.data_dir().join("log.vkey"), &vkey).unwrap();
    let empty = held(&cluster).await;
    assert_eq!(empty[0], 0);

    let cut = |file: &str| text_of(&whole.join(file))[..text_of(&whole.join(file)).len() - 30].to_owned();
    let without_last = |file: &str| {
        let text = text_of(&whole.join(file));
        text[..=text.trim_end().rfind('\n').unwrap()].to_owned()
    };
    let keys = text_of(&whole.join("keys.ndjson"));
    // Another wrapped key, in the same form.
    let at = keys.trim_end().rfind('"').unwrap() - 12;
    let other = if keys.as_bytes()[at] == b'A' { "B" } else { "A" };
    let changed = format!("{}{other}{}", &keys[..at], &keys[at + 1..]);
    let mut number = 0;
    let mut refuse = |file: &str, text: Option<String>, expected: &str| {
        number += 1;
        let spoiled: PathBuf = cluster.folder.path().join(format!("spoiled-{number}"));
        copy_folder(&whole, &spoiled);
        match text {
            Some(text) => fs::write(spoiled.join(file), text).unwrap(),
            None => fs::remove_file(spoiled.join(file)).unwrap(),
        }
        let nats = cluster.nats_url();
        let vkey = ["--vkey", vkey.to_str().unwrap()];
        let arguments = [&["restore", spoiled.to_str().unwrap(), "--nats", &nats], &vkey[..]].concat();
        let refused = run_in(&cluster.data_dir(), &arguments);
        assert_eq!(refused.code, Some(1), "{file}: {}", refused.complaint);
        assert!(
            refused.complaint.contains(file) && refused.complaint.contains(expected),
            "{file}, {expected}: {}",
            refused.complaint
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
    assert_eq!(held(&cluster).await, empty, "nothing was written");
}

#[tokio::test]
async fn an_erasure_that_is_newer_than_the_backup_stays() {
    let mut cluster = Cluster::start().await;
    let data_dir = cluster.data_dir();
    let posted = post_many(&data_dir, cluster.url(Part::IngestOne), &["ana", "ben"], 2, 0).await;
    let (nats, backup) = (cluster.nats_url(), cluster.folder.path().join("backup"));
    done(&data_dir, &["backup", backup.to_str().unwrap(), "--nats", &nats]);
    let of_ana = posted.iter().find(|posted| posted.user == "ana").unwrap().sequence;
    let log = all_events(cluster.connect(Role::Auditor).await).await;
    let ana = log[of_ana as usize - 1].filed_under().unwrap().to_string();

    let keys = KeysStream::open(cluster.connect(Role::Keys).await);
    let records = keys.last_per_subject(&format!("$KV.keys.{ana}.*")).await.unwrap();
    assert_eq!(records.len(), 1);
    let appender = Appender::start(cluster.connect(Role::Keys).await, CommitMode::Grouped);
    let mark = NewMessage {
        subject: format!("$KV.keys.{ana}.erased"),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: vec![1, 2].into(),
    };
    appender.append(mark).await.unwrap();
    keys.secure_delete(records[0].sequence).await.unwrap();

    let put_back = done(&data_dir, &["restore", backup.to_str().unwrap(), "--nats", &nats]);
    assert_eq!((&put_back["keys"]["erased"], &put_back["keys"]["appended"]), (&1.into(), &0.into()));
    let left = keys.last_per_subject(&format!("$KV.keys.{ana}.*")).await.unwrap();
    assert_eq!(left.len(), 1, "the mark alone");
    assert!(left[0].subject.ends_with(".erased"));
    // Nobody remembers the key any more.
    for part in [Part::Keys, Part::IngestOne] {
        cluster.kill_part(part);
        cluster.start_part(part);
    }
    cluster.ready().await;
    let again =
        RawRequest::post(&cluster.credentials("ana", Part::IngestOne), summary("20:00:00", r#""steps":2"#));
    assert_eq!(again.send(cluster.url(Part::IngestOne)).await.problem(), "account_erased");
}
