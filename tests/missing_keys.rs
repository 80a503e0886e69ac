//! What happens when a data key is not there.

use jetstream::{Appender, CommitMode, NewMessage};
use keys::KEYS_STREAM;
use nats_server::Role;

use crate::harness::{Cluster, Node, RawRequest, System, run_syncwell, summary, wait_until};

/// Posts one summary and destroys the key that it is sealed under, as a lost disk would. Returns the key's subject.
async fn destroy_data_key(cluster: &Cluster) -> String {
    let credentials = cluster.credentials("ana", Node::IngestOne);
    let posted = RawRequest::post(&credentials, summary("20:00:00", r#""steps":1"#));
    assert_eq!(posted.send(cluster.url(Node::IngestOne)).await.status, 201);
    let keys = KEYS_STREAM.stream(cluster.connect_as(Role::Keys).await);
    let records = keys.last_per_subject("$KV.keys.*.*").await.unwrap();
    let key = records.iter().find(|record| !record.subject.contains(".kek.")).unwrap();
    keys.secure_delete(key.sequence).await.unwrap();
    key.subject.clone()
}

fn rebuild_view(cluster: &mut Cluster) {
    cluster.kill_node(Node::Projector);
    std::fs::remove_dir_all(cluster.data_dir().join("view")).unwrap();
    cluster.start_node(Node::Projector);
}

#[tokio::test]
async fn missing_key_without_tombstone_affects_one_user() {
    let mut cluster = Cluster::start().await;
    destroy_data_key(&cluster).await;
    rebuild_view(&mut cluster);
    cluster.wait_until_ready().await;
    let log = std::fs::read_to_string(&cluster.process(Node::Projector).log_path).unwrap();
    assert!(log.contains("INCIDENT: an event can't be folded"), "{log}");
    assert!(log.contains("is missing, and no tombstone says that the user was erased"), "{log}");
    let posted =
        RawRequest::post(&cluster.credentials("ben", Node::IngestOne), summary("20:00:00", r#""steps":1"#));
    assert_eq!(posted.send(cluster.url(Node::IngestOne)).await.status, 201, "others go on");
}

#[tokio::test]
async fn tombstone_means_account_erased() {
    let mut cluster = Cluster::start().await;
    let key = destroy_data_key(&cluster).await;
    let user = key.split('.').nth(2).unwrap();
    let appender = Appender::start(cluster.connect_as(Role::Keys).await, CommitMode::Grouped);
    let mark = NewMessage {
        subject: format!("$KV.keys.{user}.erased"),
        id: None,
        headers: Vec::new(),
        expected: None,
        payload: vec![1, 2].into(),
    };
    appender.append(mark).await.unwrap();
    rebuild_view(&mut cluster);
    cluster.wait_until_ready().await;
    // The account is not given a new key by accident.
    let credentials = cluster.credentials("ana", Node::IngestOne);
    cluster.kill_node(Node::IngestOne);
    cluster.start_node(Node::IngestOne);
    let answer = wait_until("ingest is there again", async || {
        let posted = RawRequest::post(&credentials, summary("20:00:01", r#""steps":2"#));
        let answer = posted.send(cluster.url(Node::IngestOne)).await;
        (answer.status != 503).then_some(answer)
    });
    assert_eq!(answer.await.problem_code(), "account_erased");
}

#[tokio::test]
async fn lost_secret_is_requested_and_not_recreated() {
    let system = System::start();
    let folder = system.stop().await;
    let data_dir = folder.path().join("data");
    for secret in ["kek", "pseudonym", "signing", "breakglass"] {
        let file = data_dir.join("secrets").join(secret);
        let aside = folder.path().join(secret);
        std::fs::rename(&file, &aside).unwrap();
        let refused =
            run_syncwell(&["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()], &[]);
        assert_eq!(refused.status.code(), Some(2), "{secret}: {refused:?}");
        let told = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(told.contains(secret) && told.contains("restore it from a backup"), "{told}");
        assert!(!file.exists(), "nothing was put in its place");
        std::fs::rename(&aside, &file).unwrap();
    }
    // One that comes from the environment is not missing, and leaves no file.
    let kek = std::fs::read_to_string(data_dir.join("secrets/kek")).unwrap();
    std::fs::remove_file(data_dir.join("secrets/kek")).unwrap();
    let system = System::start_in(folder, &[("SYNCWELL_SECRETS__KEK", kek.trim())]);
    assert!(!data_dir.join("secrets/kek").exists());
    drop(system);
}
