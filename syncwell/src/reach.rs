//! How a command finds the broker: `--nats` and `--creds`, the configuration, or the data folder of a running `up`.

use broker::Role;
use stream::{Broker, BrokerAddress};

use crate::cli::BrokerArgs;
use crate::home::{Home, read_seed};

/// The address for a role, as a person's command or a service needs it.
pub(crate) fn address(
    args: &BrokerArgs,
    role: Role,
    configured: (Option<&str>, Option<&std::path::Path>),
) -> anyhow::Result<BrokerAddress> {
    let home = Home::at(&args.data_dir);
    let url = match args.nats.as_deref().or(configured.0) {
        Some(url) => url.to_owned(),
        None => home.running()?.nats,
    };
    let creds =
        args.creds.as_deref().or(configured.1).map_or_else(|| home.seed_file(role), ToOwned::to_owned);
    Ok(BrokerAddress { url, seed: read_seed(&creds)?, role: role.name() })
}

/// A person's connection: it works at once or says why not.
pub(crate) async fn connect(args: &BrokerArgs, role: Role) -> anyhow::Result<Broker> {
    Ok(Broker::connect(address(args, role, (None, None))?).await?)
}
