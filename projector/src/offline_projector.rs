//! Views without a projector: folded by a command while none runs, or for an auditor who believes nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use events::{Log, LogConsumerName, LogError, LogState};
use jetstream::Broker;
use keys::{KeyClient, Pseudonymizer};
use runtime::{Clock, run_blocking};
use schemas::Sequence;
use tlog::TreeHead;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::build_progress::{BuildProgress, BuildProgressReport};
use crate::decrypt::EventDecryptor;
use crate::jobs::{known_parked_sequences, open_build_view};
use crate::projection::{ParkPolicy, Projection};
use crate::view::{View, ViewError};
use crate::view_builder::{BuildError, ViewBuilder};
use crate::view_digest::{EntryHasher, ViewDigest};
use crate::view_registry::ViewRegistry;

/// Why a view was not folded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OfflineError(#[from] OfflineErrorKind);

#[derive(Debug, thiserror::Error)]
enum OfflineErrorKind {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("no view is kept that could serve again")]
    NoKeptView,
    #[error("the log ends at {0}")]
    BeyondLogEnd(u64),
    #[error("the views in {} can't be set aside", .0.display())]
    SetAside(PathBuf, #[source] std::io::Error),
}

/// Folds views with the projector's credentials and keys.
pub struct OfflineProjector {
    log: Log,
    builder: ViewBuilder,
    clock: Clock,
}

/// A view that was folded.
#[derive(Debug, Clone)]
pub struct BuiltView {
    /// Its number among the views; of one that was folded for an answer only, none.
    pub view: Option<u32>,
    /// The tree over everything folded.
    pub tree: TreeHead,
    /// What the view is.
    pub digest: ViewDigest,
    /// Where the views of before were moved, where they were of no use.
    pub set_aside: Option<PathBuf>,
}

impl OfflineProjector {
    /// The connection must be the projector's.
    pub fn new(broker: Broker, keys: KeyClient, pseudonyms: Pseudonymizer, clock: Clock) -> Self {
        let log = Log::new(broker);
        let folder = Projection {
            log: log.clone(),
            decryptor: EventDecryptor { keys, pseudonyms: pseudonyms.clone() },
            entry_hasher: EntryHasher::new(pseudonyms),
            runtime: Handle::current(),
            park_policy: ParkPolicy::All,
            is_collecting_outcomes: false,
            change_publisher: None,
        };
        let builder = ViewBuilder {
            projection: folder,
            reader: LogConsumerName::Shadow,
            progress: Arc::new(BuildProgress::default()),
            cancel: CancellationToken::new(),
        };
        Self { log, builder, clock }
    }

    /// How far it is.
    pub fn progress(&self) -> BuildProgressReport {
        self.builder.progress.report()
    }

    /// Folds a view anew and has it serve from the next start on. Views that no list names, or of a log that is not this
    /// one, are set aside.
    pub async fn rebuild(
        &self,
        folder: &Path,
        fresh: bool,
        park_new: bool,
    ) -> Result<BuiltView, OfflineError> {
        Ok(self.rebuild_inner(folder, fresh, park_new).await?)
    }

    async fn rebuild_inner(
        &self,
        folder: &Path,
        fresh: bool,
        park_new: bool,
    ) -> Result<BuiltView, OfflineErrorKind> {
        let state = self.log.open().await?;
        let now = (self.clock)();
        let (views, set_aside) = match ViewRegistry::open(folder) {
            Ok(views) => (views, None),
            Err(ViewError::VersionMismatch { .. }) => {
                let aside = ViewRegistry::set_aside(folder, now)
                    .map_err(|error| OfflineErrorKind::SetAside(folder.to_owned(), error))?;
                (ViewRegistry::open(folder)?, aside)
            }
            Err(error) => return Err(error.into()),
        };
        let builder = self.builder_with_park_policy(&views, &state, park_new);
        let (number, view) = {
            let open = |number| views.open_view(number, &state, now);
            open_build_view(&views, fresh, open)?
        };
        if let Some(last) = state.last {
            builder.advance_to(&view, last).await?;
        }
        view.flush()?;
        views.switch(number)?;
        Ok(BuiltView { view: Some(number), set_aside, ..built_view(&view) })
    }

    /// What the view that served knew of is put aside; without such a view, everything is.
    fn builder_with_park_policy(
        &self,
        views: &ViewRegistry,
        state: &LogState,
        park_new: bool,
    ) -> ViewBuilder {
        let mut builder = self.builder.clone();
        let serving = views.list().serving;
        if !park_new
            && views.view_dir(serving).exists()
            && let Ok(serving) = views.open_view(serving, state, (self.clock)())
        {
            builder.projection.park_policy = ParkPolicy::Known(Arc::new(known_parked_sequences(&serving)));
        }
        builder
    }

    /// Has the view that served before serve from the next start on.
    pub fn roll_back(&self, folder: &Path) -> Result<u32, OfflineError> {
        let views = ViewRegistry::open(folder).map_err(OfflineErrorKind::from)?;
        let switched = views.roll_back().map_err(OfflineErrorKind::from)?;
        Ok(switched.ok_or(OfflineErrorKind::NoKeptView)?)
    }

    /// Folds the log up to a sequence into a view of its own, which goes away again. Puts every poison aside.
    pub async fn build_up_to(
        &self,
        folder: &Path,
        last: Option<Sequence>,
    ) -> Result<BuiltView, OfflineError> {
        let state = self.log.open().await.map_err(OfflineErrorKind::from)?;
        if last > state.last {
            return Err(OfflineErrorKind::BeyondLogEnd(state.last.map_or(0, Sequence::get)).into());
        }
        let (folder, now) = (folder.to_owned(), (self.clock)());
        let opened = run_blocking(move || View::open_temporary(&folder, &state, now)).await;
        let view = Arc::new(opened.map_err(OfflineErrorKind::from)?);
        if let Some(last) = last {
            self.builder.advance_to(&view, last).await.map_err(OfflineErrorKind::from)?;
        }
        Ok(built_view(&view))
    }
}

fn built_view(view: &View) -> BuiltView {
    let head = view.head();
    BuiltView { view: None, tree: head.tree, digest: head.digest, set_aside: None }
}
