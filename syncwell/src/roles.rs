//! The roles, put together. `up` runs them all in one process, production each in its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn;
use breakglass::BreakGlassServer;
use export_store::ExportStore;
use http_edge::{
    ApiError, Authenticator, HttpServerSettings, IssuerKeySet, RateLimits, ReadinessCheck, ServerTls,
    TokenVerifier, access_log_middleware, health_routes, raise_file_limit, serve,
};
use ingest::Ingest;
use jetstream::Broker;
use keeper::{KeeperError, KeeperServer};
use keys::{
    AccessIndexKey, AccessIndexRecipient, AccessIndexRecorder, Kek, KeyClient, KeysStreamError,
    Pseudonymizer, SigningKeys, TokenSealer,
};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use notary::{Notary, NotarySettings};
use projector::{ExportSettings, Projector, ProjectorSettings};
use runtime::{spawn_critical, system_clock};
use schemas::ProblemCode;
use tlog::{LogSigner, LogVerifier, TileStore};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use worker::{ErasureLedger, Worker, WorkerSettings};

use crate::config::{Config, KekSource, SecretLocation};
use crate::data_dir::read_vkey;
use crate::exit_code::UsageError;

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
pub(crate) struct RoleSecrets {
    pseudonyms: Pseudonymizer,
    pub(crate) kek: Arc<Kek>,
}

impl RoleSecrets {
    pub(crate) async fn load(config: &Config) -> anyhow::Result<Self> {
        Ok(Self { pseudonyms: load_pseudonyms(config)?, kek: load_kek(config).await? })
    }
}

pub(crate) fn load_pseudonyms(config: &Config) -> anyhow::Result<Pseudonymizer> {
    let (_, pseudonym) = config.pseudonym.read()?.to_current();
    Ok(Pseudonymizer::new(pseudonym).with_returned_users(config.returned_users.clone()))
}

/// The key-encryption key, kept up with its source.
pub(crate) async fn load_kek(config: &Config) -> anyhow::Result<Arc<Kek>> {
    let kek = Arc::new(match &config.kek {
        KekSource::Local(source) => Kek::from_source(source.to_source()?)?,
        KekSource::Kms(settings) => Kek::from_kms_settings(settings.clone())?,
    });
    let followed = kek.clone();
    spawn_critical("kek-reload", async move { followed.reload_loop().await });
    Ok(kek)
}

/// Who may come in, and how often.
pub(crate) struct EdgeServices {
    pub(crate) authenticator: Arc<Authenticator>,
    /// Whether tokens can be verified.
    pub(crate) ready: ReadinessCheck,
}

pub(crate) fn start_edge_services(config: &Config, secrets: &RoleSecrets) -> anyhow::Result<EdgeServices> {
    let key_set = Arc::new(
        IssuerKeySet::open(config.jwks.clone()).context("`[auth] jwks` names the issuer's key set")?,
    );
    let gate = Arc::new(Authenticator {
        forwarding: config.forwarding.clone(),
        rate_limits: RateLimits::new(config.rates),
        token_verifier: TokenVerifier::new(config.auth.clone(), key_set.clone(), secrets.pseudonyms.clone()),
        clock: system_clock,
    });
    let forgetful = gate.clone();
    spawn_critical("rate-limiter-cleanup", async move { forgetful.rate_limits.eviction_loop().await });
    let followed = key_set.clone();
    spawn_critical("jwks-reload", async move { followed.refresh_loop().await });
    Ok(EdgeServices { authenticator: gate, ready: Arc::new(move || key_set.check_ready()) })
}

pub(crate) fn start_ingest(
    config: &Config,
    broker: Broker,
    gate: Arc<Authenticator>,
    secrets: &RoleSecrets,
) -> anyhow::Result<Ingest> {
    let signing_keys = SigningKeys::load(config.signing.to_source()?)?;
    let followed = signing_keys.clone();
    spawn_critical("signing-key-reload", async move { followed.reload_loop().await });
    let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
    let index =
        AccessIndexRecorder::start(broker.clone(), AccessIndexRecipient::read(&config.breakglass.recipient)?);
    let pseudonyms = secrets.pseudonyms.clone();
    Ok(Ingest::start(broker, gate, pseudonyms, signing_keys, keys, index, config.ingest.clone()))
}

pub(crate) fn start_projector(
    config: &Config,
    broker: Broker,
    gate: Arc<Authenticator>,
    secrets: &RoleSecrets,
) -> anyhow::Result<Projector> {
    let settings = ProjectorSettings {
        gate,
        pseudonyms: secrets.pseudonyms.clone(),
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        verifier: read_vkey(&config.audit.log_vkey)?,
        views_dir: config.view_folder.clone(),
        exports: ExportSettings {
            export_store: open_export_store(config)?,
            link_base: config.webhooks.link_base.clone(),
            is_tls: config.tls.is_some(),
        },
        clock: system_clock,
    };
    Ok(Projector::start(broker, settings))
}

/// Where exports are kept.
fn open_export_store(config: &Config) -> anyhow::Result<ExportStore> {
    Ok(ExportStore::open(&config.exports_location, config.audit.tile_options.clone())?)
}

/// Does what events ask for, for as long as the process runs.
pub(crate) async fn start_worker(
    config: &Config,
    broker: Broker,
    secrets: &RoleSecrets,
) -> anyhow::Result<Worker> {
    let objects = open_export_store(config)?;
    objects.check().await.context("`[exports] location` is no place for exports")?;
    let settings = WorkerSettings {
        keys: KeyClient::new(broker.clone(), secrets.kek.clone()),
        seal: TokenSealer::new(config.tokens.read()?),
        pseudonyms: secrets.pseudonyms.clone(),
        providers: config.providers.tables.clone(),
        oauth_clients: config.providers.oauth_clients.clone(),
        providers_ca: config.providers.ca_file.clone(),
        export_store: objects,
        erasure_ledger: ErasureLedger::open(&config.erasure_ledger, config.audit.tile_options.clone())?,
        webhooks: config.webhooks.clone(),
        clock: system_clock,
    };
    Ok(Worker::start(broker, settings)?)
}

/// Vouches for the log: with the secret that the log's public key is of, and no other.
pub(crate) fn start_notary(config: &Config, broker: Broker) -> anyhow::Result<Notary> {
    let settings = NotarySettings {
        signer: load_signer(&config.audit.checkpoint, &read_vkey(&config.audit.log_vkey)?)?,
        tiles: TileStore::open(&config.audit.tiles, config.audit.tile_options.clone())?,
        interval: config.audit.interval,
    };
    Ok(Notary::start(broker, settings)?)
}

/// Signs under the name of a public key, with the secret that it is of.
pub(crate) fn load_signer(secret: &SecretLocation, verifier: &LogVerifier) -> anyhow::Result<LogSigner> {
    let secrets = secret.read()?;
    let signer = LogSigner::new(verifier.origin(), secrets.current().1)?;
    if signer.vkey() != verifier.vkey() {
        return Err(UsageError(
            "the signing secret is not the one that the public key beside it is of: restore it from a backup"
                .to_owned(),
        )
        .into());
    }
    Ok(signer)
}

/// Breaks the glass, for as long as the process runs.
pub(crate) fn start_breakglass(config: &Config, broker: Broker) -> anyhow::Result<JoinHandle<()>> {
    let key = AccessIndexKey::new(config.breakglass.key.read()?);
    let people = config.breakglass.operators.clone();
    let service = BreakGlassServer::new(broker, key, people, load_pseudonyms(config)?, system_clock);
    Ok(spawn_critical("breakglass-server", Arc::new(service).serve()))
}

/// The keeper serves until it must not: with the wrong KEK it never begins.
pub(crate) async fn start_keeper(broker: Broker, kek: &Arc<Kek>) -> anyhow::Result<JoinHandle<()>> {
    let keeper = loop {
        broker.wait_connected().await;
        match KeeperServer::start(broker.clone(), kek.clone()).await {
            Ok(keeper) => break keeper,
            Err(
                error @ (KeeperError::WrongKek(_) | KeeperError::Stream(KeysStreamError::ConfigMismatch(..))),
            ) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the keeper can't start yet")
            }
        }
        sleep(KEEPER_RETRY_INTERVAL).await;
    };
    Ok(spawn_critical("keeper-server", keeper.serve()))
}

/// Writes what the index still has to; a broker that is gone is not waited for for long.
pub(crate) async fn flush_access_index(index: &AccessIndexRecorder) {
    if tokio::time::timeout(INDEX_FLUSH_TIMEOUT, index.flush()).await.is_err() {
        tracing::warn!("the last entries of the break-glass index could not be written");
    }
}

/// Starts counting. Once per process.
pub(crate) fn install_metrics(config: &Config) -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_messages".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    if let Some(level) = &config.log.level {
        metrics::gauge!("syncwell_log_level", "level" => level.to_ascii_lowercase()).set(1.0);
    }
    let condensed = handle.clone();
    spawn_critical("metrics-upkeep", async move {
        loop {
            sleep(METRICS_UPKEEP_INTERVAL).await;
            condensed.run_upkeep();
        }
    });
    Ok(handle)
}

/// An HTTP server, running.
pub(crate) struct HttpServer {
    pub(crate) url: String,
    stop: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl HttpServer {
    /// Serves `routes` and health on `listener`; metrics there too, or on a listener of their own.
    pub(crate) async fn start(
        listener: TcpListener,
        routes: Router,
        ready: Vec<ReadinessCheck>,
        metrics: PrometheusHandle,
        config: &Config,
        insecure_http: bool,
    ) -> anyhow::Result<Self> {
        let tls = match &config.tls {
            Some(files) => Some(Arc::new(ServerTls::open(files.clone())?)),
            None => None,
        };
        let own_address = config.metrics_listen.into_iter();
        for address in own_address.chain([listener.local_addr()?]) {
            if tls.is_none() && !insecure_http && !address.ip().is_loopback() {
                return Err(UsageError(format!(
                    "{address} can be reached from other machines: name a certificate in [tls], or say --insecure-http"
                ))
                .into());
            }
        }
        if let Some(tls) = tls.clone() {
            spawn_critical("tls-certificate-reload", async move { tls.reload_loop().await });
        }
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let limit = raise_file_limit();
        let settings =
            HttpServerSettings { connections_max: config.serve.connections_max.min(limit), ..config.serve };
        let mut tasks = Vec::new();
        let own_listener = match config.metrics_listen {
            Some(address) => {
                Some(TcpListener::bind(address).await.with_context(|| format!("can't listen on {address}"))?)
            }
            None => None,
        };
        let beside = own_listener.is_none().then(|| metrics.clone());
        let routes = routes.merge(health_routes(ready, beside));
        tasks.push(spawn_server(listener, wrap_routes(routes), settings, tls.clone(), &stop));
        if let Some(listener) = own_listener {
            let routes = health_routes(Vec::new(), Some(metrics));
            tasks.push(spawn_server(listener, wrap_routes(routes), settings, tls, &stop));
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
fn wrap_routes(routes: Router) -> Router {
    routes
        .fallback(async || {
            ApiError::new(ProblemCode::NotFound, "There is nothing at this path; see /openapi.json.")
        })
        .layer(from_fn(access_log_middleware))
}

fn spawn_server(
    listener: TcpListener,
    routes: Router,
    settings: HttpServerSettings,
    tls: Option<Arc<ServerTls>>,
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let stop = stop.clone();
    spawn_critical(
        "http-server",
        serve(listener, routes, settings, tls, async move { stop.cancelled().await }),
    )
}
