//! `GET /v1/events/{event_id}` and `GET /v1/events/{event_id}/proof`.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http_edge::Scope;
use schemas::EventId;

use super::errors::{not_found, to_api_error};
use super::path_parameter::RawPathParameter;
use super::state::ApiState;

/// `GET /v1/events/{event_id}`.
pub(super) async fn get_event(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let event = api.queries.event(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        event.map(Json).ok_or_else(|| not_found("event"))
    })
    .await
}

/// `GET /v1/events/{event_id}/proof`.
pub(super) async fn get_proof(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &[Scope::SyncRead, Scope::SyncWrite], async |caller, _| {
        let id: Option<EventId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("event"))?;
        let proof = api.queries.proof(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        // axum names the type: text/plain; charset=utf-8.
        proof.map(|proof| proof.to_text()).ok_or_else(|| not_found("event"))
    })
    .await
}
