//! Health, metrics and the API's description: what is served without a token.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;

/// Says why something is not ready, or nothing.
pub type ReadinessCheck = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

const OPENAPI: &str = include_str!("../../../schemas/openapi.json");

/// `GET /livez`, `/readyz` and `/openapi.json`; `/metrics` where a handle is given.
pub fn health_routes(checks: Vec<ReadinessCheck>, metrics: Option<PrometheusHandle>) -> Router {
    let checks: Arc<[ReadinessCheck]> = checks.into();
    let mut router = Router::new()
        .route("/livez", get(async || "ok\n"))
        .route("/readyz", get(async move || readiness_response(&checks)))
        .route("/openapi.json", get(async || ([(header::CONTENT_TYPE, "application/json")], OPENAPI)));
    if let Some(metrics) = metrics {
        let render = async move || {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
        };
        router = router.route("/metrics", get(render));
    }
    router
}

fn readiness_response(checks: &[ReadinessCheck]) -> Response {
    let reasons: Vec<_> = checks.iter().filter_map(|check| check().err()).collect();
    if reasons.is_empty() {
        return "ready\n".into_response();
    }
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", reasons.join("; "))).into_response()
}
