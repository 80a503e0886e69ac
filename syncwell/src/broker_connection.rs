//! How a command finds the broker: `--nats` and `--creds`, the configuration, or the data folder of a running `up`.

use std::path::Path;

use jetstream::{Broker, BrokerAddress};
use nats_server::Role;

use crate::cli::BrokerArgs;
use crate::config::Config;
use crate::data_dir::{DataDir, read_seed};
use crate::exit_code::UsageError;
use crate::url_security::is_loopback_or_tls;

/// The address for a role, as a person's command or a service needs it.
pub(crate) fn resolve_address(
    args: &BrokerArgs,
    role: Role,
    configured: ConfiguredBroker<'_>,
) -> anyhow::Result<BrokerAddress> {
    let home = DataDir::new(&args.data_dir);
    let url = match args.nats.as_deref().or(configured.url) {
        Some(url) => url.to_owned(),
        None => home.read_running()?.nats,
    };
    let creds =
        args.creds.as_deref().or(configured.creds).map_or_else(|| home.seed_file(role), ToOwned::to_owned);
    let ca_file = args.nats_ca.clone().or(configured.ca_file.map(Into::into));
    if ca_file.is_none() && !args.insecure_nats && !is_loopback_or_tls(&url) {
        return Err(UsageError(format!(
            "{url} is neither on this machine nor over TLS: use tls://, name the broker's authority with --nats-ca, or \
             say --insecure-nats"
        ))
        .into());
    }
    Ok(BrokerAddress { url, seed: read_seed(&creds)?, ca_file, role: role.name() })
}

/// What the configuration says of the broker.
#[derive(Default)]
pub(crate) struct ConfiguredBroker<'c> {
    pub(crate) url: Option<&'c str>,
    pub(crate) creds: Option<&'c Path>,
    pub(crate) ca_file: Option<&'c Path>,
}

impl<'c> ConfiguredBroker<'c> {
    pub(crate) fn from_config(config: &'c Config) -> Self {
        Self {
            url: config.nats_url.as_deref(),
            creds: config.nats_creds.as_deref(),
            ca_file: config.nats_ca.as_deref(),
        }
    }
}

/// A person's connection: it works at once or says why not.
pub(crate) async fn connect(args: &BrokerArgs, role: Role) -> anyhow::Result<Broker> {
    Ok(Broker::connect(resolve_address(args, role, ConfiguredBroker::default())?).await?)
}
