//! What the door is made of, and how it starts.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::{delete, post};
use edge::{Gate, ReadyCheck};
use events::{Log, LogAppender};
use schemas::Bounds;
use stream::{Broker, Commit};
use uuid::Uuid;
use vault::{Index, KeyClient, Pseudonyms, Revocations, SigningKeys};

use crate::devices::{delete_device, post_device};
use crate::log_watch::LogWatch;
use crate::outcomes::Outcomes;
use crate::post::post_summary;

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
    pub commit: Commit,
}

/// Everything that a post needs.
pub struct Door {
    pub(crate) gate: Arc<Gate>,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) signing_keys: SigningKeys,
    pub(crate) data_keys: KeyClient,
    pub(crate) revocations: Revocations,
    pub(crate) index: Index,
    pub(crate) log: LogAppender,
    pub(crate) log_watch: LogWatch,
    pub(crate) outcomes: Outcomes,
    pub(crate) settings: DoorSettings,
}

/// The door, open.
pub struct Ingest {
    /// Its routes.
    pub routes: Router,
    /// Whether it can accept.
    pub ready: ReadyCheck,
    /// What is still to be written when the routes are served no more.
    pub index: Index,
}

impl Ingest {
    /// Starts what works in the background. The broker may still be away: posts are refused until it is there.
    pub fn start(
        broker: Broker,
        gate: Arc<Gate>,
        pseudonyms: Pseudonyms,
        signing_keys: SigningKeys,
        data_keys: KeyClient,
        index: Index,
        settings: DoorSettings,
    ) -> Self {
        let log = Log::over(broker.clone());
        let log_watch = LogWatch::start(log.clone());
        let revocations = Revocations::start(broker.clone());
        let outcomes = Outcomes::start(broker, Uuid::new_v4().as_u128());
        let appender = log.appender(settings.commit);
        let to_flush = index.clone();
        let door = Arc::new(Door {
            gate,
            pseudonyms,
            signing_keys,
            data_keys,
            revocations,
            index,
            log: appender,
            log_watch,
            outcomes,
            settings,
        });
        let ready = {
            let (watch, revocations) = (door.log_watch.clone(), door.revocations.clone());
            Arc::new(move || watch.check().and_then(|()| revocations.check()))
        };
        let routes = Router::new()
            .route("/v1/summaries", post(post_summary))
            .route("/v1/devices", post(post_device))
            .route("/v1/devices/{device_id}", delete(delete_device))
            .with_state(door);
        Self { routes, ready, index: to_flush }
    }
}
