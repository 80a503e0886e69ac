//! `GET /v1/devices` and `GET /v1/devices/{device_id}`.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http_edge::Scope;
use keys::DeviceId;

use super::{Api, PathText, not_found, refuse};

const SCOPES: [Scope; 2] = [Scope::SyncRead, Scope::DeviceEnroll];

pub(super) async fn get_devices(State(api): State<Api>, request: Request) -> Response {
    api.answer(request, &SCOPES, async |caller, _| {
        api.reader.devices(caller.user).await.map(Json).map_err(|error| refuse(&error))
    })
    .await
}

pub(super) async fn get_device(State(api): State<Api>, id: PathText, request: Request) -> Response {
    api.answer(request, &SCOPES, async |caller, _| {
        let id: Option<DeviceId> = id.ok().and_then(|Path(id)| id.parse().ok());
        let id = id.ok_or_else(|| not_found("device"))?;
        let device = api.reader.device(caller.user, id).await.map_err(|error| refuse(&error))?;
        device.map(Json).ok_or_else(|| not_found("device"))
    })
    .await
}
