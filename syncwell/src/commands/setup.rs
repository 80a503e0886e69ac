//! `syncwell setup`: the streams, with the owner's credentials, once.

use std::process::ExitCode;

use anyhow::Context;
use events::{Changes, Log};
use ingest::Deliveries;
use jetstream::{Broker, ReadError};
use keys::{ACCESS_INDEX_STREAM, AccessIndexStream, KEYS_STREAM, KeysStream};
use nats_server::Role;
use notary::{CHECKPOINTS_STREAM, Checkpoints};
use worker::WorkBucket;

use super::print;
use crate::cli::SetupArgs;
use crate::reach;

pub(super) async fn run(args: SetupArgs) -> anyhow::Result<ExitCode> {
    let broker = reach::connect(&args.broker, Role::Owner).await?;
    create(&broker, args.replicas).await?;
    let state = Log::over(broker).open().await?;
    let events = state.last.map_or(0, schemas::Sequence::get);
    print(format_args!(
        "the log of {} holds {events} events and keeps its promises",
        state.identity.as_str()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Creates what is not there; what is there is left as it is, and verified when it is used.
pub(super) async fn create(broker: &Broker, replicas: u8) -> anyhow::Result<()> {
    broker.wait_connected().await;
    Log::over(broker.clone()).create(replicas).await?;
    let checkpoints = Checkpoints::stream(broker.clone());
    if checkpoints.info().await?.is_none() {
        checkpoints.create(&Checkpoints::config(replicas)).await.map_err(|error: ReadError| {
            anyhow::Error::from(error)
                .context(format!("the stream {CHECKPOINTS_STREAM} could not be created"))
        })?;
    }
    let keys = KeysStream::open(broker.clone());
    if keys.info().await?.is_none() {
        keys.create(&KeysStream::config(replicas)).await.map_err(|error: ReadError| {
            anyhow::Error::from(error).context(format!("the stream {KEYS_STREAM} could not be created"))
        })?;
    }
    let buckets = WorkBucket::ALL.map(|bucket| (bucket.stream(broker.clone()), bucket.config(replicas)));
    let changes = (Changes::over(broker.clone()).stream().clone(), Changes::config(replicas));
    let deliveries = (Deliveries::stream(broker.clone()), Deliveries::config(replicas));
    for (stream, config) in buckets.into_iter().chain([changes, deliveries]) {
        if stream.info().await?.is_none() {
            stream.create(&config).await.context("a stream for providers could not be created")?;
        }
    }
    let index = AccessIndexStream::open(broker.clone());
    if index.info().await?.is_none() {
        index.create(&AccessIndexStream::config(replicas)).await.map_err(|error: ReadError| {
            anyhow::Error::from(error).context(format!("the bucket {ACCESS_INDEX_STREAM} could not be created"))
        })?;
    }
    Ok(())
}
