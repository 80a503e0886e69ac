//! Answers about a connection.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use http_edge::ApiError;
use keys::ConnectionId;
use schemas::{ConnectionDocument, ProblemCode};

/// Refuses a connection whose revocation was requested.
pub(super) fn check_connection_open(connection: &ConnectionDocument) -> Result<(), ApiError> {
    if connection.status.is_open() {
        return Ok(());
    }
    let detail = "The connection is being revoked, or was. Begin a new one.";
    Err(ApiError::new(ProblemCode::WrongStatus, detail))
}

/// 202: the outcome is not known yet. Returns the connection as it is now, and its address.
pub(super) fn accepted_response(id: ConnectionId, connection: &ConnectionDocument) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, connection_location(id))], Json(connection)).into_response()
}

pub(super) fn connection_location(id: ConnectionId) -> HeaderValue {
    let location = format!("/v1/connections/{id}");
    location.parse().unwrap_or_else(|_| unreachable!("BUG: a connection's id is ASCII"))
}
