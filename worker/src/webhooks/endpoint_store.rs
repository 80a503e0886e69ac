//! The endpoints in their bucket. A bucket that is empty tells the projector that nobody wants to know, so what is removed
//! or replaced is destroyed.

use jetstream::{AppendError, KvBucket, KvEntry};
use jiff::Timestamp;

use super::endpoint::{DisabledReason, DisabledState, Endpoint, EndpointId};
use super::error::WebhookStoreUnavailable;

/// Entries of one look at the bucket.
const PAGE_ENTRIES_MAX: usize = 100;
/// How many endpoints there may be: each is looked at all the time.
pub(super) const ENDPOINTS_MAX: usize = 100;
/// How often a write is tried again that somebody else's came before.
const UPDATE_ATTEMPTS_MAX: usize = 8;

/// The endpoints.
#[derive(Clone)]
pub(super) struct EndpointStore(KvBucket);

/// What stands in the bucket.
#[derive(Default)]
pub(super) struct StoredEndpoints {
    /// Every key, whether it can be read or not.
    pub(super) ids: Vec<EndpointId>,
    pub(super) endpoints: Vec<Endpoint>,
}

impl EndpointStore {
    pub(super) fn new(bucket: KvBucket) -> Self {
        Self(bucket)
    }

    /// Every endpoint, in the order in which they were written last.
    pub(super) async fn all(&self) -> Result<StoredEndpoints, WebhookStoreUnavailable> {
        let (mut registered, mut position) = (StoredEndpoints::default(), 0);
        loop {
            let entries = self.0.entries_after(position, PAGE_ENTRIES_MAX).await?;
            let Some(last) = entries.last() else { return Ok(registered) };
            position = last.revision;
            for (id, endpoint) in
                entries.iter().filter_map(|entry| Some((entry.key.parse().ok()?, decode_or_log(entry))))
            {
                // Of two writes the later one counts.
                registered.ids.retain(|known| *known != id);
                registered.endpoints.retain(|known| known.id != id);
                registered.ids.push(id);
                registered.endpoints.extend(endpoint);
            }
        }
    }

    pub(super) async fn get(&self, id: EndpointId) -> Result<Option<Endpoint>, WebhookStoreUnavailable> {
        Ok(self.0.get(&id.to_string()).await?.as_ref().and_then(decode_or_log))
    }

    /// Whether anything stands there, readable or not.
    pub(super) async fn contains(&self, id: EndpointId) -> Result<bool, WebhookStoreUnavailable> {
        Ok(self.0.get(&id.to_string()).await?.is_some())
    }

    pub(super) async fn add(&self, endpoint: &Endpoint) -> Result<(), WebhookStoreUnavailable> {
        self.0.put(&endpoint.id.to_string(), endpoint.encode(), 0, None).await?;
        Ok(())
    }

    /// Says whether it was there.
    pub(super) async fn remove(&self, id: EndpointId) -> Result<bool, WebhookStoreUnavailable> {
        let mut was_there = false;
        // Under a write that a killed worker had replaced the older one may still stand.
        while let Some(entry) = self.0.get(&id.to_string()).await? {
            self.0.secure_delete(entry.revision).await?;
            was_there = true;
        }
        Ok(was_there)
    }

    /// Where it is disabled or removed already, that stays as it is.
    pub(super) async fn disable(
        &self,
        id: EndpointId,
        reason: DisabledReason,
        at: Timestamp,
    ) -> Result<(), WebhookStoreUnavailable> {
        for _ in 0..UPDATE_ATTEMPTS_MAX {
            let Some(entry) = self.0.get(&id.to_string()).await? else { return Ok(()) };
            let Some(mut endpoint) = decode_or_log(&entry).filter(|endpoint| endpoint.disabled.is_none())
            else {
                return Ok(());
            };
            endpoint.disabled = Some(DisabledState { at, reason });
            match self.0.put(&entry.key, endpoint.encode(), entry.revision, None).await {
                Ok(_) => {
                    // Where that fails the later write counts all the same.
                    let _ = self.0.secure_delete(entry.revision).await;
                    return Ok(());
                }
                Err(AppendError::Conflict) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(WebhookStoreUnavailable)
    }
}

fn decode_or_log(entry: &KvEntry) -> Option<Endpoint> {
    let endpoint = Endpoint::decode(&entry.value).filter(|endpoint| endpoint.id.to_string() == entry.key);
    if endpoint.is_none() {
        tracing::error!(
            endpoint = entry.key,
            "INCIDENT: an endpoint's record can't be read; nothing is delivered to it"
        );
    }
    endpoint
}
