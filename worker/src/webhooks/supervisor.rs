//! Who delivers to which endpoint, and what is left of those that were removed.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jetstream::LeaseError;
use runtime::spawn_critical;
use tokio::time::sleep;

use super::context::WebhookContext;
use super::delivery::EndpointDelivery;
use super::endpoint::{Endpoint, EndpointId, EndpointSecrets};
use super::error::WebhookStoreUnavailable;
use crate::lease_renewal::{LEASE_TTL, run_while_held};

/// Between two looks at the endpoints.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Keys of one look at what is left.
const PAGE_ENTRIES_MAX: usize = 500;

#[derive(Default)]
pub(super) struct DeliverySupervisor {
    /// Endpoints that this process delivers to.
    in_flight: Arc<Mutex<BTreeSet<EndpointId>>>,
    /// Endpoints that there were at the last look; before the first one nothing is known.
    last_seen: Option<BTreeSet<EndpointId>>,
    /// Endpoints whose secret is gone, which is told once.
    without_secret: BTreeSet<EndpointId>,
}

impl DeliverySupervisor {
    /// Goes on for as long as the process runs.
    pub(super) async fn run(mut self, means: Arc<WebhookContext>) {
        loop {
            means.broker.wait_connected().await;
            // What can't be reached now is looked at again.
            let _ = self.poll(&means).await;
            sleep(POLL_INTERVAL).await;
        }
    }

    async fn poll(&mut self, means: &Arc<WebhookContext>) -> Result<(), WebhookStoreUnavailable> {
        let registered = means.endpoints.all().await?;
        metrics::gauge!("syncwell_feed_endpoints").set(registered.ids.len() as f64);
        let there: BTreeSet<_> = registered.ids.into_iter().collect();
        let is_left = |id: &EndpointId| !there.contains(id) && !lock(&self.in_flight).contains(id);
        match &self.last_seen {
            // What another worker left that was killed before it could tidy up.
            None => remove_orphans(means, is_left).await?,
            Some(known) if known.iter().any(is_left) => remove_orphans(means, is_left).await?,
            Some(_) => {}
        }
        // Those that are still in hand are looked at again.
        let in_hand = lock(&self.in_flight).clone();
        self.last_seen = Some(there.union(&in_hand).copied().collect());
        for endpoint in registered.endpoints {
            if endpoint.disabled.is_none() && !in_hand.contains(&endpoint.id) {
                self.start_delivery(means, endpoint).await?;
            }
        }
        Ok(())
    }

    /// Delivers to an endpoint from now on, where nobody else does.
    async fn start_delivery(
        &mut self,
        means: &Arc<WebhookContext>,
        endpoint: Endpoint,
    ) -> Result<(), WebhookStoreUnavailable> {
        let Some(secrets) = EndpointSecrets::derive(&endpoint, &means.seal) else {
            if self.without_secret.insert(endpoint.id) {
                tracing::error!(
                    endpoint = %endpoint.id, secret_version = endpoint.secret_version,
                    "the version of the worker's secret is gone that an endpoint's is derived from; nothing is delivered to it"
                );
            }
            return Ok(());
        };
        let lease = match means.leases.acquire(&format!("feed.{}", endpoint.id), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held) => return Ok(()),
            Err(LeaseError::Unavailable) => return Err(WebhookStoreUnavailable),
        };
        let (id, in_hand, means) = (endpoint.id, self.in_flight.clone(), means.clone());
        lock(&in_hand).insert(id);
        spawn_critical("webhook endpoint delivery", async move {
            run_while_held(lease, async {
                // What could not be reached is tried again by whoever takes the lease next.
                if let Ok(delivering) = EndpointDelivery::load(means, endpoint, secrets).await {
                    let _ = delivering.run().await;
                }
            })
            .await;
            lock(&in_hand).remove(&id);
        });
        Ok(())
    }
}

/// Removes cursors and messages of endpoints that are no more. An endpoint is registered before anything is written for it,
/// and no id is given twice: whatever has no endpoint when it was found never has one again.
async fn remove_orphans(
    means: &WebhookContext,
    is_left: impl Fn(&EndpointId) -> bool,
) -> Result<(), WebhookStoreUnavailable> {
    let mut position = 0;
    loop {
        let entries = means.work_bucket.entries_after(position, PAGE_ENTRIES_MAX).await?;
        let Some(last) = entries.last() else { return Ok(()) };
        position = last.revision;
        let left = entries
            .iter()
            .filter_map(|entry| Some((parse_endpoint_id(&entry.key).filter(&is_left)?, entry.revision)));
        let left: Vec<_> = left.collect();
        let ids: BTreeSet<_> = left.iter().map(|(id, _)| *id).collect();
        let mut gone = BTreeSet::new();
        for id in ids {
            if !means.endpoints.contains(id).await? {
                gone.insert(id);
            }
        }
        for (_, revision) in left.iter().filter(|(id, _)| gone.contains(id)) {
            // Somebody else may be sweeping too.
            let _ = means.work_bucket.secure_delete(*revision).await;
        }
    }
}

fn parse_endpoint_id(key: &str) -> Option<EndpointId> {
    let mut parts = key.split('.');
    match parts.next()? {
        "cursor" | "retry" => parts.next()?.parse().ok(),
        _ => None,
    }
}

/// Nothing that holds the lock can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_a_key_is() {
        let id = EndpointId::from_bytes([1; 16]);
        for (key, of) in [
            (format!("cursor.{id}"), Some(id)),
            (format!("retry.{id}.4711"), Some(id)),
            ("position".to_owned(), None),
            ("cursor.somebody".to_owned(), None),
            (format!("other.{id}"), None),
        ] {
            assert_eq!(parse_endpoint_id(&key), of, "{key}");
        }
    }
}
