//! A provider that was told that all is well does not send again: by then it is on disk.

use super::{Node, Scheme, USER, WebhookSenders, assert_accepted, assert_refused, cluster_deliveries};
use crate::harness::provider::webhooks::ProviderDelivery;
use crate::harness::wait_until;

#[tokio::test]
async fn accepted_delivery_survives_a_broker_kill() {
    let senders = WebhookSenders::new(&[Scheme::Suunto, Scheme::Fitbit]);
    let mut cluster = senders.start_cluster().await;
    let (suunto, fitbit) = (&senders.all[0], &senders.all[1]);
    for round in 0..3 {
        let body = [suunto.delivery_about(&[USER]).body, vec![b' '; round]].concat();
        let request = suunto.request(&ProviderDelivery::new(body));
        // It may take a moment until the broker is found again.
        let answer = wait_until("it is accepted", async || {
            Some(request.send(cluster.url(Node::IngestOne)).await).filter(|answer| answer.status != 503)
        })
        .await;
        assert_accepted(Scheme::Suunto, &answer);
        cluster.kill_broker().await;
        cluster.start_broker().await;
        assert_eq!(cluster_deliveries(&cluster).await.len(), round + 1, "what was accepted is there, once");
    }

    // While there is none, nothing is accepted, and nothing is lost that is sent again.
    cluster.kill_broker().await;
    let several = fitbit.request(&fitbit.delivery_about(&["A1", "B2", "C3"]));
    let one = suunto.request(&suunto.delivery_about(&["8315529051"]));
    for request in [&several, &one] {
        for part in [Node::IngestOne, Node::IngestTwo] {
            let refused = request.send(cluster.url(part)).await;
            assert_refused(&refused, 503, "log_unavailable", "the broker is away");
            assert!(refused.headers.contains_key("retry-after"), "{refused:?}");
        }
    }
    cluster.start_broker().await;
    for (request, scheme) in [(&several, Scheme::Fitbit), (&one, Scheme::Suunto)] {
        for part in [Node::IngestOne, Node::IngestTwo] {
            let answer = wait_until("it is accepted", async || {
                Some(request.send(cluster.url(part)).await).filter(|answer| answer.status != 503)
            })
            .await;
            assert_accepted(scheme, &answer);
        }
    }
    assert_eq!(cluster_deliveries(&cluster).await.len(), 3 + 3 + 1);
}

/// An ingest that dies between its claim and the append, or between the append and its answer: the provider sends again.
#[tokio::test]
async fn killed_ingest_loses_and_duplicates_nothing() {
    let senders = WebhookSenders::new(&[Scheme::Fitbit]);
    let mut cluster = senders.start_cluster().await;
    let fitbit = &senders.all[0];
    let users: Vec<String> = (0..200).map(|user| format!("user-{user}")).collect();
    let users: Vec<&str> = users.iter().map(String::as_str).collect();
    for round in 1..=3 {
        let mut notice = fitbit.delivery_about(&users);
        notice.body.extend(vec![b' '; round]);
        let request = fitbit.request(&notice);
        let url = cluster.url(Node::IngestOne).to_owned();
        let before = cluster_deliveries(&cluster).await.len();
        let sending = tokio::spawn({
            let request = request.clone();
            async move { request.send(&url).await }
        });
        // Some of its parts are in the log by then.
        wait_until("some parts are there", async || {
            (cluster_deliveries(&cluster).await.len() > before).then_some(())
        })
        .await;
        cluster.kill_node(Node::IngestOne);
        // It may have been answered, or not.
        let _ = sending.await;
        cluster.start_node(Node::IngestOne);
        // One that does not know yet which accounts were erased accepts nothing.
        cluster.wait_until_ready().await;
        let answer = wait_until("it is accepted", async || {
            Some(request.send(cluster.url(Node::IngestTwo)).await).filter(|answer| answer.status != 503)
        })
        .await;
        assert_accepted(Scheme::Fitbit, &answer);
        assert_eq!(cluster_deliveries(&cluster).await.len(), 200 * round, "each user once");
    }
}
