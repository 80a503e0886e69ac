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

mod address;
mod answering;
mod ask;
mod client;
mod cursor;
mod delivering;
mod endpoint;
mod entries;
mod entry;
mod message;
mod pace;
mod posting;
mod registry;
mod schedule;
mod supervising;
mod target;

use std::path::PathBuf;
use std::sync::Arc;

use events::Changes;
use ipnet::IpNet;
use jetstream::{Broker, KvBucket, Leases, spawn_critical};
use keys::{KeyClient, Pseudonymizer, TokenSealer};
use uuid::Uuid;

use crate::Clock;
use crate::buckets::WorkBucket;
use crate::outgoing::OutgoingError;
use address::Addresses;
use posting::Posting;
use registry::Registry;
use supervising::Supervising;
use target::Targets;

pub use ask::{Added, EndpointStatus, ParkedMessage, Retried, Tested, Told};
pub use client::{FeedAskError, FeedClient};
pub use endpoint::{Disabled, DisabledReason, EndpointId, NotAnEndpointId, UserRefs};
pub use schedule::{NotASchedule, RetrySchedule};

/// How changes are delivered.
#[derive(Debug, Clone, Default)]
pub struct FeedSettings {
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

/// The feed, at work for as long as the process runs.
pub struct Feed {}

impl Feed {
    /// Starts. The broker may still be away.
    pub fn start(
        broker: Broker,
        settings: FeedSettings,
        keys: KeyClient,
        seal: Arc<TokenSealer>,
        pseudonyms: Pseudonymizer,
        clock: Clock,
    ) -> Result<Self, OutgoingError> {
        let addresses = Arc::new(Addresses::new(settings.allow_private));
        let targets = Targets { addresses, insecure_http: settings.insecure_http };
        let link_base = settings.link_base.unwrap_or_default();
        let leases = WorkBucket::Leases.open(broker.clone());
        let means = Arc::new(Means {
            registry: Registry::new(WorkBucket::Endpoints.open(broker.clone())),
            work: WorkBucket::Work.open(broker.clone()),
            leases: Leases::new(leases, Uuid::new_v4().simple().to_string()),
            changes: Changes::over(broker.clone()),
            posting: Posting::new(targets, settings.ca_file.as_deref())?,
            link_base: link_base.trim_end_matches('/').to_owned(),
            schedule: settings.schedule,
            broker,
            keys,
            seal,
            pseudonyms,
            clock,
        });
        spawn_critical("feed's answers", answering::serve(means.clone()));
        spawn_critical("feed's deliveries", Supervising::default().run(means));
        Ok(Self {})
    }
}

/// What delivering and answering take.
struct Means {
    broker: Broker,
    registry: Registry,
    work: KvBucket,
    leases: Leases,
    changes: Changes,
    posting: Posting,
    keys: KeyClient,
    seal: Arc<TokenSealer>,
    pseudonyms: Pseudonymizer,
    link_base: String,
    schedule: RetrySchedule,
    clock: Clock,
}

/// The broker or the keeper can't be reached. Try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the feed's buckets or keys can't be reached")]
struct Unavailable;

/// Randomness for names and jitter. Of a UUID six bits are fixed.
fn random() -> [u8; 16] {
    *Uuid::new_v4().as_bytes()
}
