//! How a command finds the broker: `--nats` and `--creds`, the configuration, or the data folder of a running `up`.

use std::path::Path;

use jetstream::{Broker, BrokerAddress};
use nats_server::Role;

use crate::cli::BrokerArgs;
use crate::config::Config;
use crate::exit::Usage;
use crate::home::{Home, read_seed};
use crate::network::is_private;

/// The address for a role, as a person's command or a service needs it.
pub(crate) fn address(
    args: &BrokerArgs,
    role: Role,
    configured: Configured<'_>,
) -> anyhow::Result<BrokerAddress> {
    let home = Home::at(&args.data_dir);
    let url = match args.nats.as_deref().or(configured.url) {
        Some(url) => url.to_owned(),
        None => home.running()?.nats,
    };
    let creds =
        args.creds.as_deref().or(configured.creds).map_or_else(|| home.seed_file(role), ToOwned::to_owned);
    let ca_file = args.nats_ca.clone().or(configured.ca_file.map(Into::into));
    if ca_file.is_none() && !args.insecure_nats && !is_private(&url) {
        return Err(Usage(format!(
            "{url} is neither on this machine nor over TLS: use tls://, name the broker's authority with --nats-ca, or \
             say --insecure-nats"
        ))
        .into());
    }
    Ok(BrokerAddress { url, seed: read_seed(&creds)?, ca_file, role: role.name() })
}

/// What the configuration says of the broker.
#[derive(Default)]
pub(crate) struct Configured<'c> {
    pub(crate) url: Option<&'c str>,
    pub(crate) creds: Option<&'c Path>,
    pub(crate) ca_file: Option<&'c Path>,
}

impl<'c> Configured<'c> {
    pub(crate) fn of(config: &'c Config) -> Self {
        Self {
            url: config.nats_url.as_deref(),
            creds: config.nats_creds.as_deref(),
            ca_file: config.nats_ca.as_deref(),
        }
    }
}

/// A person's connection: it works at once or says why not.
pub(crate) async fn connect(args: &BrokerArgs, role: Role) -> anyhow::Result<Broker> {
    Ok(Broker::connect(address(args, role, Configured::default())?).await?)
}
