//! An installation whose roles do not run: its broker, and the keeper of its keys, for as long as a command needs them.

use std::fs::File;

use anyhow::Context;
use jetstream::{Broker, BrokerAddress};
use keys::KeyClient;
use nats_server::{Role, SupervisedServer};
use projector::offline_projector::OfflineProjector;
use runtime::system_clock;
use tokio::task::JoinHandle;

use crate::broker_connection::{self, ConfiguredBroker};
use crate::cli::BrokerArgs;
use crate::config::Config;
use crate::data_dir::{DataDir, read_seed};
use crate::private_broker::start_private_broker;
use crate::roles::{self, RoleSecrets};

/// The broker of another installation with its keeper, or the private one of the data folder with one of our own.
pub(crate) struct OfflineBroker {
    _lock: Option<File>,
    private: Option<SupervisedServer>,
    keeper: Option<JoinHandle<()>>,
    url: Option<String>,
    data_dir: DataDir,
}

impl OfflineBroker {
    /// The broker, and the keeper where it is the private one.
    pub(crate) async fn start_with_keeper(args: &BrokerArgs, config: &Config) -> anyhow::Result<Self> {
        let mut alone = Self::start_without_keeper(args).await?;
        if alone.private.is_some() {
            let broker = alone.connect(args, Role::Keys).await?;
            alone.keeper = Some(roles::start_keeper(broker, &roles::load_kek(config).await?).await?);
        }
        Ok(alone)
    }

    /// The broker alone.
    pub(crate) async fn start_without_keeper(args: &BrokerArgs) -> anyhow::Result<Self> {
        if args.nats.is_some() {
            let home = DataDir::new(&args.data_dir);
            return Ok(Self {
                _lock: None,
                private: None,
                keeper: None,
                url: args.nats.clone(),
                data_dir: home,
            });
        }
        std::fs::create_dir_all(&args.data_dir)?;
        let home = DataDir::new(&args.data_dir.canonicalize()?);
        let lock = home.lock()?;
        let private = start_private_broker(&home).await?;
        let url = private.url().to_owned();
        Ok(Self { _lock: Some(lock), private: Some(private), keeper: None, url: Some(url), data_dir: home })
    }

    /// A connection as one of the roles.
    pub(crate) async fn connect(&self, args: &BrokerArgs, role: Role) -> anyhow::Result<Broker> {
        let address = match (&self.private, &self.url) {
            (Some(_), Some(url)) => BrokerAddress {
                url: url.clone(),
                seed: read_seed(&self.data_dir.seed_file(role))?,
                ca_file: None,
                role: role.name(),
            },
            _ => broker_connection::resolve_address(args, role, ConfiguredBroker::default())?,
        };
        Ok(Broker::connect(address).await?)
    }

    /// A projector that folds here, with the projector's credentials and secrets.
    pub(crate) async fn offline_projector(
        &self,
        args: &BrokerArgs,
        config: &Config,
    ) -> anyhow::Result<OfflineProjector> {
        let secrets = RoleSecrets::load(config).await?;
        let broker = self.connect(args, Role::Projector).await?;
        let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
        Ok(OfflineProjector::new(broker, keys, roles::load_pseudonyms(config)?, system_clock))
    }

    /// Ends what was started.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        if let Some(keeper) = self.keeper {
            keeper.abort();
        }
        match self.private {
            Some(private) => private.stop().await.context("the private nats-server could not be ended"),
            None => Ok(()),
        }
    }
}
