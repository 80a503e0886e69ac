//! `GET /v1/connections` and `GET /v1/connections/{connection_id}`.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http_edge::Scope;
use keys::ConnectionId;

use super::{Api, PathText, not_found, refuse};

const SCOPES: [Scope; 2] = [Scope::SyncRead, Scope::AccountManage];

pub(super) async fn get_connections(State(api): State<Api>, request: Request) -> Response {
    api.answer(request, &SCOPES, async |caller, _| {
        api.reader.connections(caller.user).await.map(Json).map_err(|error| refuse(&error))
    })
    .await
}

pub(super) async fn get_connection(State(api): State<Api>, id: PathText, request: Request) -> Response {
    api.answer(request, &SCOPES, async |caller, _| {
        let id: Option<ConnectionId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("connection"))?;
        let found = api.reader.connection(caller.user, id).await.map_err(|error| refuse(&error))?;
        found.map(|(connection, _)| Json(connection)).ok_or_else(|| not_found("connection"))
    })
    .await
}
