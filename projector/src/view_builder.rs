//! Folding the log into a view beside the one that serves: read ahead, fold, write, and say how far it is.

use std::sync::Arc;
use std::time::Duration;

use events::{LogConsumerName, ReadRangeError, RecordedEvent};
use runtime::{run_blocking, spawn_critical};
use schemas::Sequence;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::build_progress::BuildProgress;
use crate::incident::ProjectorIncident;
use crate::parked_event::ParkedEvent;
use crate::projection::{FoldError, PendingWrites, PreparedEvent, Projection};
use crate::view::View;

/// Events folded together at most: few enough to stay near the processor, many enough to be worth its threads.
const BATCH_EVENTS_MAX: usize = 2_000;
/// Bytes of such a batch; the one that crosses it ends the batch.
const BATCH_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Batches that wait between two stages. With the pending entries this bounds the memory of a build.
const BATCHES_QUEUED_MAX: usize = 8;
/// Entries that wait to be written, at most: a row that is met again meanwhile is written once.
const PENDING_ENTRIES_MAX: usize = 64_000;
/// How often folding is tried again where the keys can't be reached.
const ATTEMPTS_MAX: usize = 60;
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Why a view was not built. What was folded stays, and building can go on from there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cancelled")]
    Cancelled,
    #[error(transparent)]
    Log(#[from] ReadRangeError),
    #[error("the keys can't be reached")]
    KeysUnavailable,
    #[error(transparent)]
    Incident(#[from] ProjectorIncident),
    #[error(
        "{0}. The serving view does not know of it, so what folds may be what is wrong; nothing was switched. If it is the event, `syncwell view rebuild --park-new` puts it aside"
    )]
    NewlyParked(ParkedEvent),
}

/// Builds views.
#[derive(Clone)]
pub(crate) struct ViewBuilder {
    pub(crate) projection: Projection,
    /// As whom the log is read.
    pub(crate) reader: LogConsumerName,
    pub(crate) progress: Arc<BuildProgress>,
    pub(crate) cancel: CancellationToken,
}

impl ViewBuilder {
    /// Folds everything up to `last` that the view has not folded. Where the keys can't be reached for a while, it begins
    /// again behind what was written.
    pub(crate) async fn advance_to(&self, view: &Arc<View>, last: Sequence) -> Result<(), BuildError> {
        for _ in 0..ATTEMPTS_MAX {
            if view.position() >= Some(last) {
                return Ok(());
            }
            match self.run_pipeline(view, last).await {
                Err(BuildError::KeysUnavailable) => tokio::select! {
                    () = sleep(RETRY_INTERVAL) => {}
                    () = self.cancel.cancelled() => return Err(BuildError::Cancelled),
                },
                ended => return ended,
            }
        }
        Err(BuildError::KeysUnavailable)
    }

    async fn run_pipeline(&self, view: &Arc<View>, last: Sequence) -> Result<(), BuildError> {
        let position = view.position();
        self.progress.set_target(position, last);
        // Four at the same time: a batch is folded and written, the next is opened, the keys of the one behind are
        // fetched, and those behind that are read.
        let (read_batches, to_fetch) = mpsc::channel(BATCHES_QUEUED_MAX);
        let (fetched, to_open) = mpsc::channel(BATCHES_QUEUED_MAX);
        let (opened, mut batches) = mpsc::channel(BATCHES_QUEUED_MAX);
        let reading =
            tokio::spawn(read_stage(self.projection.clone(), self.reader, position, last, read_batches));
        spawn_critical(
            "view build: key prefetch",
            fetch_keys_stage(self.projection.clone(), to_fetch, fetched),
        );
        spawn_critical(
            "view build: decryption",
            decrypt_stage(self.projection.clone(), view.clone(), to_open, opened),
        );
        let folded = self.fold_batches(view, &mut batches).await;
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

    async fn fold_batches(
        &self,
        view: &Arc<View>,
        batches: &mut mpsc::Receiver<Vec<PreparedEvent>>,
    ) -> Result<(), BuildError> {
        let mut pending = PendingWrites::default();
        loop {
            let batch = tokio::select! {
                biased;
                () = self.cancel.cancelled() => None,
                batch = batches.recv() => batch,
            };
            let Some(batch) = batch else { break };
            pending = self.fold_batch(view, pending, batch).await?;
            self.progress.record_position(Sequence::new(pending.position(view)));
        }
        self.write(view, pending).await?;
        if self.cancel.is_cancelled() { Err(BuildError::Cancelled) } else { Ok(()) }
    }

    async fn write(&self, view: &Arc<View>, mut pending: PendingWrites) -> Result<(), BuildError> {
        let (folder, view) = (self.projection.clone(), view.clone());
        run_blocking(move || folder.write(&view, &mut pending)).await.map_err(BuildError::from)
    }

    /// Folds a batch into what is pending, and writes that where it is much.
    async fn fold_batch(
        &self,
        view: &Arc<View>,
        mut pending: PendingWrites,
        batch: Vec<PreparedEvent>,
    ) -> Result<PendingWrites, BuildError> {
        let (folder, view) = (self.projection.clone(), view.clone());
        let folded = run_blocking(move || {
            folder.fold_into_pending(&view, &mut pending, batch)?;
            if pending.len() > PENDING_ENTRIES_MAX {
                folder.write(&view, &mut pending)?;
            }
            Ok::<_, FoldError>(pending)
        });
        Ok(folded.await?)
    }
}

impl From<FoldError> for BuildError {
    fn from(failure: FoldError) -> Self {
        match failure {
            FoldError::Unavailable => Self::KeysUnavailable,
            FoldError::Incident(incident) => Self::Incident(incident),
            FoldError::NewlyParked(poison) => Self::NewlyParked(poison),
        }
    }
}

/// Reads ahead.
async fn read_stage(
    folder: Projection,
    reader: LogConsumerName,
    position: Option<Sequence>,
    last: Sequence,
    batches: mpsc::Sender<Vec<RecordedEvent>>,
) -> Result<(), ReadRangeError> {
    let mut stretch = folder.log.read_range(reader, position, last);
    let empty = || Vec::with_capacity(BATCH_EVENTS_MAX);
    let (mut batch, mut bytes) = (empty(), 0);
    loop {
        let events = stretch.next().await?;
        let ended = events.is_none();
        for event in events.into_iter().flatten() {
            bytes += event.bytes().len();
            batch.push(event);
        }
        let is_full = batch.len() >= BATCH_EVENTS_MAX || bytes >= BATCH_BYTES_MAX;
        if (is_full || ended) && !batch.is_empty() {
            if batches.send(std::mem::replace(&mut batch, empty())).await.is_err() {
                return Ok(());
            }
            bytes = 0;
        }
        if ended {
            return Ok(());
        }
    }
}

/// Fetches the keys of each batch before it is folded.
async fn fetch_keys_stage(
    folder: Projection,
    mut batches: mpsc::Receiver<Vec<RecordedEvent>>,
    fetched: mpsc::Sender<Vec<RecordedEvent>>,
) {
    while let Some(batch) = batches.recv().await {
        prefetch_keys(&folder, &batch).await;
        if fetched.send(batch).await.is_err() {
            return;
        }
    }
}

/// Opens each batch before it is folded.
async fn decrypt_stage(
    folder: Projection,
    view: Arc<View>,
    mut batches: mpsc::Receiver<Vec<RecordedEvent>>,
    opened: mpsc::Sender<Vec<PreparedEvent>>,
) {
    while let Some(batch) = batches.recv().await {
        let (folder, view) = (folder.clone(), view.clone());
        let ready = run_blocking(move || folder.prepare(batch, &PendingWrites::parked_users(&view))).await;
        if opened.send(ready).await.is_err() {
            return;
        }
    }
}

/// Gets many users' keys together; what fails here fails again, and is judged, where the event is opened.
pub(crate) async fn prefetch_keys(folder: &Projection, batch: &[RecordedEvent]) {
    let wanted = batch.iter().filter_map(|event| Some((event.user()?, event.header().ok()?.key_id?)));
    folder.decryptor.keys.prefetch(wanted).await;
}
