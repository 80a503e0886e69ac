//! The roles, put together. `up` runs them all in one process, production each in its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn;
use breakglass::BreakGlass;
use export_store::Objects;
use http_edge::{
    Gate, KeySet, Rates, ReadyCheck, Refusal, ServeSettings, ServerTls, TokenVerifier, health_routes,
    observed, raise_file_limit, serve, system_clock,
};
use ingest::Ingest;
use jetstream::{Broker, spawn_critical};
use keys::{AccessIndexRecorder, AccessIndexKey, AccessIndexRecipient, KeeperServer, Kek, KeyClient, Pseudonymizer, SigningKeys, TokenSealer};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use notary::{Notary, NotarySettings};
use projector::{ExportSettings, Projector, ProjectorSettings};
use schemas::Code;
use tlog::{LogSigner, LogVerifier, TileStore};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use worker::{Ledger, Worker, WorkerSettings};

use crate::config::{Config, KekSource, SecretSource};
use crate::exit::Usage;
use crate::home::read_vkey;

/// Seconds of a request, for the histogram.
const LATENCY_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Events of a commit, for the histogram.
const BATCH_BUCKETS: [f64; 8] = [1.0, 8.0, 32.0, 100.0, 200.0, 400.0, 700.0, 1_000.0];
/// How often histograms are condensed.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// How long the end of a process may wait for the last entries of the break-glass index.
const INDEX_FLUSH_TIMEOUT: Duration = Duration::from_secs(3);
/// Pause before the keeper tries the keys' stream again.
const KEEPER_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The secrets that every role with a door needs.
pub(crate) struct Secrets {
    pseudonyms: Pseudonymizer,
    pub(crate) kek: Arc<Kek>,
}

impl Secrets {
    pub(crate) async fn read(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { pseudonyms: pseudonyms(config)?, kek: kek(config).await? })
    }
}

pub(crate) fn pseudonyms(config: &Config) -> anyhow::Result<Pseudonymizer> {
    let (_, pseudonym) = config.pseudonym.read()?.to_current();
    Ok(Pseudonymizer::new(pseudonym).with_returned_users(config.returned.clone()))
}

/// The key-encryption key, kept up with its source.
pub(crate) async fn kek(config: &Config) -> anyhow::Result<Arc<Kek>> {
    let kek = Arc::new(match &config.kek {
        KekSource::Local(source) => Kek::from_source(source.source()?)?,
        KekSource::Kms(settings) => Kek::from_kms_settings(settings.clone())?,
    });
    let followed = kek.clone();
    spawn_critical("key-encryption key", async move { followed.reload_loop().await });
    Ok(kek)
}

/// Who may come in, and how often.
pub(crate) struct Door {
    pub(crate) gate: Arc<Gate>,
    /// Whether tokens can be verified.
    pub(crate) ready: ReadyCheck,
}

pub(crate) fn door(config: &Config, secrets: &Secrets) -> anyhow::Result<Door> {
    let key_set =
        Arc::new(KeySet::open(config.jwks.clone()).context("`[auth] jwks` names the issuer's key set")?);
    let gate = Arc::new(Gate {
        forwarding: config.forwarding.clone(),
        rates: Rates::new(config.rates),
        tokens: TokenVerifier::new(config.auth.clone(), key_set.clone(), secrets.pseudonyms.clone()),
        clock: system_clock,
    });
    let forgetful = gate.clone();
    spawn_critical("rates", async move { forgetful.rates.forget().await });
    let followed = key_set.clone();
    spawn_critical("key set", async move { followed.follow().await });
    Ok(Door { gate, ready: Arc::new(move || key_set.check()) })
}

pub(crate) fn ingest(
    config: &Config,
    broker: Broker,
    gate: Arc<Gate>,
    secrets: &Secrets,
) -> anyhow::Result<Ingest> {
    let signing_keys = SigningKeys::load(config.signing.source()?)?;
    let followed = signing_keys.clone();
    spawn_critical("signing masters", async move { followed.reload_loop().await });
    let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
    let index = AccessIndexRecorder::start(broker.clone(), AccessIndexRecipient::read(&config.glass.recipient)?);
    let pseudonyms = secrets.pseudonyms.clone();
    Ok(Ingest::start(broker, gate, pseudonyms, signing_keys, keys, index, config.door.clone()))
}

pub(crate) fn projector(
    config: &Config,
    broker: Broker,
    gate: Arc<Gate>,
    secrets: &Secrets,
) -> anyhow::Result<Projector> {
    let settings = ProjectorSettings {
        gate,
        pseudonyms: secrets.pseudonyms.clone(),
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        verifier: read_vkey(&config.audit.log_vkey)?,
        folder: config.view.clone(),
        exports: ExportSettings {
            objects: objects(config)?,
            link_base: config.feed.link_base.clone(),
            is_tls: config.tls.is_some(),
        },
        clock: system_clock,
    };
    Ok(Projector::start(broker, settings))
}

/// Where exports are kept.
fn objects(config: &Config) -> anyhow::Result<Objects> {
    Ok(Objects::open(&config.exports, config.audit.tile_options.clone())?)
}

/// Does what events ask for, for as long as the process runs.
pub(crate) async fn worker(config: &Config, broker: Broker, secrets: &Secrets) -> anyhow::Result<Worker> {
    let objects = objects(config)?;
    objects.check().await.context("`[exports] location` is no place for exports")?;
    let settings = WorkerSettings {
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        seal: TokenSealer::new(config.tokens.read()?),
        pseudonyms: secrets.pseudonyms.clone(),
        providers: config.providers.tables.clone(),
        clients: config.providers.clients.clone(),
        providers_ca: config.providers.ca_file.clone(),
        objects,
        ledger: Ledger::open(&config.erasure_ledger, config.audit.tile_options.clone())?,
        feed: config.feed.clone(),
        clock: system_clock,
    };
    Ok(Worker::start(broker, settings)?)
}

/// Vouches for the log: with the secret that the log's public key is of, and no other.
pub(crate) fn notary(config: &Config, broker: Broker) -> anyhow::Result<Notary> {
    let settings = NotarySettings {
        signer: signer(&config.audit.checkpoint, &read_vkey(&config.audit.log_vkey)?)?,
        tiles: TileStore::open(&config.audit.tiles, config.audit.tile_options.clone())?,
        interval: config.audit.interval,
    };
    Ok(Notary::start(broker, settings)?)
}

/// Signs under the name of a public key, with the secret that it is of.
pub(crate) fn signer(secret: &SecretSource, verifier: &LogVerifier) -> anyhow::Result<LogSigner> {
    let secrets = secret.read()?;
    let signer = LogSigner::new(verifier.origin(), secrets.current().1)?;
    if signer.vkey() != verifier.vkey() {
        return Err(Usage(
            "the signing secret is not the one that the public key beside it is of: restore it from a backup"
                .to_owned(),
        )
        .into());
    }
    Ok(signer)
}

/// Breaks the glass, for as long as the process runs.
pub(crate) fn break_glass(config: &Config, broker: Broker) -> anyhow::Result<JoinHandle<()>> {
    let key = AccessIndexKey::new(config.glass.key.read()?);
    let people = config.glass.people.clone();
    let service = BreakGlass::new(broker, key, people, pseudonyms(config)?, system_clock);
    Ok(spawn_critical("break-glass", Arc::new(service).serve()))
}

/// The keeper serves until it must not: with the wrong KEK it never begins.
pub(crate) async fn keeper(broker: Broker, kek: &Arc<Kek>) -> anyhow::Result<JoinHandle<()>> {
    let keeper = loop {
        broker.wait_connected().await;
        match KeeperServer::start(broker.clone(), kek.clone()).await {
            Ok(keeper) => break keeper,
            Err(error @ (keys::KeeperError::WrongKek(_) | keys::KeeperError::ConfigMismatch(..))) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the keeper can't start yet")
            }
        }
        sleep(KEEPER_RETRY_INTERVAL).await;
    };
    Ok(spawn_critical("keeper", keeper.serve()))
}

/// Writes what the index still has to; a broker that is gone is not waited for for long.
pub(crate) async fn flush(index: &AccessIndexRecorder) {
    if tokio::time::timeout(INDEX_FLUSH_TIMEOUT, index.flush()).await.is_err() {
        tracing::warn!("the last entries of the break-glass index could not be written");
    }
}

/// Starts counting. Once per process.
pub(crate) fn metrics(config: &Config) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_events".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    if let Some(level) = &config.log.level {
        metrics::gauge!("syncwell_log_level", "level" => level.to_ascii_lowercase()).set(1.0);
    }
    let condensed = handle.clone();
    spawn_critical("metrics", async move {
        loop {
            sleep(METRICS_UPKEEP_INTERVAL).await;
            condensed.run_upkeep();
        }
    });
    Ok(handle)
}

/// An HTTP server, running.
pub(crate) struct Server {
    pub(crate) url: String,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Serves `routes` and health on `listener`; metrics there too, or on a listener of their own.
    pub(crate) async fn start(
        listener: TcpListener,
        routes: Router,
        ready: Vec<ReadyCheck>,
        metrics: PrometheusHandle,
        config: &Config,
        insecure_http: bool,
    ) -> anyhow::Result<Self> {
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(ServerTls::read(files.clone())?)),
            None => None,
        };
        let own_address = config.metrics_listen.into_iter();
        for address in own_address.chain([listener.local_addr()?]) {
            if tls.is_none() && !insecure_http && !address.ip().is_loopback() {
                return Err(Usage(format!(
                    "{address} can be reached from other machines: name a certificate in [tls], or say --insecure-http"
                ))
                .into());
            }
        }
        if let Some(tls) = tls.clone() {
            spawn_critical("certificate", async move { tls.follow().await });
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let limit = raise_file_limit();
        let settings =
            ServeSettings { connections_max: config.serve.connections_max.min(limit), ..config.serve };
        let mut tasks = Vec::new();
        let own_listener = match config.metrics_listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?)
            }
            None => None,
        };
        let beside = own_listener.is_none().then(|| metrics.clone());
        let routes = routes.merge(health_routes(ready, beside));
        tasks.push(run(listener, around(routes), settings, tls.clone(), &stop));
        if let Some(listener) = own_listener {
            let routes = health_routes(Vec::new(), Some(metrics));
            tasks.push(run(listener, around(routes), settings, tls, &stop));
        }
        Ok(Self { url, stop, tasks })
    }

    /// Lets requests under way end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A vital task: had it panicked, the process would be gone.
            let _ = task.await;
        }
    }
}

/// What every route is wrapped in, those that do not exist included.
fn around(routes: Router) -> Router {
    routes
        .fallback(async || Refusal::new(Code::NotFound, "There is nothing at this path; see /openapi.json."))
        .layer(from_fn(observed))
}

fn run(
    listener: TcpListener,
    routes: Router,
    settings: ServeSettings,
    tls: Option<Arc<ServerTls>>,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let stop = stop.clone();
    spawn_critical("http", serve(listener, routes, settings, tls, async move { stop.cancelled().await }))
}
