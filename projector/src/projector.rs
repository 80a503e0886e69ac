//! How the projector starts.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use edge::{Clock, Gate, ReadyCheck};
use events::Log;
use stream::{Broker, spawn_vital};
use tokio::sync::oneshot;
use vault::{KeyClient, Pseudonyms};

use crate::follow::Follow;
use crate::incident::Incident;
use crate::reader::Reader;
use crate::shared::Shared;
use crate::{api, operator};

/// The projector, running.
pub struct Projector {
    /// What it serves.
    pub routes: Router,
    /// Whether its view has caught up.
    pub ready: ReadyCheck,
    shared: Arc<Shared>,
    incident: oneshot::Receiver<Incident>,
}

impl Projector {
    /// Starts following. The broker may still be away: reads are refused until the view is open.
    pub fn start(
        broker: Broker,
        gate: Arc<Gate>,
        pseudonyms: Pseudonyms,
        keys: KeyClient,
        folder: PathBuf,
        clock: Clock,
    ) -> Self {
        let shared = Arc::new(Shared::new(broker.clone()));
        let log = Log::over(broker.clone());
        let follow = Follow { log: log.clone(), keys: keys.clone(), shared: shared.clone(), clock };
        let (happened, incident) = oneshot::channel();
        spawn_vital("follow", async move {
            let _ = happened.send(follow.run(&folder).await);
        });
        let reader = Arc::new(Reader::new(shared.clone(), log, keys));
        spawn_vital("operator's questions", operator::answer(broker, reader.clone(), pseudonyms));
        let ready = {
            let shared = shared.clone();
            Arc::new(move || shared.ready())
        };
        Self { routes: api::routes(gate, reader), ready, shared, incident }
    }

    /// Returns if something happens that must not.
    pub async fn incident(&mut self) -> Incident {
        match (&mut self.incident).await {
            Ok(incident) => incident,
            Err(_) => std::future::pending().await,
        }
    }

    /// Puts everything folded on disk, so that the next start has nothing to fold again.
    pub fn flush(&self) -> Result<(), Incident> {
        self.shared.view().map_or(Ok(()), |view| view.flush().map_err(Incident::from))
    }
}
