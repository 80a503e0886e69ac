//! A broker in a temporary folder.

use std::path::PathBuf;

use jetstream::{Broker, BrokerAddress};
use nats_server::{Role, SupervisedServer};

use crate::data_dir::{DataDir, SECRET_NAMES, read_seed};
use crate::dev_issuer::DevIssuer;
use crate::private_broker::start_private_broker;
use crate::streams::create_streams;

/// Starts a broker with all streams in a new temporary folder. The caller removes the folder.
pub(super) async fn start_temporary_broker() -> anyhow::Result<(DataDir, PathBuf, SupervisedServer)> {
    let folder = std::env::temp_dir().join(format!("syncwell-bench-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder)?;
    let home = DataDir::new(&folder);
    home.create_keys(&SECRET_NAMES)?;
    DevIssuer::create(&home)?;
    let broker = start_private_broker(&home).await?;
    create_streams(&connect(&home, broker.url(), Role::Owner).await?, 1).await?;
    Ok((home, folder, broker))
}

/// Connects as a role of the data folder.
pub(super) async fn connect(home: &DataDir, url: &str, role: Role) -> anyhow::Result<Broker> {
    let seed = read_seed(&home.seed_file(role))?;
    Ok(Broker::connect(BrokerAddress { url: url.to_owned(), seed, ca_file: None, role: role.name() }).await?)
}
