//! Devices that were revoked, as every ingest knows them.
//!
//! The list is fetched at start and asked for again every few seconds, so a device that is revoked anywhere is refused
//! everywhere within a minute; where the list is older than that, a device's signature can't be accepted at all.

use std::collections::HashSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stream::{Broker, RequestError, spawn_vital};
use tokio::time::sleep;

use crate::UserRef;
use crate::key_client::KeysAnswer;
use crate::own_id::DeviceId;

/// Between two questions for what is new.
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// Between two questions that were not answered.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// A list that is older than this can't be relied on.
const AGE_MAX: Duration = Duration::from_secs(60);

/// Where the keeper is asked for the list.
pub(crate) const REVOKED_SUBJECT: &str = "keys.v1.revoked";

/// A device to be revoked; the user ref stands in the subject.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RevokeRequest {
    pub(crate) device: String,
}

/// What was revoked behind this position.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RevokedRequest {
    pub(crate) after: u64,
}

/// The list. Clones share it.
#[derive(Clone)]
pub struct Revocations {
    broker: Broker,
    list: Arc<RwLock<List>>,
}

#[derive(Default)]
struct List {
    devices: HashSet<(UserRef, DeviceId)>,
    position: u64,
    as_of: Option<Instant>,
}

impl Revocations {
    /// Begins to keep the list up.
    pub fn start(broker: Broker) -> Self {
        let revocations = Self { broker, list: Arc::default() };
        spawn_vital("revocations", revocations.clone().follow());
        revocations
    }

    /// Whether the device was revoked; `None` where that can't be told now.
    pub fn is_revoked(&self, user: &UserRef, device: DeviceId) -> Option<bool> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        if list.devices.contains(&(*user, device)) {
            return Some(true);
        }
        list.as_of.is_some_and(|as_of| as_of.elapsed() < AGE_MAX).then_some(false)
    }

    /// Says why no device's signature can be accepted yet, or nothing. Whoever has begun stays ready while the keeper
    /// is away: posts that the user's default key signed need no list.
    pub fn check(&self) -> Result<(), String> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.as_of.map(drop).ok_or_else(|| "which devices were revoked is not known yet".to_owned())
    }

    /// Revokes a device: here at once, elsewhere when the list is asked for again. Again is as good as once.
    pub async fn revoke(&self, user: &UserRef, device: DeviceId) -> Result<(), RequestError> {
        let request = RevokeRequest { device: device.to_string() };
        match self.ask(format!("keys.v1.revoke.{user}"), &request).await? {
            KeysAnswer::Done => {
                self.list.write().unwrap_or_else(PoisonError::into_inner).devices.insert((*user, device));
                Ok(())
            }
            KeysAnswer::Records(_)
            | KeysAnswer::Erased
            | KeysAnswer::Unavailable
            | KeysAnswer::Revoked { .. }
            | KeysAnswer::Rings(_) => Err(RequestError::Unavailable),
        }
    }

    async fn follow(self) {
        loop {
            let pause = match self.catch_up().await {
                Ok(()) => ASK_INTERVAL,
                Err(_) => RETRY_INTERVAL,
            };
            sleep(pause).await;
        }
    }

    /// Page by page until nothing is new.
    async fn catch_up(&self) -> Result<(), RequestError> {
        loop {
            let asked_at = Instant::now();
            let after = self.list.read().unwrap_or_else(PoisonError::into_inner).position;
            let answer = self.ask(REVOKED_SUBJECT.to_owned(), &RevokedRequest { after }).await?;
            let KeysAnswer::Revoked { devices, last } = answer else {
                return Err(RequestError::Unavailable);
            };
            let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
            let is_all = devices.is_empty();
            for (user, device) in devices {
                if let (Ok(user), Ok(device)) = (user.parse(), device.parse()) {
                    list.devices.insert((user, device));
                }
            }
            list.position = last;
            if is_all {
                list.as_of = Some(asked_at);
                return Ok(());
            }
        }
    }

    async fn ask(&self, subject: String, request: &impl Serialize) -> Result<KeysAnswer, RequestError> {
        let request = serde_json::to_vec(request).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(subject, request.into()).await?;
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unavailable)
    }
}
