//! How the projector starts.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::Router;
use events::Log;
use http_edge::{Authenticator, ReadinessCheck};
use jetstream::{Broker, CommitMode};
use keys::{KeyClient, Pseudonymizer};
use runtime::{Clock, spawn_critical};
use tlog::LogVerifier;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::api;
use crate::api::ExportSettings;
use crate::change_publisher::ChangePublisher;
use crate::decrypt::EventDecryptor;
use crate::incident::ProjectorIncident;
use crate::internal_rpc_server::InternalRpcServer;
use crate::jobs::JobRunner;
use crate::log_follower::LogFollower;
use crate::operator::{ActionRecorder, OperatorServer, PageCursors};
use crate::projection::{ParkPolicy, Projection};
use crate::query_service::QueryService;
use crate::serving_view::ServingView;
use crate::view_digest::EntryHasher;

/// What the projector needs beside the broker.
pub struct ProjectorSettings {
    /// Who may read over HTTP.
    pub gate: Arc<Authenticator>,
    /// Names users, and keys the digests of views.
    pub pseudonyms: Pseudonymizer,
    /// Opens events.
    pub keys: KeyClient,
    /// Who vouches for the log.
    pub verifier: LogVerifier,
    /// Where the views are.
    pub views_dir: PathBuf,
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
    pub ready: ReadinessCheck,
    serving_view: Arc<ServingView>,
    incident: oneshot::Receiver<ProjectorIncident>,
}

impl Projector {
    /// Starts following. The broker may still be away: reads are refused until the view is open.
    pub fn start(broker: Broker, settings: ProjectorSettings) -> Self {
        let ProjectorSettings { gate, pseudonyms, keys, verifier, views_dir: folder, exports, clock } =
            settings;
        let shared = Arc::new(ServingView::new(broker.clone()));
        let log = Log::new(broker.clone());
        let digester = EntryHasher::new(pseudonyms.clone());
        let opener = EventDecryptor { keys, pseudonyms: pseudonyms.clone() };
        let feed = Arc::new(ChangePublisher::new(broker.clone(), clock));
        spawn_critical("change publisher", feed.clone().watch_endpoints());
        let follow = LogFollower {
            log: log.clone(),
            projection: Projection {
                log: log.clone(),
                decryptor: opener.clone(),
                entry_hasher: digester.clone(),
                runtime: Handle::current(),
                park_policy: ParkPolicy::All,
                is_collecting_outcomes: true,
                change_publisher: Some(feed.clone()),
            },
            verifier: verifier.clone(),
            serving_view: shared.clone(),
            change_publisher: feed.clone(),
            clock,
            is_consistency_verified: AtomicBool::new(false),
        };
        let (happened, incident) = oneshot::channel();
        spawn_critical("log follower", async move {
            let _ = happened.send(follow.run(&folder).await);
        });
        let reader = Arc::new(QueryService::new(shared.clone(), log.clone(), opener.clone(), verifier));
        let recording = ActionRecorder { appender: log.appender(CommitMode::Grouped), clock };
        let asked = InternalRpcServer {
            broker: broker.clone(),
            queries: reader.clone(),
            change_publisher: feed.clone(),
        };
        spawn_critical("internal RPC server", asked.serve());
        let jobs = Arc::new(JobRunner::new(shared.clone(), log, opener, digester, feed, clock));
        let answering = OperatorServer {
            broker,
            queries: reader.clone(),
            jobs,
            pseudonyms: pseudonyms.clone(),
            action_recorder: recording,
            page_cursors: PageCursors::new(clock),
        };
        spawn_critical("operator server", Arc::new(answering).serve());
        let ready = {
            let shared = shared.clone();
            Arc::new(move || shared.check_ready())
        };
        Self { routes: api::routes(gate, reader, pseudonyms, exports), ready, serving_view: shared, incident }
    }

    /// Returns if something happens that must not.
    pub async fn incident(&mut self) -> ProjectorIncident {
        match (&mut self.incident).await {
            Ok(incident) => incident,
            Err(_) => std::future::pending().await,
        }
    }

    /// Puts everything folded on disk, so that the next start has nothing to fold again.
    pub fn flush(&self) -> Result<(), ProjectorIncident> {
        self.serving_view.view().map_or(Ok(()), |view| view.flush().map_err(ProjectorIncident::from))
    }
}
