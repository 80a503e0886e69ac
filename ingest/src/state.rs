//! The state that the handlers share, its settings, and its start.

use std::sync::Arc;
use std::time::Duration;

use events::{Log, LogAppender};
use http_edge::Authenticator;
use jetstream::{Broker, CommitMode};
use keys::{
    AccessIndexRecorder, CompromisedDevices, ErasedUsers, KeyClient, Pseudonymizer, RevokedDevices,
    SigningKeys,
};
use runtime::Clock;
use schemas::SummaryBounds;
use uuid::Uuid;

use crate::log_health::LogHealth;
use crate::outcome_waiters::OutcomeWaiters;
use crate::provider_settings::ProviderSettings;
use crate::webhook_receivers::WebhookReceivers;

/// What operators can set.
#[derive(Debug, Clone)]
pub struct IngestSettings {
    /// How far a signed timestamp may be from the server's time, either way, in seconds.
    pub timestamp_window_seconds: u64,
    /// How long a post waits for its outcome unless it says otherwise.
    pub outcome_wait: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// The accepted values.
    pub bounds: SummaryBounds,
    /// How events are committed.
    pub commit: CommitMode,
    /// Whether a phone that reported a compromised system may post no summaries.
    pub reject_compromised_devices: bool,
    /// How long after an export the next may be asked for.
    pub export_interval_min: Duration,
    /// How long an erasure can be taken back.
    pub erasure_grace_period: Duration,
    /// Which providers users can connect to, and which send here.
    pub providers: ProviderSettings,
}

/// State of ingest: what the handlers share.
pub struct IngestState {
    pub(crate) authenticator: Arc<Authenticator>,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) data_keys: KeyClient,
    pub(crate) revoked_devices: RevokedDevices,
    pub(crate) compromised_devices: CompromisedDevices,
    pub(crate) erased_users: ErasedUsers,
    pub(crate) webhook_receivers: WebhookReceivers,
    pub(crate) access_index: AccessIndexRecorder,
    pub(crate) broker: Broker,
    pub(crate) log_appender: LogAppender,
    pub(crate) log_health: LogHealth,
    pub(crate) outcome_waiters: OutcomeWaiters,
    pub(crate) settings: IngestSettings,
    pub(crate) clock: Clock,
}

impl IngestState {
    /// Starts the background tasks. The broker may be unreachable: requests are refused until it is connected.
    pub(crate) fn start(
        broker: Broker,
        authenticator: Arc<Authenticator>,
        pseudonyms: Pseudonymizer,
        signing_keys: SigningKeys,
        data_keys: KeyClient,
        access_index: AccessIndexRecorder,
        settings: IngestSettings,
    ) -> Arc<Self> {
        let log = Log::new(broker.clone());
        let log_health = LogHealth::start(log.clone());
        let revoked_devices = RevokedDevices::start(broker.clone());
        let compromised_devices = if settings.reject_compromised_devices {
            CompromisedDevices::start(broker.clone())
        } else {
            CompromisedDevices::new(broker.clone())
        };
        let erased_users = ErasedUsers::start(broker.clone(), data_keys.clone());
        let webhook_receivers = WebhookReceivers::start(broker.clone(), &settings.providers);
        let outcome_waiters = OutcomeWaiters::start(broker.clone(), Uuid::new_v4().as_u128());
        let log_appender = log.appender(settings.commit);
        let clock = authenticator.clock;
        Arc::new(Self {
            authenticator,
            pseudonyms,
            signing_keys,
            data_keys,
            revoked_devices,
            compromised_devices,
            erased_users,
            webhook_receivers,
            access_index,
            broker,
            log_appender,
            log_health,
            outcome_waiters,
            settings,
            clock,
        })
    }

    /// `Err` says why nothing can be accepted yet.
    pub(crate) fn check_ready(&self) -> Result<(), String> {
        self.log_health.check_available()?;
        self.revoked_devices.check_ready()?;
        self.erased_users.check_ready()?;
        if self.settings.reject_compromised_devices { self.compromised_devices.check_ready() } else { Ok(()) }
    }
}
