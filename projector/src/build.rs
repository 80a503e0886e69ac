//! Folding the log into a view beside the one that serves: read ahead, fold, write, and say how far it is.

use std::sync::Arc;
use std::time::Duration;

use events::{Envelope, LogReader, RecordedEvent, StretchError};
use schemas::Sequence;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::batch::{FoldFailure, Folder};
use crate::blocking::blocking;
use crate::incident::Incident;
use crate::poison::Poison;
use crate::progress::Progress;
use crate::view::View;

/// Events folded and written together at most: each row is written once for all of them.
const BATCH_EVENTS_MAX: usize = 20_000;
/// Bytes of such a batch. With the one that is read meanwhile this bounds the memory of a rebuild.
const BATCH_BYTES_MAX: usize = 24 * 1024 * 1024;
/// How often folding is tried again where the keys can't be reached.
const TRIES_MAX: usize = 60;
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why a view was not built. What was folded stays, and building can go on from there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Log(#[from] StretchError),
    #[error("the keys can't be reached")]
    Keys,
    #[error(transparent)]
    Incident(#[from] Incident),
    #[error(
        "{0}. The serving view does not know of it, so what folds may be what is wrong; nothing was switched. If it is the event, `syncwell view rebuild --park-new` puts it aside"
    )]
    NewPoison(Poison),
}

/// Builds views.
#[derive(Clone)]
pub(crate) struct Builder {
    pub(crate) folder: Folder,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: CancellationToken,
}

impl Builder {
    /// Folds everything up to `last` that the view has not folded.
    pub(crate) async fn advance(&self, view: &Arc<View>, last: Sequence) -> Result<(), BuildError> {
        let position = view.position();
        if position >= Some(last) {
            return Ok(());
        }
        self.progress.aim(position, last);
        let (send, mut batches) = mpsc::channel(1);
        let reading = tokio::spawn(read(self.folder.clone(), position, last, send));
        let folded = self.fold_all(view, &mut batches).await;
        // Where folding ended early the reader finds nobody who takes its batch, and ends.
        drop(batches);
        let read = match reading.await {
            Ok(read) => read,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => return Err(BuildError::Cancelled),
            },
        };
        folded.and(read.map_err(BuildError::Log))
    }

    async fn fold_all(
        &self,
        view: &Arc<View>,
        batches: &mut mpsc::Receiver<Vec<RecordedEvent>>,
    ) -> Result<(), BuildError> {
        loop {
            let batch = tokio::select! {
                batch = batches.recv() => batch,
                () = self.cancel.cancelled() => return Err(BuildError::Cancelled),
            };
            let Some(batch) = batch else { return Ok(()) };
            self.fold(view, batch.into()).await?;
            self.progress.reach(view.position());
        }
    }

    async fn fold(&self, view: &Arc<View>, batch: Arc<[RecordedEvent]>) -> Result<(), BuildError> {
        for _ in 0..TRIES_MAX {
            let (folder, view, batch) = (self.folder.clone(), view.clone(), batch.clone());
            match blocking(move || folder.fold(&view, &batch).map(drop)).await {
                Ok(()) => return Ok(()),
                Err(FoldFailure::Unavailable) => sleep(RETRY_INTERVAL).await,
                Err(FoldFailure::Incident(incident)) => return Err(incident.into()),
                Err(FoldFailure::NewPoison(poison)) => return Err(BuildError::NewPoison(poison)),
            }
        }
        Err(BuildError::Keys)
    }
}

/// Reads ahead: while one batch is folded, the next is read and its keys are fetched.
async fn read(
    folder: Folder,
    position: Option<Sequence>,
    last: Sequence,
    batches: mpsc::Sender<Vec<RecordedEvent>>,
) -> Result<(), StretchError> {
    let mut stretch = folder.log.stretch(LogReader::Rebuild, position, last);
    let (mut batch, mut bytes) = (Vec::new(), 0);
    loop {
        let events = stretch.next().await?;
        let ended = events.is_none();
        for event in events.into_iter().flatten() {
            bytes += event.bytes().len();
            batch.push(event);
        }
        let is_full = batch.len() >= BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX;
        if (is_full || ended) && !batch.is_empty() {
            fetch_keys(&folder, &batch).await;
            if batches.send(std::mem::take(&mut batch)).await.is_err() {
                return Ok(());
            }
            bytes = 0;
        }
        if ended {
            return Ok(());
        }
    }
}

/// Gets many users' keys together; what fails here fails again, and is judged, where the event is opened.
pub(crate) async fn fetch_keys(folder: &Folder, batch: &[RecordedEvent]) {
    let wanted = batch
        .iter()
        .filter_map(|event| Envelope::read_head(event.bytes()).ok())
        .filter_map(|head| Some((head.user, head.key_id?)));
    folder.keys.prefetch(wanted).await;
}
