//! Views without a projector: folded by a command while none runs, or for an auditor who believes nobody.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use events::{Log, LogError, LogReader, LogState};
use http_edge::Clock;
use jetstream::Broker;
use keys::{KeyClient, Pseudonymizer};
use schemas::Sequence;
use tlog::TreeHead;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::batch::{Folder, Tolerated};
use crate::blocking::blocking;
use crate::build::{BuildError, Builder};
use crate::digest::{Digester, ViewDigest};
use crate::jobs::{begin, known_poison};
use crate::open::Opener;
use crate::progress::{Progress, ProgressReport};
use crate::view::{View, ViewError};
use crate::views::Views;

/// Why a view was not folded.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct OfflineError(#[from] OfflineFailure);

#[derive(Debug, thiserror::Error)]
enum OfflineFailure {
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error("no view is kept that could serve again")]
    NothingKept,
    #[error("the log ends at {0}")]
    BeyondTheLog(u64),
    #[error("the views in {} can't be set aside", .0.display())]
    SetAside(PathBuf, #[source] std::io::Error),
}

/// Folds views with the projector's credentials and keys.
pub struct Offline {
    log: Log,
    builder: Builder,
    clock: Clock,
}

/// A view that was folded.
#[derive(Debug, Clone)]
pub struct Folded {
    /// Its number among the views; of one that was folded for an answer only, none.
    pub view: Option<u32>,
    /// The tree over everything folded.
    pub tree: TreeHead,
    /// What the view is.
    pub digest: ViewDigest,
    /// Where the views of before were moved, where they were of no use.
    pub set_aside: Option<PathBuf>,
}

impl Offline {
    /// The connection must be the projector's.
    pub fn new(broker: Broker, keys: KeyClient, pseudonyms: Pseudonymizer, clock: Clock) -> Self {
        let log = Log::over(broker);
        let folder = Folder {
            log: log.clone(),
            opener: Opener { keys, pseudonyms: pseudonyms.clone() },
            digester: Digester::new(pseudonyms),
            runtime: Handle::current(),
            tolerated: Tolerated::All,
            tells: false,
            feed: None,
        };
        let builder = Builder {
            folder,
            reader: LogReader::Shadow,
            progress: Arc::new(Progress::default()),
            cancel: CancellationToken::new(),
        };
        Self { log, builder, clock }
    }

    /// How far it is.
    pub fn progress(&self) -> ProgressReport {
        self.builder.progress.report()
    }

    /// Folds a view anew and has it serve from the next start on. Views that no list names, or of a log that is not this
    /// one, are set aside.
    pub async fn rebuild(&self, folder: &Path, fresh: bool, park_new: bool) -> Result<Folded, OfflineError> {
        Ok(self.rebuild_inner(folder, fresh, park_new).await?)
    }

    async fn rebuild_inner(
        &self,
        folder: &Path,
        fresh: bool,
        park_new: bool,
    ) -> Result<Folded, OfflineFailure> {
        let state = self.log.open().await?;
        let now = (self.clock)();
        let (views, set_aside) = match Views::open(folder) {
            Ok(views) => (views, None),
            Err(ViewError::OtherVersion { .. }) => {
                let aside = Views::set_aside(folder, now)
                    .map_err(|error| OfflineFailure::SetAside(folder.to_owned(), error))?;
                (Views::open(folder)?, aside)
            }
            Err(error) => return Err(error.into()),
        };
        let builder = self.tolerating(&views, &state, park_new);
        let (number, view) = {
            let open = |number| views.open_view(number, &state, now);
            begin(&views, fresh, open)?
        };
        if let Some(last) = state.last {
            builder.advance(&view, last).await?;
        }
        view.flush()?;
        views.switch(number)?;
        Ok(Folded { view: Some(number), set_aside, ..of_view(&view) })
    }

    /// What the view that served knew of is put aside; without such a view, everything is.
    fn tolerating(&self, views: &Views, state: &LogState, park_new: bool) -> Builder {
        let mut builder = self.builder.clone();
        let serving = views.list().serving;
        if !park_new
            && views.store(serving).exists()
            && let Ok(serving) = views.open_view(serving, state, (self.clock)())
        {
            builder.folder.tolerated = Tolerated::Known(Arc::new(known_poison(&serving)));
        }
        builder
    }

    /// Has the view that served before serve from the next start on.
    pub fn roll_back(&self, folder: &Path) -> Result<u32, OfflineError> {
        let views = Views::open(folder).map_err(OfflineFailure::from)?;
        let switched = views.switch_back().map_err(OfflineFailure::from)?;
        Ok(switched.ok_or(OfflineFailure::NothingKept)?)
    }

    /// Folds the log up to a sequence into a view of its own, which goes away again. Puts every poison aside.
    pub async fn fold_to(&self, folder: &Path, last: Option<Sequence>) -> Result<Folded, OfflineError> {
        let state = self.log.open().await.map_err(OfflineFailure::from)?;
        if last > state.last {
            return Err(OfflineFailure::BeyondTheLog(state.last.map_or(0, Sequence::get)).into());
        }
        let (folder, now) = (folder.to_owned(), (self.clock)());
        let opened = blocking(move || View::open_for_a_while(&folder, &state, now)).await;
        let view = Arc::new(opened.map_err(OfflineFailure::from)?);
        if let Some(last) = last {
            self.builder.advance(&view, last).await.map_err(OfflineFailure::from)?;
        }
        Ok(of_view(&view))
    }
}

fn of_view(view: &View) -> Folded {
    let head = view.head();
    Folded { view: None, tree: head.tree, digest: head.digest, set_aside: None }
}
