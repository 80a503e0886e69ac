//! `POST /v1/devices` and `DELETE /v1/devices/{device_id}`: a device is given a signing key, and loses it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use events::{DeviceEnrolled, DeviceRevoked, EventHeader, EventKind};
use http::{StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification};
use keys::{DeviceId, KeyHolder};
use schemas::{EnrolRequest, EnrolledDevice, ProblemCode};

use crate::api_errors::body_error;
use crate::append::NewAccountEvent;
use crate::request::{PathId, RequestParts, respond_with_access_log};
use crate::state::IngestState;

/// Bytes of an enrolment's body.
const BODY_BYTES_MAX: usize = 1_024;

pub(crate) async fn post_device(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.enrol_device(&asked, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

pub(crate) async fn delete_device(
    State(door): State<Arc<IngestState>>,
    id: PathId,
    request: Request,
) -> Response {
    let (asked, _) = RequestParts::from_request(request);
    let mut observed = AccessLogFields::default();
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let answered = door.revoke_device(&asked, id, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn enrol_device(
        &self,
        asked: &RequestParts,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate(asked, Scope::DeviceEnroll, observed).await?;
        let device = match EnrolRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?
            .device_id
        {
            None => {
                let device = DeviceId::new(&self.pseudonyms, &caller.user);
                check_token_device(&caller, device)?;
                device
            }
            Some(id) => {
                let device = self.own_device(&caller, id.parse().ok())?;
                check_token_device(&caller, device)?;
                self.check_key_renewal(&caller, asked, body, device, observed)?;
                device
            }
        };
        observed.verification = Verification::Passed;
        let key_id = self.signing_keys.current_id(KeyHolder::Device(device));
        let key = self.signing_keys.key(&caller.user, key_id);
        let key = key.unwrap_or_else(|| unreachable!("BUG: the version that is given out is held"));
        let enrolled = DeviceEnrolled { device, key_id, token_id: caller.token_id.clone() };
        self.append_device_event(&caller, EventKind::DeviceEnrolledV1, observed, |head, data_key| {
            enrolled.seal(head, data_key)
        })
        .await?;
        let answer = EnrolledDevice {
            device_id: device.to_string(),
            key_id: key_id.to_string(),
            signing_key_hex: key.to_hex().to_string(),
        };
        // The key is shown once: nothing on the way may keep it.
        Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
    }

    async fn revoke_device(
        &self,
        asked: &RequestParts,
        device: Option<DeviceId>,
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate(asked, Scope::DeviceEnroll, observed).await?;
        let device = self.own_device(&caller, device)?;
        check_token_device(&caller, device)?;
        observed.verification = Verification::Passed;
        // First what keeps the device out, then the event that tells of it: whoever sees an error asks again.
        self.revoked_devices.revoke(&caller.user, device).await.map_err(|_| {
            ApiError::new(
                ProblemCode::LogUnavailable,
                "The device may not be revoked yet. Send the same request again.",
            )
        })?;
        let revoked = DeviceRevoked { device, token_id: caller.token_id.clone() };
        self.append_device_event(&caller, EventKind::DeviceRevokedV1, observed, |head, data_key| {
            revoked.seal(head, data_key)
        })
        .await?;
        Ok(StatusCode::NO_CONTENT.into_response())
    }

    /// A device that has a key gets the next one by signing for it with the one it has: a key is shown once, and never
    /// to whoever merely holds a token.
    fn check_key_renewal(
        &self,
        caller: &Caller,
        asked: &RequestParts,
        body: &[u8],
        device: DeviceId,
        observed: &mut AccessLogFields,
    ) -> Result<(), ApiError> {
        let signed = self.verify_signature(caller, &asked.headers, body, observed)?;
        if signed.signing_key.holder() != KeyHolder::Device(device) {
            let detail = "The device's own key must sign for its next one.";
            return Err(ApiError::new(ProblemCode::InvalidSignature, detail));
        }
        let newest = self.signing_keys.current_id(KeyHolder::Device(device));
        if signed.signing_key.version() >= newest.version() {
            return Err(ApiError::new(ProblemCode::InvalidRequest, "The device has the newest key already."));
        }
        Ok(())
    }

    /// A name that was given to a device of this caller; told from any other without a look-up.
    fn own_device(&self, caller: &Caller, device: Option<DeviceId>) -> Result<DeviceId, ApiError> {
        device
            .filter(|device| device.is_owned_by(&self.pseudonyms, &caller.user))
            .ok_or_else(|| ApiError::new(ProblemCode::NotFound, "There is no device of yours here."))
    }

    /// Appends an event about a device, and waits a while until it is folded.
    async fn append_device_event(
        &self,
        caller: &Caller,
        kind: EventKind,
        observed: &mut AccessLogFields,
        seal: impl FnOnce(&EventHeader, &keys::DataKey) -> Vec<u8>,
    ) -> Result<(), ApiError> {
        let event = NewAccountEvent::new(kind, (self.clock)(), self.settings.outcome_wait);
        self.append_account_event(caller.user, event, observed, seal).await.map(drop)
    }
}

/// A token that is for one device is for no other.
fn check_token_device(caller: &Caller, device: DeviceId) -> Result<(), ApiError> {
    if caller.device.is_none_or(|own| own == device) {
        return Ok(());
    }
    Err(ApiError::new(ProblemCode::InsufficientScope, "The token is for one device, and not for this one."))
}
