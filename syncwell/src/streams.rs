//! Every stream of an installation.

use anyhow::Context;
use events::{ChangeFeed, Log};
use ingest::DeliveryDedup;
use jetstream::{Broker, ReadError};
use keys::{ACCESS_INDEX_STREAM, AccessIndexStream, KEYS_STREAM, KeysStream};
use notary_client::{CHECKPOINTS_STREAM, CheckpointStream};
use worker::WorkerBucket;

/// Creates the streams that are missing. Leaves existing streams unchanged; each is verified when it is used.
pub(crate) async fn create_streams(broker: &Broker, replicas: u8) -> anyhow::Result<()> {
    broker.wait_connected().await;
    Log::new(broker.clone()).create(replicas).await?;
    let checkpoints = CheckpointStream::raw_stream(broker.clone());
    if checkpoints.info().await?.is_none() {
        checkpoints.create(&CheckpointStream::stream_config(replicas)).await.map_err(
            |error: ReadError| {
                anyhow::Error::from(error)
                    .context(format!("the stream {CHECKPOINTS_STREAM} could not be created"))
            },
        )?;
    }
    let keys = KeysStream::open(broker.clone());
    if keys.info().await?.is_none() {
        keys.create(&KeysStream::config(replicas)).await.map_err(|error: ReadError| {
            anyhow::Error::from(error).context(format!("the stream {KEYS_STREAM} could not be created"))
        })?;
    }
    let buckets =
        WorkerBucket::ALL.map(|bucket| (bucket.stream(broker.clone()), bucket.stream_config(replicas)));
    let changes = (ChangeFeed::new(broker.clone()).stream().clone(), ChangeFeed::config(replicas));
    let deliveries = (DeliveryDedup::stream(broker.clone()), DeliveryDedup::config(replicas));
    for (stream, config) in buckets.into_iter().chain([changes, deliveries]) {
        if stream.info().await?.is_none() {
            stream.create(&config).await.context("a stream for providers could not be created")?;
        }
    }
    let index = AccessIndexStream::open(broker.clone());
    if index.info().await?.is_none() {
        index.create(&AccessIndexStream::config(replicas)).await.map_err(|error: ReadError| {
            anyhow::Error::from(error)
                .context(format!("the bucket {ACCESS_INDEX_STREAM} could not be created"))
        })?;
    }
    Ok(())
}
