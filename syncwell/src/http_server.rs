//! The HTTP server of a role, with its health and metrics routes.

use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::middleware::from_fn;
use http_edge::{
    ApiError, HttpServerSettings, ReadinessCheck, ServerTls, access_log_middleware, health_routes,
    raise_file_limit, serve,
};
use metrics_exporter_prometheus::PrometheusHandle;
use runtime::spawn_critical;
use schemas::ProblemCode;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::exit_code::UsageError;

/// A running HTTP server.
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

    /// Stops accepting and waits for the requests in progress.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for task in self.tasks {
            // A critical task: a panic in it would have ended the process.
            let _ = task.await;
        }
    }
}

/// Adds the access log, and an answer for paths that do not exist.
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
