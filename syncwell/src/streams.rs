//! Every stream of an installation.

use anyhow::Context;
use events::{CHANGES_STREAM, ENDPOINTS_STREAM, Log};
use ingest::DELIVERY_DEDUP_STREAM;
use jetstream::{Broker, StreamSpec};
use keys::{ACCESS_INDEX_STREAM, KEYS_STREAM};
use notary_client::CHECKPOINTS_STREAM;
use worker::{CONNECTIONS_STREAM, LEASES_STREAM, WORK_STREAM};

/// Every stream but the log, which has consumers.
static STREAMS: [&StreamSpec; 9] = [
    &CHECKPOINTS_STREAM,
    &KEYS_STREAM,
    &CONNECTIONS_STREAM,
    &LEASES_STREAM,
    &ENDPOINTS_STREAM,
    &WORK_STREAM,
    &CHANGES_STREAM,
    &DELIVERY_DEDUP_STREAM,
    &ACCESS_INDEX_STREAM,
];

/// Creates the streams that are missing. Leaves existing streams unchanged; each is verified when it is used.
pub(crate) async fn create_streams(broker: &Broker, replicas: u8) -> anyhow::Result<()> {
    broker.wait_connected().await;
    Log::new(broker.clone()).create(replicas).await?;
    for spec in STREAMS {
        let stream = spec.stream(broker.clone());
        if stream.info().await?.is_none() {
            let created = stream.create(&spec.config(replicas)).await;
            created.with_context(|| format!("the stream {} could not be created", spec.name))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
