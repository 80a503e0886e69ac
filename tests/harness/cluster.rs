//! Every role as a process of its own, as in production, and the broker beside them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use client::{Credentials, HttpConnection};
use http::Request;
use jetstream::{Broker, BrokerAddress};
use nats_server::{NATS_CONF, NatsServer, NatsServerSettings, Role, RoleKeys};

use super::process::{Process, nats_server_binary, run_syncwell, wait_until};
use super::system::credentials;
use super::tls::CertificateAuthority;
use crate::harness::TestFolder;

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Node {
    IngestOne,
    IngestTwo,
    Projector,
    Notary,
    Keys,
    BreakGlass,
    WorkerOne,
    /// Started only where a test wants two.
    WorkerTwo,
}

impl Node {
    const ALL: [Self; 7] = [
        Self::Keys,
        Self::Notary,
        Self::Projector,
        Self::IngestOne,
        Self::IngestTwo,
        Self::BreakGlass,
        Self::WorkerOne,
    ];

    fn command_args(self) -> &'static [&'static str] {
        match self {
            Self::IngestOne | Self::IngestTwo => &["ingest"],
            Self::Projector => &["projector"],
            Self::Notary => &["notary"],
            Self::Keys => &["keys", "serve"],
            Self::BreakGlass => &["breakglass", "serve"],
            Self::WorkerOne | Self::WorkerTwo => &["worker"],
        }
    }
}

pub(crate) struct Cluster {
    broker: Option<NatsServer>,
    port: u16,
    keys: RoleKeys,
    tls: Option<(PathBuf, PathBuf)>,
    processes: BTreeMap<Node, Process>,
    urls: BTreeMap<Node, String>,
    nats_conf: String,
    /// What every role that is started from now on is told.
    pub(crate) environment: Vec<(String, String)>,
    /// Dropped last, after the processes that write into it.
    pub(crate) folder: TestFolder,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with_env(&[]).await
    }

    pub(crate) async fn start_with_env(environment: &[(&str, &str)]) -> Self {
        let mut cluster = Self::start_broker_with_streams().await;
        cluster.environment =
            environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        cluster.start_nodes().await;
        cluster
    }

    /// With TLS between every role and the broker.
    pub(crate) async fn start_with_tls() -> Self {
        let mut cluster = Self::with_development_keys();
        let folder = cluster.folder.path().to_owned();
        let files = (folder.join("broker.pem"), folder.join("broker.key"));
        CertificateAuthority::new(&folder).issue_certificate(&files.0, &files.1);
        cluster.tls = Some(files);
        cluster.start_broker().await;
        cluster.run_setup();
        cluster.start_nodes().await;
        cluster
    }

    async fn start_nodes(&mut self) {
        for part in Node::ALL {
            self.start_node(part);
        }
        self.wait_until_ready().await;
    }

    /// The broker with its streams, and no role.
    pub(crate) async fn start_broker_with_streams() -> Self {
        Self::start_broker_with_conf(str::to_owned).await
    }

    /// The same, with a configuration that is not the repository's.
    pub(crate) async fn start_broker_with_conf(change: impl FnOnce(&str) -> String) -> Self {
        let mut cluster = Self::with_development_keys();
        cluster.nats_conf = change(NATS_CONF);
        cluster.start_broker().await;
        cluster.run_setup();
        cluster
    }

    fn run_setup(&self) {
        let (nats, data_dir) = (self.nats_url(), self.data_dir());
        let mut arguments = vec!["setup", "--nats", &nats, "--data-dir", data_dir.to_str().unwrap()];
        let ca_file = self.ca_file();
        if let Some(ca_file) = &ca_file {
            arguments.extend(["--nats-ca", ca_file.to_str().unwrap()]);
        }
        let run_setup = run_syncwell(&arguments, &[]);
        assert!(run_setup.status.success(), "{}", String::from_utf8_lossy(&run_setup.stderr));
    }

    /// The broker, empty.
    pub(crate) async fn start_broker_only() -> Self {
        let mut cluster = Self::with_development_keys();
        cluster.start_broker().await;
        cluster
    }

    /// Keys and secrets, and nothing that runs.
    fn with_development_keys() -> Self {
        let folder = TestFolder::new();
        let data_dir = folder.path().join("data");
        let made =
            run_syncwell(&["keys", "create", "--development", "--data-dir", data_dir.to_str().unwrap()], &[]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let made = String::from_utf8(made.stdout).unwrap();
        let public = |role: Role| {
            let line = made.lines().find_map(|line| line.strip_prefix(&format!("{}=", role.nkey_env_name())));
            (role, line.unwrap().to_owned())
        };
        Self {
            keys: Role::ALL.into_iter().map(public).collect(),
            folder,
            tls: None,
            broker: None,
            port: 0,
            processes: BTreeMap::new(),
            urls: BTreeMap::new(),
            nats_conf: NATS_CONF.to_owned(),
            environment: Vec::new(),
        }
    }

    /// Who vouches for the broker, where it speaks TLS.
    pub(crate) fn ca_file(&self) -> Option<PathBuf> {
        self.tls.as_ref().map(|_| self.folder.path().join("ca.pem"))
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, part: Node) -> &str {
        &self.urls[&part]
    }

    pub(crate) async fn start_broker(&mut self) {
        let settings = NatsServerSettings {
            binary: nats_server_binary().to_owned(),
            folder: self.folder.path().join("broker"),
            conf: self.nats_conf.clone().into(),
            keys: self.keys.clone(),
            port: (self.port > 0).then_some(self.port),
            tls: self.tls.clone(),
        };
        let server = NatsServer::start(&settings).await.unwrap();
        self.port = server.port();
        self.broker = Some(server);
    }

    pub(crate) async fn kill_broker(&mut self) {
        self.broker.take().unwrap().kill().await.unwrap();
    }

    /// Starts a role, at the address that it had before.
    pub(crate) fn start_node(&mut self, part: Node) {
        let listen =
            self.urls.get(&part).map_or("127.0.0.1:0", |url| url.strip_prefix("http://").unwrap()).to_owned();
        let nats = self.nats_url();
        let data_dir = self.data_dir();
        let ca_file = self.ca_file();
        let trusted: &[&str] = match &ca_file {
            Some(ca_file) => &["--nats-ca", ca_file.to_str().unwrap()],
            None => &[],
        };
        let arguments = [
            part.command_args(),
            &["--nats", &nats, "--data-dir", data_dir.to_str().unwrap(), "--listen", &listen],
            trusted,
        ]
        .concat();
        let log = self.folder.path().join(format!("{part:?}.log"));
        let environment: Vec<_> =
            self.environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (process, url) = Process::start(&arguments, &environment, log, "listening ");
        self.processes.insert(part, process);
        self.urls.insert(part, url);
    }

    pub(crate) fn kill_node(&mut self, part: Node) {
        self.processes.get_mut(&part).unwrap().kill();
    }

    pub(crate) fn process(&mut self, node: Node) -> &mut Process {
        self.processes.get_mut(&node).unwrap()
    }

    /// Waits until every role says that it is ready.
    pub(crate) async fn wait_until_ready(&self) {
        self.wait_for_readyz(None).await;
    }

    /// The same, but for one that does not run.
    pub(crate) async fn wait_until_ready_except(&self, away: Node) {
        self.wait_for_readyz(Some(away)).await;
    }

    async fn wait_for_readyz(&self, away: Option<Node>) {
        for (part, url) in self.urls.iter().filter(|(part, _)| Some(**part) != away) {
            wait_until(&format!("{part:?} is ready"), async || {
                let mut connection = HttpConnection::new(url).unwrap();
                let answer = connection.send(Request::get("/readyz"), bytes::Bytes::new()).await;
                answer.is_ok_and(|answer| answer.status.is_success()).then_some(())
            })
            .await;
        }
    }

    pub(crate) fn credentials(&self, user: &str, part: Node) -> Credentials {
        credentials(&self.data_dir(), &["--user", user, "--url", self.url(part)])
    }

    pub(crate) fn seed(&self, role: Role) -> String {
        std::fs::read_to_string(self.data_dir().join(format!("keys/{}.nk", role.name())))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// A connection with a role's own credentials.
    pub(crate) async fn connect_as(&self, role: Role) -> Broker {
        let address = BrokerAddress {
            url: self.nats_url(),
            seed: self.seed(role),
            ca_file: self.ca_file(),
            role: role.name(),
        };
        let broker = Broker::connect(address).await.unwrap();
        broker.wait_connected().await;
        broker
    }
}
