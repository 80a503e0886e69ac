//! Leases of the worker: one job at a time, whichever process and connection it runs on.

use std::time::Duration;

use futures_util::future::join_all;
use jetstream::{KvBucket, Lease, LeaseError, Leases};
use nats_server::Role;
use worker::LEASES_STREAM;

use crate::harness::{Cluster, wait_until};

const TTL: Duration = Duration::from_secs(2);

async fn open_leases(cluster: &Cluster) -> (KvBucket, Leases) {
    let broker = cluster.connect_as(Role::Worker).await;
    let bucket = KvBucket::open(broker, &LEASES_STREAM);
    (bucket.clone(), Leases::new(bucket))
}

/// Two jobs of one process often want the same lease, as two exports of a user do.
#[tokio::test]
async fn a_job_does_not_renew_the_lease_of_another_job_in_its_process() {
    let cluster = Cluster::start_broker_with_streams().await;
    let (_, leases) = open_leases(&cluster).await;
    let mut first = leases.acquire("export.ana", TTL).await.unwrap();
    assert_eq!(leases.acquire("export.ana", TTL).await.err(), Some(LeaseError::Held));
    first.renew().await.unwrap();
    // The first job is slow: its lease expires, and the second job gets it.
    let long = Duration::from_secs(60);
    let mut second =
        wait_until("the first lease expires", async || leases.acquire("export.ana", long).await.ok()).await;
    assert_eq!(first.renew().await, Err(LeaseError::Held), "it is the second job's");
    first.release().await;
    second.renew().await.unwrap();
    assert_eq!(leases.acquire("export.ana", TTL).await.err(), Some(LeaseError::Held));
    second.release().await;
    leases.acquire("export.ana", TTL).await.unwrap();
}

/// More than a commit publishes individually, so they go out as an atomic batch.
#[tokio::test]
async fn leases_acquired_together_expire_together() {
    let cluster = Cluster::start_broker_with_streams().await;
    let (bucket, leases) = open_leases(&cluster).await;
    let keys: Vec<_> = (0..20).map(|number| format!("job.{number}")).collect();
    let acquired = join_all(keys.iter().map(|key| leases.acquire(key, TTL))).await;
    let mut held: Vec<Lease> = acquired.into_iter().map(Result::unwrap).collect();
    let renewed = join_all(held.iter_mut().map(Lease::renew)).await;
    assert!(renewed.iter().all(Result::is_ok), "{renewed:?}");
    wait_until("every lease expires", async || {
        bucket.entries_after(0, 100).await.unwrap().is_empty().then_some(())
    })
    .await;
}
