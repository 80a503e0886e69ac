//! Routes of the read API.

use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use http_edge::Authenticator;
use keys::Pseudonymizer;

use super::state::{ApiState, ExportSettings};
use super::{connections, devices, erasures, events, exports, rows};
use crate::query_service::QueryService;

pub(crate) fn routes(
    gate: Arc<Authenticator>,
    reader: Arc<QueryService>,
    pseudonyms: Pseudonymizer,
    exports: ExportSettings,
) -> Router {
    let ExportSettings { export_store: objects, link_base, is_tls } = exports;
    Router::new()
        .route("/v1/summaries", get(rows::get_rows))
        .route("/v1/summaries/{date}", get(rows::get_row))
        .route("/v1/summaries/{date}/history", get(rows::get_history))
        .route("/v1/events/{event_id}", get(events::get_event))
        .route("/v1/events/{event_id}/proof", get(events::get_proof))
        .route("/v1/devices", get(devices::get_devices))
        .route("/v1/devices/{device_id}", get(devices::get_device))
        .route("/v1/connections", get(connections::get_connections))
        .route("/v1/connections/{connection_id}", get(connections::get_connection))
        .route("/v1/erasures/{erasure_id}", get(erasures::get_erasure))
        .route("/v1/exports/{export_id}", get(exports::get_export))
        .route("/v1/exports/{export_id}/download", get(exports::get_export_download))
        .with_state(ApiState { gate, queries: reader, pseudonyms, export_store: objects, link_base, is_tls })
}
