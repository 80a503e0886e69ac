//! Every role as a process of its own, as in production, and the broker beside them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use broker::{Role, RoleKeys, Server, ServerSettings};
use client::{Connection, Credentials};
use http::Request;
use stream::{Broker, BrokerAddress};
use tempfile::TempDir;

use super::process::{Process, nats_server, run, until};
use super::system::credentials;

/// A process of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    IngestOne,
    IngestTwo,
    Projector,
    Keys,
    BreakGlass,
}

impl Part {
    const ALL: [Self; 5] = [Self::Keys, Self::Projector, Self::IngestOne, Self::IngestTwo, Self::BreakGlass];

    fn command(self) -> &'static [&'static str] {
        match self {
            Self::IngestOne | Self::IngestTwo => &["ingest"],
            Self::Projector => &["projector"],
            Self::Keys => &["keys", "serve"],
            Self::BreakGlass => &["breakglass", "serve"],
        }
    }
}

pub(crate) struct Cluster {
    pub(crate) folder: TempDir,
    broker: Option<Server>,
    port: u16,
    keys: RoleKeys,
    tls: Option<(PathBuf, PathBuf)>,
    parts: BTreeMap<Part, Process>,
    urls: BTreeMap<Part, String>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Cluster {
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    pub(crate) async fn start_with(environment: &[(&'static str, &'static str)]) -> Self {
        let mut cluster = Self::broker_with_streams().await;
        cluster.environment = environment.to_vec();
        for part in Part::ALL {
            cluster.start_part(part);
        }
        cluster.ready().await;
        cluster
    }

    /// The broker with its streams, and no role.
    pub(crate) async fn broker_with_streams() -> Self {
        let cluster = Self::broker_alone().await;
        let data_dir = cluster.data_dir();
        let set_up =
            run(&["setup", "--nats", &cluster.nats_url(), "--data-dir", data_dir.to_str().unwrap()], &[]);
        assert!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));
        cluster
    }

    /// The broker, empty.
    pub(crate) async fn broker_alone() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data_dir = folder.path().join("data");
        let made = run(&["keys", "create", "--development", "--data-dir", data_dir.to_str().unwrap()], &[]);
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let made = String::from_utf8(made.stdout).unwrap();
        let public = |role: Role| {
            let line = made.lines().find_map(|line| line.strip_prefix(&format!("{}=", role.variable())));
            (role, line.unwrap().to_owned())
        };
        let mut cluster = Self {
            keys: Role::ALL.into_iter().map(public).collect(),
            folder,
            tls: None,
            broker: None,
            port: 0,
            parts: BTreeMap::new(),
            urls: BTreeMap::new(),
            environment: Vec::new(),
        };
        cluster.start_broker().await;
        cluster
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn nats_url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, part: Part) -> &str {
        &self.urls[&part]
    }

    pub(crate) async fn start_broker(&mut self) {
        let settings = ServerSettings {
            binary: nats_server().to_owned(),
            folder: self.folder.path().join("broker"),
            keys: self.keys.clone(),
            port: (self.port > 0).then_some(self.port),
            tls: self.tls.clone(),
        };
        let server = Server::start(&settings).await.unwrap();
        self.port = server.port();
        self.broker = Some(server);
    }

    pub(crate) async fn kill_broker(&mut self) {
        self.broker.take().unwrap().kill().await.unwrap();
    }

    /// Starts a role, at the address that it had before.
    pub(crate) fn start_part(&mut self, part: Part) {
        let listen =
            self.urls.get(&part).map_or("127.0.0.1:0", |url| url.strip_prefix("http://").unwrap()).to_owned();
        let nats = self.nats_url();
        let data_dir = self.data_dir();
        let arguments = [
            part.command(),
            &["--nats", &nats, "--data-dir", data_dir.to_str().unwrap(), "--listen", &listen],
        ]
        .concat();
        let log = self.folder.path().join(format!("{part:?}.log"));
        let (process, url) = Process::start(&arguments, &self.environment, log, "listening ");
        self.parts.insert(part, process);
        self.urls.insert(part, url);
    }

    pub(crate) fn kill_part(&mut self, part: Part) {
        self.parts.get_mut(&part).unwrap().kill();
    }

    pub(crate) fn part(&mut self, part: Part) -> &mut Process {
        self.parts.get_mut(&part).unwrap()
    }

    /// Waits until every role says that it is ready.
    pub(crate) async fn ready(&self) {
        for (part, url) in &self.urls {
            until(&format!("{part:?} is ready"), async || {
                let mut connection = Connection::to(url).unwrap();
                let answer = connection.send(Request::get("/readyz"), bytes::Bytes::new()).await;
                answer.is_ok_and(|answer| answer.status.is_success()).then_some(())
            })
            .await;
        }
    }

    pub(crate) fn credentials(&self, user: &str, part: Part) -> Credentials {
        credentials(&self.data_dir(), &["--user", user, "--url", self.url(part)])
    }

    pub(crate) fn seed(&self, role: Role) -> String {
        std::fs::read_to_string(self.data_dir().join(format!("keys/{}.nk", role.name())))
            .unwrap()
            .trim()
            .to_owned()
    }

    /// A connection with a role's own credentials.
    pub(crate) async fn connect(&self, role: Role) -> Broker {
        let address =
            BrokerAddress { url: self.nats_url(), seed: self.seed(role), ca_file: None, role: role.name() };
        let broker = Broker::connect(address).await.unwrap();
        broker.connected().await;
        broker
    }
}
