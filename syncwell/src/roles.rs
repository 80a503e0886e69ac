//! The roles, put together. `up` runs them all in one process, production each in its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn;
use edge::{
    Gate, Rates, ReadyCheck, Refusal, ServeSettings, TokenVerifier, health_routes, observed,
    raise_file_limit, serve, system_clock,
};
use ingest::Ingest;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use projector::Projector;
use schemas::Code;
use stream::{Broker, spawn_vital};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use vault::{Keeper, Kek, KeyClient, Pseudonyms, SigningKeys};

use crate::config::Config;
use crate::home::Home;

/// Seconds of a request, for the histogram.
const LATENCY_BUCKETS: [f64; 11] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Events of a commit, for the histogram.
const BATCH_BUCKETS: [f64; 8] = [1.0, 8.0, 32.0, 100.0, 200.0, 400.0, 700.0, 1_000.0];
/// How often histograms are condensed.
const METRICS_UPKEEP_INTERVAL: Duration = Duration::from_secs(5);
/// Pause before the keeper tries the keys' stream again.
const KEEPER_RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// The secrets that every role with a door needs.
pub(crate) struct Secrets {
    pseudonyms: Pseudonyms,
    pub(crate) kek: Arc<Kek>,
    signing_keys: Option<SigningKeys>,
}

impl Secrets {
    pub(crate) fn read(config: &Config, with_signing: bool) -> anyhow::Result<Self> {
        let (_, pseudonym) = config.pseudonym.read()?.current_owned();
        let signing_keys = if with_signing { Some(SigningKeys::new(config.signing.read()?)) } else { None };
        Ok(Self {
            pseudonyms: Pseudonyms::new(pseudonym),
            kek: Arc::new(Kek::new(&config.kek.read()?)),
            signing_keys,
        })
    }
}

/// Who may come in, and how often.
pub(crate) fn gate(config: &Config, home: &Home, secrets: &Secrets) -> anyhow::Result<Arc<Gate>> {
    let gate = Arc::new(Gate {
        forwarding: config.forwarding.clone(),
        rates: Rates::new(config.rates),
        tokens: TokenVerifier::new(config.auth(home)?, secrets.pseudonyms.clone())?,
        clock: system_clock,
    });
    let forgetful = gate.clone();
    spawn_vital("rates", async move { forgetful.rates.forget().await });
    Ok(gate)
}

pub(crate) fn ingest(
    config: &Config,
    broker: Broker,
    gate: Arc<Gate>,
    secrets: &Secrets,
) -> anyhow::Result<Ingest> {
    let signing_keys = secrets.signing_keys.clone().context("BUG: ingest without signing keys")?;
    let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
    Ok(Ingest::start(broker, gate, secrets.pseudonyms.clone(), signing_keys, keys, config.door.clone()))
}

pub(crate) fn projector(config: &Config, broker: Broker, gate: Arc<Gate>, secrets: &Secrets) -> Projector {
    let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
    Projector::start(broker, gate, secrets.pseudonyms.clone(), keys, config.view.clone(), system_clock)
}

/// The keeper serves until it must not: with the wrong KEK it never begins.
pub(crate) async fn keeper(broker: Broker, kek: &Arc<Kek>) -> anyhow::Result<JoinHandle<()>> {
    let keeper = loop {
        broker.connected().await;
        match Keeper::start(broker.clone(), kek.clone()).await {
            Ok(keeper) => break keeper,
            Err(error @ (vault::KeeperError::WrongKek(_) | vault::KeeperError::BrokenPromise(..))) => {
                return Err(error.into());
            }
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the keeper can't start yet")
            }
        }
        sleep(KEEPER_RETRY_INTERVAL).await;
    };
    Ok(spawn_vital("keeper", keeper.serve()))
}

/// Starts counting. Once per process.
pub(crate) fn metrics() -> anyhow::Result<PrometheusHandle> {
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &LATENCY_BUCKETS)?
        .set_buckets_for_metric(Matcher::Suffix("_batch_events".to_owned()), &BATCH_BUCKETS)?
        .install_recorder()?;
    let condensed = handle.clone();
    spawn_vital("metrics", async move {
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
    ) -> anyhow::Result<Self> {
        let url = format!("http://{}", listener.local_addr()?);
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
        tasks.push(run(listener, around(routes.merge(health_routes(ready, beside))), settings, &stop));
        if let Some(listener) = own_listener {
            tasks.push(run(listener, around(health_routes(Vec::new(), Some(metrics))), settings, &stop));
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
    stop: &CancellationToken,
) -> JoinHandle<()> {
    let stop = stop.clone();
    spawn_vital("http", serve(listener, routes, settings, async move { stop.cancelled().await }))
}
