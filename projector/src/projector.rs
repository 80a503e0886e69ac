//! How the projector starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use events::Log;
use http_edge::{Clock, Gate, ReadyCheck};
use jetstream::{Broker, CommitMode, spawn_critical};
use keys::{KeyClient, Pseudonymizer};
use tlog::LogVerifier;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::api;
use crate::api::ExportSettings;
use crate::asked::Asked;
use crate::batch::{Folder, Tolerated};
use crate::digest::Digester;
use crate::feed::Feed;
use crate::follow::Follow;
use crate::incident::Incident;
use crate::jobs::Jobs;
use crate::open::Opener;
use crate::operator::{Answering, Cursors, Recording};
use crate::reader::Reader;
use crate::shared::Shared;

/// What the projector needs beside the broker.
pub struct ProjectorSettings {
    /// Who may read over HTTP.
    pub gate: Arc<Gate>,
    /// Names users, and keys the digests of views.
    pub pseudonyms: Pseudonymizer,
    /// Opens events.
    pub keys: KeyClient,
    /// Who vouches for the log.
    pub verifier: LogVerifier,
    /// Where the views are.
    pub folder: PathBuf,
    /// Where exports are.
    pub exports: ExportSettings,
    /// The time.
    pub clock: Clock,
}

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
    pub fn start(broker: Broker, settings: ProjectorSettings) -> Self {
        let ProjectorSettings { gate, pseudonyms, keys, verifier, folder, exports, clock } = settings;
        let shared = Arc::new(Shared::new(broker.clone()));
        let log = Log::over(broker.clone());
        let digester = Digester::new(pseudonyms.clone());
        let opener = Opener { keys, pseudonyms: pseudonyms.clone() };
        let feed = Arc::new(Feed::new(broker.clone(), clock));
        spawn_critical("change feed", feed.clone().watch());
        let follow = Follow {
            log: log.clone(),
            folder: Folder {
                log: log.clone(),
                opener: opener.clone(),
                digester: digester.clone(),
                runtime: Handle::current(),
                tolerated: Tolerated::All,
                tells: true,
                feed: Some(feed.clone()),
            },
            verifier: verifier.clone(),
            shared: shared.clone(),
            feed: feed.clone(),
            clock,
            is_vouched_for: AtomicBool::new(false),
        };
        let (happened, incident) = oneshot::channel();
        spawn_critical("follow", async move {
            let _ = happened.send(follow.run(&folder).await);
        });
        let reader = Arc::new(Reader::new(shared.clone(), log.clone(), opener.clone(), verifier));
        let recording = Recording { appender: log.appender(CommitMode::Grouped), clock };
        let asked = Asked { broker: broker.clone(), reader: reader.clone(), feed: feed.clone() };
        spawn_critical("other roles' questions", asked.serve());
        let jobs = Arc::new(Jobs::new(shared.clone(), log, opener, digester, feed, clock));
        let answering = Answering {
            broker,
            reader: reader.clone(),
            jobs,
            pseudonyms: pseudonyms.clone(),
            recording,
            cursors: Cursors::new(clock),
        };
        spawn_critical("operator's questions", Arc::new(answering).serve());
        let ready = {
            let shared = shared.clone();
            Arc::new(move || shared.ready())
        };
        Self { routes: api::routes(gate, reader, pseudonyms, exports), ready, shared, incident }
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
