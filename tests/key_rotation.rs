//! Keys are changed while the system runs, and nobody notices.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use client::{Backoff, Phone, PostResult};
use futures_util::StreamExt;
use keeper::KekRotation;
use keys::{Kek, KeyClient, SecretSource, UserRef};
use nats_server::Role;
use runtime::system_clock;
use serde_json::Value;

use crate::harness::{
    AWS_ENVIRONMENT, AwsEmulator, Cluster, Node, Process, RawRequest, TestFolder, credentials, run_syncwell,
    run_syncwell_in, summary, wait_until,
};

/// Phones that post without a pause. Every answer but an acceptance is kept.
struct LoadGenerator {
    stop: Arc<AtomicBool>,
    posted: Arc<AtomicUsize>,
    phones: Vec<tokio::task::JoinHandle<Vec<String>>>,
}

impl LoadGenerator {
    fn start(cluster: &Cluster, phones: usize) -> Self {
        let (stop, posted) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let phones = (0..phones).map(|number| {
            let part = [Node::IngestOne, Node::IngestTwo][number % 2];
            let mut phone = Phone::new(cluster.credentials(&format!("phone-{number}"), part)).unwrap();
            let (stop, posted) = (stop.clone(), posted.clone());
            tokio::spawn(async move {
                let mut refused = Vec::new();
                let mut steps = 0;
                while !stop.load(Ordering::Relaxed) {
                    steps += 1;
                    let body = summary("20:00:00", &format!(r#""steps":{steps}"#));
                    let signed = phone.sign(system_clock().as_millisecond().to_string(), body);
                    match phone.post(&signed, Backoff::default()).await {
                        Ok(PostResult::Accepted(_)) => {
                            posted.fetch_add(1, Ordering::Relaxed);
                        }
                        Ok(PostResult::Refused(problem)) => refused.push(problem.code.as_str().to_owned()),
                        Err(error) => refused.push(error.to_string()),
                    }
                }
                refused
            })
        });
        let phones = phones.collect();
        Self { stop, posted, phones }
    }

    /// Returns once so many more posts were accepted.
    async fn wait_for_posts(&self, posts: usize) {
        let until_number = self.posted.load(Ordering::Relaxed) + posts;
        wait_until("the phones go on", async || {
            (self.posted.load(Ordering::Relaxed) >= until_number).then_some(())
        })
        .await;
    }

    async fn stop_and_check(self) {
        self.stop.store(true, Ordering::Relaxed);
        for phone in self.phones {
            assert_eq!(phone.await.unwrap(), Vec::<String>::new(), "a phone was refused");
        }
    }
}

const RATE_LIMITS_OFF: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];

#[tokio::test(flavor = "multi_thread")]
async fn signing_keys_rotate_under_load_without_refusals() {
    let cluster = Cluster::start_with_env(&RATE_LIMITS_OFF).await;
    let old = cluster.credentials("ana", Node::IngestOne);
    let load = LoadGenerator::start(&cluster, 4);
    load.wait_for_posts(20).await;
    let rotated = run_syncwell_in(&cluster.data_dir(), &["keys", "rotate-signing", "--json"]);
    assert!(rotated.status.success(), "{rotated:?}");
    // A key of the new version is good at once, at either ingest, although both read the masters long ago.
    for part in [Node::IngestOne, Node::IngestTwo] {
        let new = cluster.credentials("ana", part);
        assert_eq!((old.key_id.as_str(), new.key_id.as_str()), ("1.default", "2.default"));
        assert_ne!(old.signing_key_hex, new.signing_key_hex);
        let posted = RawRequest::post(&new, summary("20:00:00", r#""steps":1"#))
            .header("x-sync-key-id", new.key_id.clone())
            .send(cluster.url(part))
            .await;
        assert!(posted.status < 300, "{posted:?}");
        let posted =
            RawRequest::post(&old, summary("20:00:00", r#""steps":1"#)).send(cluster.url(part)).await;
        assert!(posted.status < 300, "the version before is good, also without a key id: {posted:?}");
    }
    load.wait_for_posts(20).await;
    load.stop_and_check().await;

    // After the next rotation the first version is not good any more.
    assert!(run_syncwell_in(&cluster.data_dir(), &["keys", "rotate-signing"]).status.success());
    let refused = wait_until("the oldest version is refused", async || {
        let answer = RawRequest::post(&old, summary("20:00:00", r#""steps":1"#))
            .send(cluster.url(Node::IngestOne))
            .await;
        (answer.status >= 400).then_some(answer)
    });
    assert_eq!(refused.await.problem_code(), "invalid_signature");
}

fn doctor_check(cluster: &Cluster, name: &str) -> (String, String) {
    let (nats, data_dir) = (cluster.nats_url(), cluster.data_dir());
    let output =
        run_syncwell(&["doctor", "--json", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()], &[]);
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let check = checks.as_array().unwrap().iter().find(|check| check["name"] == name).unwrap();
    (check["verdict"].as_str().unwrap().to_owned(), check["found"].as_str().unwrap().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn kek_rotation_under_load_resumes_after_kill() {
    let cluster = Cluster::start_with_env(&RATE_LIMITS_OFF).await;
    // Enough keys that a rotation takes a while.
    let kek = Kek::from_source(SecretSource::File(cluster.data_dir().join("secrets/kek"))).unwrap();
    let kek = Arc::new(kek);
    let keys = KeyClient::new(cluster.connect_as(Role::Ingest).await, kek.clone());
    futures_util::stream::iter(0..2_000_u32)
        .for_each_concurrent(128, async |number| {
            let mut bytes = [7; 16];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            keys.current(&UserRef::from_bytes(bytes), 2026).await.unwrap();
        })
        .await;
    let load = LoadGenerator::start(&cluster, 2);
    load.wait_for_posts(10).await;

    let (nats, data_dir) = (cluster.nats_url(), cluster.data_dir());
    let rotate = ["keys", "rotate-kek", "--json", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()];
    // Killed at some moment, later and later, until it was half-way.
    let survey = KekRotation::new(cluster.connect_as(Role::Keys).await, kek);
    let mut half = None;
    for delay_ms in (100..).step_by(50).take(60) {
        let mut rotation = std::process::Command::new(env!("CARGO_BIN_EXE_syncwell"))
            .args(rotate)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(delay_ms)).await;
        rotation.kill().unwrap();
        rotation.wait().unwrap();
        let found = survey.read_usage().await.unwrap();
        if found.keys.len() > 1 {
            half = Some(found);
            break;
        }
    }
    println!("killed at {:?}", half.expect("no kill met it half-way").keys);
    let (verdict, found) = doctor_check(&cluster, "the key-encryption key");
    assert!(verdict == "fail" && found.contains("are wrapped under older versions"), "{found}");
    // Both versions open, also for who starts now.
    load.wait_for_posts(10).await;
    let fresh =
        RawRequest::post(&cluster.credentials("new", Node::IngestTwo), summary("20:00:00", r#""steps":1"#));
    assert_eq!(fresh.send(cluster.url(Node::IngestTwo)).await.status, 201);

    let resumed = run_syncwell(&[rotate.as_slice(), &["--retire-old"]].concat(), &[]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let told: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert!(
        told["rewrapped"].as_u64().unwrap() > 0 && !told["retired"].as_array().unwrap().is_empty(),
        "{told}"
    );
    load.wait_for_posts(10).await;
    load.stop_and_check().await;
    let (verdict, found) = doctor_check(&cluster, "the key-encryption key");
    assert_eq!(verdict, "pass", "{found}");
    let lines = std::fs::read_to_string(data_dir.join("secrets/kek")).unwrap();
    assert_eq!(lines.lines().count(), 1, "the old version is gone");

    // Everybody starts anew with the new version alone, and reads what was written under the old one.
    let mut cluster = cluster;
    for part in [Node::Keys, Node::Projector, Node::IngestOne] {
        cluster.kill_node(part);
    }
    std::fs::remove_dir_all(data_dir.join("view")).unwrap();
    for part in [Node::Keys, Node::Projector, Node::IngestOne] {
        cluster.start_node(part);
    }
    cluster.wait_until_ready().await;
    let reader = cluster.credentials("phone-0", Node::Projector);
    let path = format!("/v1/summaries/{}", crate::harness::yesterday());
    let row = RawRequest::get(&reader, &path).send(cluster.url(Node::Projector)).await;
    assert!(row.json()["steps"].as_u64().unwrap() > 0, "{row:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kek_can_be_a_kms_key() {
    let kms = AwsEmulator::start().await;
    let (one, two) = (kms.create_key().await, kms.create_key().await);
    let keys_one = format!("[\"1 {one}\"]");
    fn kms_environment<'e>(endpoint: &'e str, keys: &'e str) -> Vec<(&'e str, &'e str)> {
        let ours = [("SYNCWELL_SECRETS__KMS_ENDPOINT", endpoint), ("SYNCWELL_SECRETS__KMS_KEYS", keys)];
        [AWS_ENVIRONMENT.as_slice(), &ours].concat()
    }
    let folder = TestFolder::new();
    let data_dir = folder.path().join("data");
    let up = |keys: &str| {
        let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
        Process::start(&arguments, &kms_environment(&kms.url, keys), folder.path().join("up.log"), "ready ")
    };
    let (mut process, url) = up(&keys_one);
    let ana = credentials(&data_dir, &["--user", "ana"]);
    assert_eq!(RawRequest::post(&ana, summary("20:00:00", r#""steps":1"#)).send(&url).await.status, 201);
    assert_eq!(process.stop().await, Some(0));

    // A second key: wrapped under it while the system runs, and the first one opens what is not yet.
    let both = format!("[\"1 {one}\", \"2 {two}\"]");
    let (mut process, url) = up(&both);
    assert_eq!(RawRequest::post(&ana, summary("20:00:01", r#""steps":2"#)).send(&url).await.status, 200);
    let arguments = ["keys", "rotate-kek", "--json", "--data-dir", data_dir.to_str().unwrap()];
    let rotated = run_syncwell(&arguments, &kms_environment(&kms.url, &both));
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    assert_eq!(serde_json::from_slice::<Value>(&rotated.stdout).unwrap()["rewrapped"], 1);
    let again = run_syncwell(&arguments, &kms_environment(&kms.url, &both));
    assert_eq!(again.status.code(), Some(2), "a newer key must be named first: {again:?}");
    assert_eq!(process.stop().await, Some(0));

    // Another key under the same version is refused before anything is served.
    let wrong = format!("[\"1 {two}\", \"2 {one}\"]");
    let arguments = ["up", "--listen", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
    let refused = run_syncwell(&arguments, &kms_environment(&kms.url, &wrong));
    assert_eq!(refused.status.code(), Some(1), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the key-encryption key is not the one"));
    let (mut process, url) = up(&both);
    let path = format!("/v1/summaries/{}", crate::harness::yesterday());
    let ana = credentials(&data_dir, &["--user", "ana"]);
    assert_eq!(RawRequest::get(&ana, &path).send(&url).await.json()["steps"], 2);
    assert_eq!(process.stop().await, Some(0));
}
