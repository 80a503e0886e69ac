//! `GET /v1/connections` and `GET /v1/connections/{connection_id}`.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http_edge::Scope;
use keys::ConnectionId;

use super::errors::{not_found, to_api_error};
use super::path_parameter::RawPathParameter;
use super::state::ApiState;

const SCOPES: [Scope; 2] = [Scope::SyncRead, Scope::AccountManage];

pub(super) async fn get_connections(State(api): State<ApiState>, request: Request) -> Response {
    api.authenticate_and_run(request, &SCOPES, async |caller, _| {
        api.queries.connections(caller.user).await.map(Json).map_err(|error| to_api_error(&error))
    })
    .await
}

pub(super) async fn get_connection(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &SCOPES, async |caller, _| {
        let id: Option<ConnectionId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("connection"))?;
        let found = api.queries.connection(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        found.map(|(connection, _)| Json(connection)).ok_or_else(|| not_found("connection"))
    })
    .await
}
