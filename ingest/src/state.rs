//! What the door is made of, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodFilter, delete, on, post};
use events::{Log, LogAppender};
use http_edge::{Authenticator, ReadinessCheck};
use jetstream::{Broker, CommitMode};
use keys::{
    AccessIndexRecorder, CompromisedDevices, ErasedUsers, KeyClient, Pseudonymizer, RevokedDevices,
    SigningKeys,
};
use schemas::SummaryBounds;
use uuid::Uuid;

use crate::handlers::connections::{
    authorize_connection, delete_connection, post_connection, reauth_connection,
};
use crate::handlers::device_reports::post_device_report;
use crate::handlers::devices::{delete_device, post_device};
use crate::handlers::erasures::{cancel_erasure, post_erasure};
use crate::handlers::exports::post_export;
use crate::handlers::summaries::post_summary;
use crate::handlers::webhooks::{WebhookReceivers, receive_webhook, receive_webhook_with_secret};
use crate::log_health::LogHealth;
use crate::outcome_waiters::OutcomeWaiters;
use crate::provider_settings::ProviderSettings;

/// What providers use.
const WEBHOOK_METHODS: MethodFilter = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::POST);

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

/// Everything that a post needs.
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
}

impl IngestState {
    /// Says why nothing can be accepted yet, or nothing.
    fn check_ready(&self) -> Result<(), String> {
        self.log_health.check_available()?;
        self.revoked_devices.check_ready()?;
        self.erased_users.check_ready()?;
        if self.settings.reject_compromised_devices { self.compromised_devices.check_ready() } else { Ok(()) }
    }
}

/// The door, open.
pub struct Ingest {
    /// Its routes.
    pub routes: Router,
    /// Whether it can accept.
    pub ready: ReadinessCheck,
    /// What is still to be written when the routes are served no more.
    pub access_index: AccessIndexRecorder,
}

impl Ingest {
    /// Starts what works in the background. The broker may still be away: posts are refused until it is there.
    pub fn start(
        broker: Broker,
        gate: Arc<Authenticator>,
        pseudonyms: Pseudonymizer,
        signing_keys: SigningKeys,
        data_keys: KeyClient,
        index: AccessIndexRecorder,
        settings: IngestSettings,
    ) -> Self {
        let log = Log::new(broker.clone());
        let log_watch = LogHealth::start(log.clone());
        let revocations = RevokedDevices::start(broker.clone());
        let compromised = if settings.reject_compromised_devices {
            CompromisedDevices::start(broker.clone())
        } else {
            CompromisedDevices::new(broker.clone())
        };
        let erasing = ErasedUsers::start(broker.clone(), data_keys.clone());
        let hooks = WebhookReceivers::start(broker.clone(), &settings.providers);
        let outcomes = OutcomeWaiters::start(broker.clone(), Uuid::new_v4().as_u128());
        let appender = log.appender(settings.commit);
        let to_flush = index.clone();
        let door = Arc::new(IngestState {
            authenticator: gate,
            pseudonyms,
            signing_keys,
            data_keys,
            revoked_devices: revocations,
            compromised_devices: compromised,
            erased_users: erasing,
            webhook_receivers: hooks,
            access_index: index,
            broker,
            log_appender: appender,
            log_health: log_watch,
            outcome_waiters: outcomes,
            settings,
        });
        let ready = {
            let door = door.clone();
            Arc::new(move || door.check_ready())
        };
        let routes = Router::new()
            .route("/v1/summaries", post(post_summary))
            .route("/v1/devices", post(post_device))
            .route("/v1/devices/{device_id}", delete(delete_device))
            .route("/v1/device-reports", post(post_device_report))
            .route("/v1/connections", post(post_connection))
            .route("/v1/connections/{connection_id}", delete(delete_connection))
            .route("/v1/connections/{connection_id}/authorize", post(authorize_connection))
            .route("/v1/connections/{connection_id}/reauth", post(reauth_connection))
            .route("/v1/exports", post(post_export))
            .route("/v1/erasures", post(post_erasure))
            .route("/v1/erasures/{erasure_id}/cancel", post(cancel_erasure))
            .route("/v1/webhooks/{provider}", on(WEBHOOK_METHODS, receive_webhook))
            .route("/v1/webhooks/{provider}/{secret}", on(WEBHOOK_METHODS, receive_webhook_with_secret))
            .with_state(door);
        Self { routes, ready, access_index: to_flush }
    }
}
