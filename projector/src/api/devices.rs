//! `GET /v1/devices` and `GET /v1/devices/{device_id}`.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http_edge::Scope;
use keys::DeviceId;

use super::errors::{not_found, to_api_error};
use super::path_parameter::RawPathParameter;
use super::state::ApiState;

const SCOPES: [Scope; 2] = [Scope::SyncRead, Scope::DeviceEnroll];

pub(super) async fn get_devices(State(api): State<ApiState>, request: Request) -> Response {
    api.authenticate_and_run(request, &SCOPES, async |caller, _| {
        api.queries.devices(caller.user).await.map(Json).map_err(|error| to_api_error(&error))
    })
    .await
}

pub(super) async fn get_device(
    State(api): State<ApiState>,
    id: RawPathParameter,
    request: Request,
) -> Response {
    api.authenticate_and_run(request, &SCOPES, async |caller, _| {
        let id: Option<DeviceId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("device"))?;
        let device = api.queries.device(caller.user, id).await.map_err(|error| to_api_error(&error))?;
        device.map(Json).ok_or_else(|| not_found("device"))
    })
    .await
}
