//! The routes of ingest.

use std::sync::Arc;

use axum::Router;
use http::Method;
use http_edge::{ApiRoutes, Operation};

use crate::handlers::connections::{
    authorize_connection, delete_connection, post_connection, reauth_connection,
};
use crate::handlers::device_reports::post_device_report;
use crate::handlers::devices::{delete_device, post_device};
use crate::handlers::erasures::{cancel_erasure, post_erasure};
use crate::handlers::exports::post_export;
use crate::handlers::summaries::post_summary;
use crate::handlers::webhooks::{receive_webhook, receive_webhook_with_secret};
use crate::state::IngestState;

pub(crate) fn routes(state: Arc<IngestState>) -> Router {
    api().into_router().with_state(state)
}

/// The operations that ingest serves.
pub fn api_operations() -> Vec<Operation> {
    api().operations().to_vec()
}

fn api() -> ApiRoutes<Arc<IngestState>> {
    ApiRoutes::new()
        .route(Method::POST, "/v1/summaries", post_summary)
        .route(Method::POST, "/v1/devices", post_device)
        .route(Method::DELETE, "/v1/devices/{device_id}", delete_device)
        .route(Method::POST, "/v1/device-reports", post_device_report)
        .route(Method::POST, "/v1/connections", post_connection)
        .route(Method::DELETE, "/v1/connections/{connection_id}", delete_connection)
        .route(Method::POST, "/v1/connections/{connection_id}/authorize", authorize_connection)
        .route(Method::POST, "/v1/connections/{connection_id}/reauth", reauth_connection)
        .route(Method::POST, "/v1/exports", post_export)
        .route(Method::POST, "/v1/erasures", post_erasure)
        .route(Method::POST, "/v1/erasures/{erasure_id}/cancel", cancel_erasure)
        .route(Method::GET, "/v1/webhooks/{provider}", receive_webhook)
        .route(Method::HEAD, "/v1/webhooks/{provider}", receive_webhook)
        .route(Method::POST, "/v1/webhooks/{provider}", receive_webhook)
        .route(Method::GET, "/v1/webhooks/{provider}/{secret}", receive_webhook_with_secret)
        .route(Method::HEAD, "/v1/webhooks/{provider}/{secret}", receive_webhook_with_secret)
        .route(Method::POST, "/v1/webhooks/{provider}/{secret}", receive_webhook_with_secret)
}
