//! Authentication, and the checks of account and device.

use http_edge::{AccessLogFields, ApiError, Caller, Scope};
use keys::{DeviceId, KeyHolder, UserRef};
use schemas::ProblemCode;

use crate::api_errors::log_unavailable;
use crate::request::RequestParts;
use crate::state::IngestState;

impl IngestState {
    /// Checks rate limits, token and scope, and that the account is not erased.
    pub(crate) async fn authenticate(
        &self,
        asked: &RequestParts,
        scope: Scope,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticate_including_erased(asked, scope, observed).await?;
        self.check_not_erased(&caller.user)?;
        Ok(caller)
    }

    /// Checks rate limits, token, scope and device. Records the access in the index that break-glass reads.
    pub(crate) async fn authenticate_including_erased(
        &self,
        asked: &RequestParts,
        scope: Scope,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticator.authenticate(asked.peer_address, &asked.headers, &[scope]).await?;
        observed.user = Some(caller.user);
        if let Some(device) = caller.device {
            self.check_device_not_revoked(&caller.user, device)?;
        }
        if let Some(id) = &asked.correlation_id {
            self.access_index.record(caller.user, id.as_str(), (self.clock)());
        }
        Ok(caller)
    }

    /// Refuses a revoked device. Refuses every device while the revoked ones are not known.
    pub(crate) fn check_device_not_revoked(&self, user: &UserRef, device: DeviceId) -> Result<(), ApiError> {
        match self.revoked_devices.is_revoked(user, device) {
            Some(false) => Ok(()),
            Some(true) => {
                Err(ApiError::new(ProblemCode::KeyRevoked, "The device was revoked. Enrol a new one."))
            }
            None => Err(ApiError::new(
                ProblemCode::LogUnavailable,
                "Nothing was stored: whether the device was revoked can't be told now. Send the same bytes again.",
            )),
        }
    }

    /// Refuses a user whose erasure has begun. Refuses every user while the erased ones are not known.
    pub(crate) fn check_not_erased(&self, user: &UserRef) -> Result<(), ApiError> {
        if self.erased_users.erasure_of(user).is_some() {
            return Err(ApiError::account_erased());
        }
        self.erased_users.check_ready().map_err(log_unavailable)
    }

    /// If the operator rejects compromised devices: refuses a device that reported a compromised system, and every device
    /// while the reports are not known.
    pub(crate) fn check_device_not_compromised(
        &self,
        user: &UserRef,
        holder: KeyHolder,
    ) -> Result<(), ApiError> {
        if !self.settings.reject_compromised_devices {
            return Ok(());
        }
        match self.compromised_devices.is_compromised(user, holder) {
            Some(false) => Ok(()),
            Some(true) => {
                let detail =
                    "The device reported that its system is compromised. Report again once it is not.";
                Err(ApiError::new(ProblemCode::DeviceCompromised, detail))
            }
            None => Err(ApiError::new(
                ProblemCode::LogUnavailable,
                "Nothing was stored: whether the device is compromised can't be told now. Send the same bytes again.",
            )),
        }
    }
}
