//! What the door is made of, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{MethodFilter, delete, on, post};
use events::{Log, LogAppender};
use http_edge::{Gate, ReadyCheck};
use jetstream::{Broker, CommitMode};
use keys::{CompromisedDevices, ErasedUsers, AccessIndexRecorder, KeyClient, Pseudonymizer, RevokedDevices, SigningKeys};
use schemas::Bounds;
use uuid::Uuid;

use crate::connections::{authorize_connection, delete_connection, post_connection, reauth_connection};
use crate::device_reports::post_device_report;
use crate::devices::{delete_device, post_device};
use crate::erasures::{cancel_erasure, post_erasure};
use crate::exports::post_export;
use crate::log_watch::LogWatch;
use crate::outcomes::Outcomes;
use crate::post::post_summary;
use crate::provider_settings::ProviderSettings;
use crate::webhooks::{Hooks, webhook, webhook_with_secret};

/// What providers use.
const WEBHOOK_METHODS: MethodFilter = MethodFilter::GET.or(MethodFilter::HEAD).or(MethodFilter::POST);

/// What operators can set.
#[derive(Debug, Clone)]
pub struct DoorSettings {
    /// How far a signed timestamp may be from the server's time, either way, in seconds.
    pub timestamp_window_seconds: u64,
    /// How long a post waits for its outcome unless it says otherwise.
    pub wait: Duration,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// The accepted values.
    pub bounds: Bounds,
    /// How events are committed.
    pub commit: CommitMode,
    /// Whether a phone that reported a compromised system may post no summaries.
    pub refuse_compromised: bool,
    /// How long after an export the next may be asked for.
    pub export_pause: Duration,
    /// How long an erasure can be taken back.
    pub erasure_grace: Duration,
    /// Which providers users can connect to, and which send here.
    pub providers: ProviderSettings,
}

/// Everything that a post needs.
pub struct Door {
    pub(crate) gate: Arc<Gate>,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) data_keys: KeyClient,
    pub(crate) revocations: RevokedDevices,
    pub(crate) compromised: CompromisedDevices,
    pub(crate) erasing: ErasedUsers,
    pub(crate) hooks: Hooks,
    pub(crate) index: AccessIndexRecorder,
    pub(crate) broker: Broker,
    pub(crate) log: LogAppender,
    pub(crate) log_watch: LogWatch,
    pub(crate) outcomes: Outcomes,
    pub(crate) settings: DoorSettings,
}

impl Door {
    /// Says why nothing can be accepted yet, or nothing.
    fn check_ready(&self) -> Result<(), String> {
        self.log_watch.check()?;
        self.revocations.check_ready()?;
        self.erasing.check_ready()?;
        if self.settings.refuse_compromised { self.compromised.check_ready() } else { Ok(()) }
    }
}

/// The door, open.
pub struct Ingest {
    /// Its routes.
    pub routes: Router,
    /// Whether it can accept.
    pub ready: ReadyCheck,
    /// What is still to be written when the routes are served no more.
    pub index: AccessIndexRecorder,
}

impl Ingest {
    /// Starts what works in the background. The broker may still be away: posts are refused until it is there.
    pub fn start(
        broker: Broker,
        gate: Arc<Gate>,
        pseudonyms: Pseudonymizer,
        signing_keys: SigningKeys,
        data_keys: KeyClient,
        index: AccessIndexRecorder,
        settings: DoorSettings,
    ) -> Self {
        let log = Log::over(broker.clone());
        let log_watch = LogWatch::start(log.clone());
        let revocations = RevokedDevices::start(broker.clone());
        let compromised = if settings.refuse_compromised {
            CompromisedDevices::start(broker.clone())
        } else {
            CompromisedDevices::new(broker.clone())
        };
        let erasing = ErasedUsers::start(broker.clone(), data_keys.clone());
        let hooks = Hooks::start(broker.clone(), &settings.providers);
        let outcomes = Outcomes::start(broker.clone(), Uuid::new_v4().as_u128());
        let appender = log.appender(settings.commit);
        let to_flush = index.clone();
        let door = Arc::new(Door {
            gate,
            pseudonyms,
            signing_keys,
            data_keys,
            revocations,
            compromised,
            erasing,
            hooks,
            index,
            broker,
            log: appender,
            log_watch,
            outcomes,
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
            .route("/v1/webhooks/{provider}", on(WEBHOOK_METHODS, webhook))
            .route("/v1/webhooks/{provider}/{secret}", on(WEBHOOK_METHODS, webhook_with_secret))
            .with_state(door);
        Self { routes, ready, index: to_flush }
    }
}
