//! The routes of ingest.

use std::sync::Arc;

use axum::Router;
use axum::routing::{MethodFilter, delete, on, post};

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

/// HTTP methods that providers use to call a webhook.
const WEBHOOK_METHODS: MethodFilter = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::POST);

pub(crate) fn routes(state: Arc<IngestState>) -> Router {
    Router::new()
        .route("/v1/summaries", post(post_summary))
        .route("/v1/devices", post(post_device))
        .route("/v1/devices/{device_id}", delete(delete_device))
        .route("/v1/device-reports", post(post_device_report))
        .route("/v1/connections", post(post_connection))
        .route("/v1/connections/{connection_id}", delete(delete_connection))
        .route("/v1/connections/{connection_id}/authorize", post(authorize_connection))
        .route("/v1/connections/{connection_id}/reauth", post(reauth_connection))
        .route("/v1/exports", post(post_export))
        .route("/v1/erasures", post(post_erasure))
        .route("/v1/erasures/{erasure_id}/cancel", post(cancel_erasure))
        .route("/v1/webhooks/{provider}", on(WEBHOOK_METHODS, receive_webhook))
        .route("/v1/webhooks/{provider}/{secret}", on(WEBHOOK_METHODS, receive_webhook_with_secret))
        .with_state(state)
}
