//! An installation with a log, its keeper and its notary, without ingest and projector.

use std::path::PathBuf;

use jetstream::Broker;
use nats_server::{Role, SupervisedServer};

use super::role_process::{RoleProcess, start_role, wait_until_ready};
use super::temporary_broker::{connect, start_temporary_broker};
use crate::data_dir::DataDir;

/// A broker, the keeper and the notary, in a folder that is removed at the end.
pub(super) struct LogOnlyInstallation {
    pub(super) data_dir: DataDir,
    pub(super) folder: PathBuf,
    broker: SupervisedServer,
    roles: Vec<RoleProcess>,
}

impl LogOnlyInstallation {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (home, folder, broker) = start_temporary_broker().await?;
        let url = broker.url().to_owned();
        let mut roles = Vec::new();
        for command in [&["keys", "serve"][..], &["notary"]] {
            let (process, address) = start_role(command, &folder, &url)?;
            wait_until_ready(&address).await?;
            roles.push(process);
        }
        Ok(Self { data_dir: home, folder, broker, roles })
    }

    pub(super) fn nats_url(&self) -> &str {
        self.broker.url()
    }

    /// A connection as one of the roles.
    pub(super) async fn connect(&self, role: Role) -> anyhow::Result<Broker> {
        connect(&self.data_dir, self.broker.url(), role).await
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        drop(self.roles);
        self.broker.stop().await?;
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }
}
