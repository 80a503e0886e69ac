//! Health, metrics and the OpenAPI document: served without a token.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use http::{Method, StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::api_routes::{ApiRoutes, Operation};

/// Returns `Err` with the reason if something is not ready.
pub type ReadinessCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

const OPENAPI: &str = include_str!("../../../schemas/openapi.json");

/// `GET /livez`, `/readyz` and `/openapi.json`; also `/metrics` if a handle is given.
pub fn health_routes(checks: Vec<ReadinessCheck>, metrics: Option<PrometheusHandle>) -> Router {
    let routes = probe_routes(checks);
    match metrics {
        Some(metrics) => with_metrics(routes, move || metrics.render()),
        None => routes,
    }
    .into_router()
}

/// The operations of [`health_routes`] with metrics.
pub fn health_operations() -> Vec<Operation> {
    with_metrics(probe_routes(Vec::new()), String::new).operations().to_vec()
}

fn probe_routes(checks: Vec<ReadinessCheck>) -> ApiRoutes {
    let checks: Arc<[ReadinessCheck]> = checks.into();
    ApiRoutes::new()
        .route(Method::GET, "/livez", async || "ok\n")
        .route(Method::GET, "/readyz", async move || readiness_response(&checks))
        .route(Method::GET, "/openapi.json", async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI))
}

fn with_metrics(routes: ApiRoutes, render: impl Fn() -> String + Clone + Send + Sync + 'static) -> ApiRoutes {
    routes.route(Method::GET, "/metrics", async move || {
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], render())
    })
}

fn readiness_response(checks: &[ReadinessCheck]) -> Response {
    let reasons: Vec<_> = checks.iter().filter_map(|check| check().err()).collect();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; "))).into_response()
}
