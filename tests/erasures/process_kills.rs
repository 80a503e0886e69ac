//! Whoever carries an erasure out is killed between its steps, or cannot reach what a step needs: it ends erased.

use serde_json::Value;

use super::{SCOPES, read_erasure, request_erasure, wait_for_receipt};
use crate::harness::{Cluster, Node, RawRequest, credentials, summary, wait_until, yesterday};

async fn create_user_with_row(cluster: &Cluster, user: &str, steps: u32) -> client::Credentials {
    let url = cluster.url(Node::IngestOne);
    let who = credentials(&cluster.data_dir(), &["--user", user, "--url", url, "--scope", SCOPES]);
    let post = RawRequest::post(&who, summary("20:00:00", &format!(r#""steps":{steps}"#)));
    assert_eq!(post.send(url).await.status, 201);
    who
}

/// Waits until so many steps are done.
async fn wait_for_steps(cluster: &Cluster, accepted: &Value, number: usize) {
    wait_until("the steps are done", async || {
        let erasure = read_erasure(cluster.url(Node::Projector), accepted).await;
        let erasure = (erasure.status == 200).then(|| erasure.json())?;
        (erasure["steps"].as_array()?.len() >= number).then_some(())
    })
    .await;
}

/// Every ingest refuses within a second of the account's mark, whichever it was asked on.
#[tokio::test]
async fn erasure_resumes_after_kills_between_steps() {
    let mut cluster = Cluster::start().await;
    let ana = create_user_with_row(&cluster, "ana", 111).await;
    let ben = create_user_with_row(&cluster, "ben", 222).await;
    // Without a keeper the first step can't be done.
    cluster.kill_node(Node::Keys);
    let accepted = request_erasure(cluster.url(Node::IngestOne), &ana).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let accepted = accepted.json();
    cluster.kill_node(Node::WorkerOne);
    // Without a projector the views can't be cleared.
    cluster.kill_node(Node::Projector);
    cluster.start_node(Node::Keys);
    cluster.start_node(Node::WorkerOne);
    for part in [Node::IngestOne, Node::IngestTwo] {
        wait_until("every ingest refuses", async || {
            let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":3"#));
            (post.send(cluster.url(part)).await.status == 410).then_some(())
        })
        .await;
    }
    cluster.kill_node(Node::WorkerOne);
    cluster.start_node(Node::Projector);
    cluster.wait_until_ready_except(Node::WorkerOne).await;
    cluster.start_node(Node::WorkerOne);
    wait_for_steps(&cluster, &accepted, 3).await;
    cluster.kill_node(Node::WorkerOne);
    cluster.kill_node(Node::Projector);
    cluster.start_node(Node::WorkerOne);
    cluster.start_node(Node::Projector);
    let erasure = wait_for_receipt(cluster.url(Node::Projector), &accepted).await;
    assert_eq!(erasure["steps"].as_array().unwrap().len(), 6, "each once: {erasure}");
    assert_eq!(erasure["receipt"]["destroyed"]["data_keys"], 1);
    let date = yesterday();
    let row = RawRequest::get(&ben, &format!("/v1/summaries/{date}"));
    assert_eq!(row.send(cluster.url(Node::Projector)).await.json()["steps"], 222);
}

/// Asked for twice at once, on two ingests, and carried out by two workers.
#[tokio::test]
async fn concurrent_requests_make_one_erasure() {
    let mut cluster = Cluster::start().await;
    cluster.start_node(Node::WorkerTwo);
    let ana = create_user_with_row(&cluster, "ana", 111).await;
    let (one, two) = tokio::join!(
        request_erasure(cluster.url(Node::IngestOne), &ana),
        request_erasure(cluster.url(Node::IngestTwo), &ana)
    );
    assert_eq!((one.status, two.status), (202, 202));
    let projector = cluster.url(Node::Projector);
    let (one, two) =
        (wait_for_receipt(projector, &one.json()).await, wait_for_receipt(projector, &two.json()).await);
    assert_eq!(one["receipt"]["sequence"], two["receipt"]["sequence"], "there is one end");
    assert_eq!(one["steps"], two["steps"]);
}
