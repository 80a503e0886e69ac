//! A worker that stands still in the middle of an export, while the account ends.

use events::Log;
use jetstream::{Appender, CommitMode, NewMessage};
use nats_server::Role;
use schemas::Sequence;

use super::{SCOPES, download};
use crate::erasures::{request_erasure, wait_for_receipt};
use crate::harness::{Cluster, LeakScanner, Node, RawRequest, credentials, summary, wait_until};

/// Events enough that an export of them can be met half-way.
const COPIES: usize = 6_000;

/// The same event again and again: it folds to the same row, and is exported as often.
async fn append_copies(cluster: &Cluster) {
    let log = Log::new(cluster.connect_as(Role::Auditor).await);
    let first = log.get(Sequence::FIRST).await.unwrap().unwrap();
    let appender = Appender::start(cluster.connect_as(Role::Ingest).await, CommitMode::Grouped);
    let drafts = (0..COPIES).map(|_| {
        appender.append(NewMessage {
            subject: first.subject().to_owned(),
            id: None,
            headers: Vec::new(),
            expected: None,
            payload: first.bytes().to_vec().into(),
        })
    });
    for appended in futures_util::future::join_all(drafts).await {
        appended.unwrap();
    }
}

#[tokio::test]
async fn stalled_worker_leaves_no_export_after_erasure() {
    let environment =
        [("SYNCWELL_EXPORTS__PAUSE_SECONDS", "0"), ("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0")];
    let mut cluster = Cluster::start_with_env(&environment).await;
    let (ingest, projector) =
        (cluster.url(Node::IngestOne).to_owned(), cluster.url(Node::Projector).to_owned());
    let ana = credentials(&cluster.data_dir(), &["--user", "ana", "--url", &ingest, "--scope", SCOPES]);
    let post = RawRequest::post(&ana, summary("20:00:00", r#""steps":181173"#)).send(&ingest).await;
    assert_eq!(post.status, 201);
    let ask = async || {
        let mut request = RawRequest::get(&ana, "/v1/exports");
        request.method = "POST";
        let asked = request.send(&ingest).await;
        assert_eq!(asked.status, 202, "{asked:?}");
        asked.json()["export_id"].as_str().unwrap().to_owned()
    };
    let look =
        async |id: &str| RawRequest::get(&ana, &format!("/v1/exports/{id}")).send(&projector).await.json();
    let whole = ask().await;
    let made = wait_until("an export is ready", async || {
        Some(look(&whole).await).filter(|export| export["status"] == "ready")
    })
    .await;
    let url = made["download_url"].as_str().unwrap().replace("http://syncwell", &projector);
    assert_eq!(download(&url).await.0, 200);
    append_copies(&cluster).await;
    let half = ask().await;
    wait_until("an export is half made", async || {
        look(&half).await["progress"]["done"].as_u64().filter(|done| *done > 0)
    })
    .await;
    cluster.process(Node::WorkerOne).pause();
    assert_eq!(look(&half).await["status"], "pending");
    cluster.start_node(Node::WorkerTwo);
    let accepted = request_erasure(&ingest, &ana).await.json();
    let erasure = wait_for_receipt(&projector, &accepted).await;
    let exports = erasure["receipt"]["destroyed"]["exports"].as_u64().unwrap();
    assert!(exports >= 1, "the whole one counts, and half a one may: {erasure}");
    cluster.process(Node::WorkerOne).resume();
    wait_until("the one that was overtaken has given up", async || {
        let log = std::fs::read_to_string(&cluster.process(Node::WorkerOne).log_path).unwrap();
        log.contains("an export is not made yet").then_some(())
    })
    .await;
    let (files, _) = LeakScanner::default().scan_folder(&cluster.data_dir().join("exports"));
    assert_eq!(files, 0, "nothing is left");
    assert_eq!(download(&url).await.0, 410);
    let again = wait_for_receipt(&projector, &accepted).await;
    assert_eq!(again["receipt"], erasure["receipt"], "nothing of it came behind the end");
}
