//! The change feed's deliveries: signed webhooks to receivers that operators registered, after Standard Webhooks 1.0.0.
//!
//! ```text
//! CHANGES ──▶ delivering, under a lease per endpoint ──▶ receiver
//!               │  cursor.<endpoint>: all before it is settled
//!               └─ retry.<endpoint>.<change>: what was not taken; waits, and after 3 days is parked
//! ```
//!
//! | module | what |
//! |---|---|
//! | `endpoint`, `registry` | who is registered, and the secrets derived for each |
//! | `message`, `schedule`, `entry`, `pace` | what is told, and when again (pure) |
//! | `address`, `target`, `posting` | where it may go, and one attempt |
//! | `cursor`, `entries`, `delivering`, `supervising` | who is told what, each at least once |
//! | `ask`, `client`, `answering` | what operators ask |
//!
//! A message has the same id and body at every attempt, so a receiver that sees one twice can tell.

mod admin;
mod allowed_ips;
mod context;
mod cursor;
mod delivery;
mod endpoint;
mod endpoint_store;
mod error;
mod http_sender;
mod message;
mod retry_entry;
mod retry_queue;
mod retry_schedule;
mod ssrf_guard;
mod supervisor;
mod throttle;

use std::path::PathBuf;
use std::sync::Arc;

use events::ChangeFeed;
use ipnet::IpNet;
use jetstream::Broker;
use keys::{KeyClient, Pseudonymizer, TokenSealer};

use crate::http_client::HttpClientError;
use crate::kv_buckets::Buckets;
use allowed_ips::AllowedIps;
use context::WebhookContext;
use endpoint_store::EndpointStore;
use http_sender::HttpSender;
use runtime::{Clock, spawn_critical};
use ssrf_guard::SsrfGuard;
use supervisor::DeliverySupervisor;

pub use crate::webhooks::admin::client::{WebhookAdminClient, WebhookAdminError};
pub use crate::webhooks::admin::protocol::{
    AddEndpointResponse, EndpointStatus, ParkedMessage, ProjectorAck, RetryParkedSummary,
    TestEndpointResponse,
};
pub use endpoint::{DisabledReason, DisabledState, EndpointId, ParseEndpointIdError, UserRefMode};
pub use retry_schedule::{InvalidRetrySchedule, RetrySchedule};

/// How changes are delivered.
#[derive(Debug, Clone, Default)]
pub struct WebhookSettings {
    /// Receivers may be there, though it is not public.
    pub allow_private: Vec<IpNet>,
    /// Receivers that are allowed by `allow_private` may be spoken to in clear.
    pub insecure_http: bool,
    /// What links begin with, like `https://api.example`; without it they begin with the path.
    pub link_base: Option<String>,
    /// A private authority of receivers.
    pub ca_file: Option<PathBuf>,
    /// When a message is sent again.
    pub schedule: RetrySchedule,
}

/// Starts the deliveries and their admin server, which run as long as the process. The broker may still be away.
pub(crate) fn start(
    broker: Broker,
    buckets: &Buckets,
    settings: WebhookSettings,
    keys: KeyClient,
    seal: Arc<TokenSealer>,
    pseudonyms: Pseudonymizer,
    clock: Clock,
) -> Result<(), HttpClientError> {
    let addresses = Arc::new(AllowedIps::new(settings.allow_private));
    let targets = SsrfGuard { allowed_ips: addresses, insecure_http: settings.insecure_http };
    let link_base = settings.link_base.unwrap_or_default();
    let means = Arc::new(WebhookContext {
        endpoints: EndpointStore::new(buckets.endpoints.clone()),
        work_bucket: buckets.work.clone(),
        leases: buckets.leases.clone(),
        changes: ChangeFeed::new(broker.clone()),
        sender: HttpSender::new(targets, settings.ca_file.as_deref())?,
        link_base: link_base.trim_end_matches('/').to_owned(),
        schedule: settings.schedule,
        broker,
        keys,
        seal,
        pseudonyms,
        clock,
    });
    spawn_critical("webhook admin server", admin::server::serve(means.clone()));
    spawn_critical("webhook delivery supervisor", DeliverySupervisor::default().run(means));
    Ok(())
}
