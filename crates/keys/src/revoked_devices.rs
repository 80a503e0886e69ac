//! Devices that were revoked, as every ingest knows them ([`crate::flagged_holders`]). Where the list is too old, a device's
//! signature can't be accepted at all.

use jetstream::{Broker, RequestError};

use crate::UserRef;
use crate::flagged_holders::FlaggedHolders;
use crate::protocol::{LIST_REVOKED_SUBJECT, REVOKE_DEVICE_PREFIX, RevokeDeviceRequest};
use crate::resource_id::DeviceId;
use crate::signing_keys::KeyHolder;

/// The list. Clones share it.
#[derive(Clone)]
pub struct RevokedDevices(FlaggedHolders);

impl RevokedDevices {
    /// Begins to keep the list up.
    pub fn start(broker: Broker) -> Self {
        let list = FlaggedHolders::new(broker, LIST_REVOKED_SUBJECT);
        list.start_refresh("revoked devices");
        Self(list)
    }

    /// Whether the device was revoked; `None` where that can't be told now.
    pub fn is_revoked(&self, user: &UserRef, device: DeviceId) -> Option<bool> {
        self.0.is_flagged(user, KeyHolder::Device(device))
    }

    /// Says why no device's signature can be accepted yet, or nothing. Whoever has begun stays ready while the keeper
    /// is away: posts that the user's default key signed need no list.
    pub fn check_ready(&self) -> Result<(), String> {
        if self.0.is_loaded() {
            Ok(())
        } else {
            Err("which devices were revoked is not known yet".to_owned())
        }
    }

    /// Revokes a device: here at once, elsewhere when the list is asked for again. Again is as good as once.
    pub async fn revoke(&self, user: &UserRef, device: DeviceId) -> Result<(), RequestError> {
        let request = RevokeDeviceRequest { device: device.to_string() };
        let subject = format!("{REVOKE_DEVICE_PREFIX}{user}");
        self.0.request_flag_change(subject, &request, (user, KeyHolder::Device(device)), true).await
    }
}
