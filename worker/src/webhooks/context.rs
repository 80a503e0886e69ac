//! Dependencies of the webhook delivery and of its admin server.

use std::sync::Arc;

use events::ChangeFeed;
use jetstream::{Broker, KvBucket, Leases};
use keys::{KeyClient, Pseudonymizer, TokenSealer};
use runtime::Clock;
use uuid::Uuid;

use super::endpoint_store::EndpointStore;
use super::http_sender::HttpSender;
use super::retry_schedule::RetrySchedule;

/// Dependencies of the delivery and of the admin server.
pub(super) struct WebhookContext {
    pub(super) broker: Broker,
    pub(super) endpoints: EndpointStore,
    pub(super) work_bucket: KvBucket,
    pub(super) leases: Leases,
    pub(super) changes: ChangeFeed,
    pub(super) sender: HttpSender,
    pub(super) keys: KeyClient,
    pub(super) seal: Arc<TokenSealer>,
    pub(super) pseudonyms: Pseudonymizer,
    pub(super) link_base: String,
    pub(super) schedule: RetrySchedule,
    pub(super) clock: Clock,
}

/// Random bytes for names and jitter. Six bits are fixed, as in every UUID.
pub(super) fn random_bytes() -> [u8; 16] {
    *Uuid::new_v4().as_bytes()
}
