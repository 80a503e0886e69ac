//! Starts ingest: background tasks, routes and the readiness check.

use std::sync::Arc;

use axum::Router;
use http_edge::{Authenticator, ReadinessCheck};
use jetstream::Broker;
use keys::{AccessIndexRecorder, KeyClient, Pseudonymizer, SigningKeys};

use crate::routes::routes;
use crate::state::{IngestSettings, IngestState};

/// A running ingest.
pub struct Ingest {
    /// Its routes.
    pub routes: Router,
    /// Whether it can accept requests.
    pub ready: ReadinessCheck,
    /// Still has records to write after the server has stopped: flush it last.
    pub access_index: AccessIndexRecorder,
}

impl Ingest {
    /// Starts the background tasks. The broker may be unreachable: requests are refused until it is connected.
    pub fn start(
        broker: Broker,
        authenticator: Arc<Authenticator>,
        pseudonyms: Pseudonymizer,
        signing_keys: SigningKeys,
        data_keys: KeyClient,
        access_index: AccessIndexRecorder,
        settings: IngestSettings,
    ) -> Self {
        let state = IngestState::start(
            broker,
            authenticator,
            pseudonyms,
            signing_keys,
            data_keys,
            access_index.clone(),
            settings,
        );
        let ready = {
            let state = state.clone();
            Arc::new(move || state.check_ready())
        };
        Self { routes: routes(state), ready, access_index }
    }
}
