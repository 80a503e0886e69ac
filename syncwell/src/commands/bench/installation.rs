//! An installation for measuring: a broker and every role as a process of its own, in a folder that goes away.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use client::HttpConnection;
use http::Request;
use jetstream::{Broker, BrokerAddress};
use keys::create_private_file;
use nats_server::{Role, SupervisedServer};
use providers::standard_webhooks::StandardWebhookSecret;
use tokio::time::{Duration, sleep};

use crate::data_dir::{DataDir, SECRET_NAMES, read_seed};
use crate::dev_issuer::DevIssuer;
use crate::private_broker::start_private_broker;
use crate::streams::create_streams;

/// Rates are for the contract's tests; here they would only be in the way.
const NO_RATE_LIMITS_ENV: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];
const READY_POLL_INTERVAL: Duration = Duration::from_millis(20);

pub(super) struct BenchInstallation {
    pub(super) data_dir: DataDir,
    pub(super) ingest_url: String,
    folder: PathBuf,
    broker: SupervisedServer,
    ingest: Option<RoleProcess>,
    others: Vec<RoleProcess>,
}

/// One role's process. Ends with this value.
struct RoleProcess(Child);

impl Drop for RoleProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What vouches for a log and keeps its keys, and nothing that folds or accepts.
pub(super) struct LogOnlyInstallation {
    pub(super) data_dir: DataDir,
    pub(super) folder: PathBuf,
    broker: SupervisedServer,
    roles: Vec<RoleProcess>,
}

impl LogOnlyInstallation {
    pub(super) async fn start() -> anyhow::Result<Self> {
        let (home, folder, broker) = prepare().await?;
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

/// A broker with its streams, in a folder that goes away.
async fn prepare() -> anyhow::Result<(DataDir, PathBuf, SupervisedServer)> {
    let folder = std::env::temp_dir().join(format!("syncwell-bench-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir_all(&folder)?;
    let home = DataDir::new(&folder);
    home.create_keys(&SECRET_NAMES)?;
    DevIssuer::create(&home)?;
    let broker = start_private_broker(&home).await?;
    create_streams(&connect(&home, broker.url(), Role::Owner).await?, 1).await?;
    Ok((home, folder, broker))
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
        let (home, folder, broker) = prepare().await?;
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

    /// Resident memory of ingest, in megabytes (10^6 bytes): from `/proc`, and where there is none, from `ps`.
    pub(super) fn ingest_resident_mb(&self) -> anyhow::Result<f64> {
        let pid = self.ingest.as_ref().context("BUG: ingest was ended")?.0.id().to_string();
        let kib = match std::fs::read_to_string(Path::new("/proc").join(&pid).join("status")) {
            Ok(status) => status
                .lines()
                .find_map(|line| line.strip_prefix("VmRSS:")?.strip_suffix("kB"))
                .map(str::to_owned),
            Err(_) => {
                Some(String::from_utf8(Command::new("ps").args(["-o", "rss=", "-p", &pid]).output()?.stdout)?)
            }
        };
        let kib: f64 = kib
            .and_then(|kib| kib.trim().parse().ok())
            .context("the system does not tell ingest's memory")?;
        Ok(kib * 1_024.0 / 1e6)
    }

    /// Leaves the broker alone.
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

async fn connect(home: &DataDir, url: &str, role: Role) -> anyhow::Result<Broker> {
    let seed = read_seed(&home.seed_file(role))?;
    Ok(Broker::connect(BrokerAddress { url: url.to_owned(), seed, ca_file: None, role: role.name() }).await?)
}

/// Starts a role and returns it with its address.
fn start_role(command: &[&str], folder: &Path, nats: &str) -> anyhow::Result<(RoleProcess, String)> {
    start_role_with_env(command, folder, nats, &[])
}

fn start_role_with_env(
    command: &[&str],
    folder: &Path,
    nats: &str,
    environment: &[(&str, String)],
) -> anyhow::Result<(RoleProcess, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(command)
        .args(["--listen", "127.0.0.1:0", "--nats", nats, "--log", "error", "--data-dir"])
        .arg(folder)
        .envs(NO_RATE_LIMITS_ENV)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("BUG: standard output is piped")?;
    let role = RoleProcess(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let url = line.strip_prefix("listening ").with_context(|| format!("{command:?} did not start"))?;
    Ok((role, url.trim().to_owned()))
}

async fn wait_until_ready(url: &str) -> anyhow::Result<()> {
    let mut connection = HttpConnection::new(url)?;
    while !connection
        .send(Request::get("/readyz"), bytes::Bytes::new())
        .await
        .is_ok_and(|answer| answer.status.is_success())
    {
        sleep(READY_POLL_INTERVAL).await;
    }
    Ok(())
}
