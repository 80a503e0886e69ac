//! An installation for measuring: a broker and every role as a process of its own, in a folder that goes away.

use std::path::{Path, PathBuf};

use anyhow::Context;
use jetstream::Broker;
use keys::create_private_file;
use nats_server::{Role, SupervisedServer};
use providers::standard_webhooks::StandardWebhookSecret;

use super::resident_memory;
use super::role_process::{RoleProcess, start_role_with_env, wait_until_ready};
use super::temporary_broker::{connect, start_temporary_broker};
use crate::data_dir::DataDir;

/// An installation with ingest, keeper and projector, in a folder that is removed at the end.
pub(super) struct BenchInstallation {
    pub(super) data_dir: DataDir,
    pub(super) ingest_url: String,
    folder: PathBuf,
    broker: SupervisedServer,
    ingest: Option<RoleProcess>,
    others: Vec<RoleProcess>,
}

impl BenchInstallation {
    pub(super) async fn start() -> anyhow::Result<Self> {
        Self::start_with(|_| Ok(Vec::new()), &[]).await
    }

    /// One that takes a provider's deliveries, signed with this secret.
    pub(super) async fn start_with_provider(secret: &StandardWebhookSecret) -> anyhow::Result<Self> {
        let environment = |folder: &Path| {
            let file = folder.join("junction.secret");
            create_private_file(&file, secret.expose().as_bytes())?;
            let files = format!("[{:?}]", file.display().to_string());
            Ok(vec![("SYNCWELL_PROVIDERS__JUNCTION__WEBHOOK_SECRET_FILES", files)])
        };
        Self::start_with(environment, &[]).await
    }

    /// One that tells receivers on this machine what changed.
    pub(super) async fn start_with_worker() -> anyhow::Result<Self> {
        let environment = |_: &Path| {
            Ok(vec![
                ("SYNCWELL_FEED__ALLOW_PRIVATE", r#"["127.0.0.0/8"]"#.to_owned()),
                ("SYNCWELL_FEED__INSECURE_HTTP", "true".to_owned()),
            ])
        };
        Self::start_with(environment, &["worker"]).await
    }

    async fn start_with(
        environment: impl FnOnce(&Path) -> anyhow::Result<Vec<(&'static str, String)>>,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let (home, folder, broker) = start_temporary_broker().await?;
        let url = broker.url().to_owned();
        let environment = environment(&folder)?;
        let mut others = Vec::new();
        for command in
            [&["keys", "serve"][..], &["projector"]].into_iter().chain(more.iter().map(std::slice::from_ref))
        {
            let (process, address) = start_role_with_env(command, &folder, &url, &environment)?;
            wait_until_ready(&address).await?;
            others.push(process);
        }
        let (ingest, ingest_url) = start_role_with_env(&["ingest"], &folder, &url, &environment)?;
        wait_until_ready(&ingest_url).await?;
        Ok(Self { data_dir: home, ingest_url, folder, broker, ingest: Some(ingest), others })
    }

    /// A connection as one of the roles.
    pub(super) async fn connect(&self, role: Role) -> anyhow::Result<Broker> {
        connect(&self.data_dir, self.broker.url(), role).await
    }

    /// Resident memory of ingest, in megabytes (10^6 bytes).
    pub(super) fn ingest_resident_mb(&self) -> anyhow::Result<f64> {
        let ingest = self.ingest.as_ref().context("BUG: ingest was ended")?;
        resident_memory::from_system(ingest.id())?.context("the system does not tell ingest's memory")
    }

    /// Ends every role; the broker stays.
    pub(super) fn stop_roles(&mut self) {
        self.ingest = None;
        self.others.clear();
    }

    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        self.stop_roles();
        self.broker.stop().await?;
        Ok(std::fs::remove_dir_all(&self.folder)?)
    }
}
