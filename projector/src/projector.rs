//! How the projector starts, and what its parts share.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, RwLock};

use axum::Router;
use edge::{Clock, Gate, ReadyCheck};
use events::Log;
use schemas::Sequence;
use stream::{Broker, spawn_vital};
use tokio::sync::oneshot;
use vault::{KeyClient, Pseudonyms};

use crate::follow::{Follow, has_caught_up};
use crate::incident::Incident;
use crate::view::View;
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

/// What reading and following share.
pub(crate) struct Shared {
    view: OnceLock<Arc<View>>,
    /// The log's end when following began: behind it, a view has caught up.
    target: RwLock<Option<Option<Sequence>>>,
    broker: Broker,
}

impl Shared {
    pub(crate) fn view(&self) -> Option<Arc<View>> {
        self.view.get().cloned()
    }

    pub(crate) fn set_view(&self, view: Arc<View>) -> Arc<View> {
        self.view.get_or_init(|| view).clone()
    }

    pub(crate) fn set_target(&self, last: Option<Sequence>) {
        *self.target.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(last);
    }

    fn ready(&self) -> Result<(), String> {
        if !self.broker.is_connected() {
            return Err("the log can't be reached".to_owned());
        }
        let target = *self.target.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let (Some(view), Some(target)) = (self.view(), target) else {
            return Err("the view is not open yet".to_owned());
        };
        let position = view.position();
        if has_caught_up(position, target) {
            return Ok(());
        }
        let number = |sequence: Option<Sequence>| sequence.map_or(0, Sequence::get);
        Err(format!("the view stands at {} of {}", number(position), number(target)))
    }
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
        let shared =
            Arc::new(Shared { view: OnceLock::new(), target: RwLock::new(None), broker: broker.clone() });
        let log = Log::over(broker.clone());
        let follow = Follow { log: log.clone(), keys: keys.clone(), shared: shared.clone(), clock };
        let (happened, incident) = oneshot::channel();
        spawn_vital("follow", async move {
            let _ = happened.send(follow.run(&folder).await);
        });
        let reader = Arc::new(api::Reader { shared: shared.clone(), log, keys, gate });
        spawn_vital("operator's questions", operator::answer(broker, reader.clone(), pseudonyms));
        let ready = {
            let shared = shared.clone();
            Arc::new(move || shared.ready())
        };
        Self { routes: api::routes(reader), ready, shared, incident }
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
