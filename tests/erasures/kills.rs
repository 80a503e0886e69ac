//! Whoever carries an erasure out is killed between its steps, or cannot reach what a step needs: it ends erased.

use serde_json::Value;

use super::{SCOPES, ask_to_erase, look, receipt};
use crate::harness::{Cluster, Part, RawRequest, credentials, summary, until, yesterday};

async fn posted(cluster: &Cluster, user: &str, steps: u32) -> client::Credentials {
    let url = cluster.url(Part::IngestOne);
    let who = credentials(&cluster.data_dir(), &["--user", user, "--url", url, "--scope", SCOPES]);
    let post = RawRequest::post(&who, summary("20:00:00", &format!(r#""steps":{steps}"#)));
    assert_eq!(post.send(url).await.status, 201);
    who
}

/// Waits until so many steps are done.
async fn steps(cluster: &Cluster, accepted: &Value, number: usize) {
    until("the steps are done", async || {
        let erasure = look(cluster.url(Part::Projector), accepted).await;
        let erasure = (erasure.status == 200).then(|| erasure.json())?;
        (erasure["steps"].as_array()?.len() >= number).then_some(())
    })
    .await;
}

/// Every ingest refuses within a second of the account's mark, whichever it was asked on.
#[tokio::test]
async fn killed_between_steps_it_goes_on_where_it_was() {
    let mut cluster = Cluster::start().await;
    let ana = posted(&cluster, "ana", 111).await;
    let ben = posted(&cluster, "ben", 222).await;
    // Without a keeper the first step can't be done.
    cluster.kill_part(Part::Keys);
    let accepted = ask_to_erase(cluster.url(Part::IngestOne), &ana).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let accepted = accepted.json();
    cluster.kill_part(Part::WorkerOne);
    // Without a projector the views can't be cleared.
    cluster.kill_part(Part::Projector);
    cluster.start_part(Part::Keys);
    cluster.start_part(Part::WorkerOne);
    for part in [Part::IngestOne, Part::IngestTwo] {
        until("every ingest refuses", async || {
            let post = RawRequest::post(&ana, summary("21:00:00", r#""steps":3"#));
            (post.send(cluster.url(part)).await.status == 410).then_some(())
        })
        .await;
    }
    cluster.kill_part(Part::WorkerOne);
    cluster.start_part(Part::Projector);
    cluster.ready_but(Part::WorkerOne).await;
    cluster.start_part(Part::WorkerOne);
    steps(&cluster, &accepted, 3).await;
    cluster.kill_part(Part::WorkerOne);
    cluster.kill_part(Part::Projector);
    cluster.start_part(Part::WorkerOne);
    cluster.start_part(Part::Projector);
    let erasure = receipt(cluster.url(Part::Projector), &accepted).await;
    assert_eq!(erasure["steps"].as_array().unwrap().len(), 6, "each once: {erasure}");
    assert_eq!(erasure["receipt"]["destroyed"]["data_keys"], 1);
    let date = yesterday();
    let row = RawRequest::get(&ben, &format!("/v1/summaries/{date}"));
    assert_eq!(row.send(cluster.url(Part::Projector)).await.json()["steps"], 222);
}

/// Asked for twice at once, on two ingests, and carried out by two workers.
#[tokio::test]
async fn two_erasures_at_once_are_one() {
    let mut cluster = Cluster::start().await;
    cluster.start_part(Part::WorkerTwo);
    let ana = posted(&cluster, "ana", 111).await;
    let (one, two) = tokio::join!(
        ask_to_erase(cluster.url(Part::IngestOne), &ana),
        ask_to_erase(cluster.url(Part::IngestTwo), &ana)
    );
    assert_eq!((one.status, two.status), (202, 202));
    let projector = cluster.url(Part::Projector);
    let (one, two) = (receipt(projector, &one.json()).await, receipt(projector, &two.json()).await);
    assert_eq!(one["receipt"]["sequence"], two["receipt"]["sequence"], "there is one end");
    assert_eq!(one["steps"], two["steps"]);
}
