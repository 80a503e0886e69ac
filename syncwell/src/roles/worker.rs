//! The worker.

use anyhow::Context;
use jetstream::Broker;
use keys::{KeyClient, TokenSealer};
use runtime::system_clock;
use worker::{ErasureLedger, Worker, WorkerSettings};

use super::exports::open_export_store;
use super::secrets::RoleSecrets;
use crate::config::Config;

/// Starts the worker; it runs as long as the process.
pub(crate) async fn start_worker(
    config: &Config,
    broker: Broker,
    secrets: &RoleSecrets,
) -> anyhow::Result<Worker> {
    let objects = open_export_store(config)?;
    objects.check().await.context("`[exports] location` is no place for exports")?;
    let settings = WorkerSettings {
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        seal: TokenSealer::new(config.tokens.read()?),
        pseudonyms: secrets.pseudonyms.clone(),
        providers: config.providers.tables.clone(),
        oauth_clients: config.providers.oauth_clients.clone(),
        providers_ca: config.providers.ca_file.clone(),
        export_store: objects,
        erasure_ledger: ErasureLedger::open(&config.erasure_ledger, config.audit.tile_options.clone())?,
        webhooks: config.webhooks.clone(),
        clock: system_clock,
    };
    Ok(Worker::start(broker, settings)?)
}
