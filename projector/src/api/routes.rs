//! Routes of the read API.

use std::sync::Arc;

use axum::Router;
use http::Method;
use http_edge::{ApiRoutes, Authenticator, Operation};
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
    let state = ApiState { gate, queries: reader, pseudonyms, export_store: objects, link_base, is_tls };
    api().into_router().with_state(state)
}

/// The operations that the projector serves.
pub fn api_operations() -> Vec<Operation> {
    api().operations().to_vec()
}

fn api() -> ApiRoutes<ApiState> {
    ApiRoutes::new()
        .route(Method::GET, "/v1/summaries", rows::get_rows)
        .route(Method::GET, "/v1/summaries/{date}", rows::get_row)
        .route(Method::GET, "/v1/summaries/{date}/history", rows::get_history)
        .route(Method::GET, "/v1/events/{event_id}", events::get_event)
        .route(Method::GET, "/v1/events/{event_id}/proof", events::get_proof)
        .route(Method::GET, "/v1/devices", devices::get_devices)
        .route(Method::GET, "/v1/devices/{device_id}", devices::get_device)
        .route(Method::GET, "/v1/connections", connections::get_connections)
        .route(Method::GET, "/v1/connections/{connection_id}", connections::get_connection)
        .route(Method::GET, "/v1/erasures/{erasure_id}", erasures::get_erasure)
        .route(Method::GET, "/v1/exports/{export_id}", exports::get_export)
        .route(Method::GET, "/v1/exports/{export_id}/download", exports::get_export_download)
}
