//! The long work that operators ask for, one at a time, beside the view that serves: rebuild it, verify it, fold one of
//! the past, go back to the one before.

mod job_report;
mod rebuild;
mod verify;

use std::sync::Arc;

use events::{Log, LogConsumerName, LogError};
use keys::KeyClient;
use parking_lot::{Mutex, MutexGuard};
use runtime::{Clock, ErrorChain, run_blocking, spawn_critical};
use schemas::Sequence;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::build_progress::BuildProgress;
use crate::change_publisher::ChangePublisher;
use crate::decrypt::EventDecryptor;
use crate::incident::ProjectorIncident;
use crate::projection::{FoldError, ParkPolicy, Projection};
use crate::serving_view::ServingView;
use crate::view::{View, ViewError};
use crate::view_builder::{BuildError, ViewBuilder};
use crate::view_diff::ViewDiffError;
use crate::view_digest::EntryHasher;

pub use job_report::{Job, JobReport, JobState, RebuildReport, VerifyReport};
pub(crate) use rebuild::{RebuildOptions, known_parked_sequences, open_build_view};

/// Views of the past that are held open at the same time: a diff takes two.
const HISTORICAL_VIEWS_MAX: usize = 2;

/// Why a job failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    #[error(transparent)]
    Build(#[from] BuildError),
    #[error(transparent)]
    View(#[from] ViewError),
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Compare(#[from] ViewDiffError),
    #[error("{0}")]
    Refused(String),
}

impl From<FoldError> for JobError {
    fn from(failure: FoldError) -> Self {
        match failure {
            FoldError::Unavailable => Self::Build(BuildError::KeysUnavailable),
            FoldError::Incident(incident) => Self::Build(BuildError::Incident(incident)),
            FoldError::NewlyParked(poison) => Self::Build(BuildError::NewlyParked(poison)),
        }
    }
}

impl From<ProjectorIncident> for JobError {
    fn from(incident: ProjectorIncident) -> Self {
        Self::Build(incident.into())
    }
}

/// Does one job at a time, and remembers the last one.
pub(crate) struct JobRunner {
    pub(crate) serving_view: Arc<ServingView>,
    pub(crate) log: Log,
    decryptor: EventDecryptor,
    entry_hasher: EntryHasher,
    change_publisher: Arc<ChangePublisher>,
    clock: Clock,
    current: Mutex<CurrentJob>,
    historical_views: Mutex<Vec<(Sequence, Arc<View>)>>,
    /// A kept or built view that was opened for a question: sled is slow to open, and allows it once.
    non_serving: Mutex<Option<(u32, Arc<View>)>>,
}

/// The job under way, or the last one.
#[derive(Default)]
struct CurrentJob {
    report: Option<JobReport>,
    progress: Arc<BuildProgress>,
    cancel: CancellationToken,
}

impl JobRunner {
    pub(crate) fn new(
        shared: Arc<ServingView>,
        log: Log,
        opener: EventDecryptor,
        digester: EntryHasher,
        feed: Arc<ChangePublisher>,
        clock: Clock,
    ) -> Self {
        let (current, past, beside) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self {
            serving_view: shared,
            log,
            decryptor: opener,
            entry_hasher: digester,
            change_publisher: feed,
            clock,
            current,
            historical_views: past,
            non_serving: beside,
        }
    }

    fn current(&self) -> MutexGuard<'_, CurrentJob> {
        self.current.lock()
    }

    /// What is or was done last.
    pub(crate) fn report(&self) -> Option<JobReport> {
        let current = self.current();
        let mut report = current.report.clone()?;
        report.progress = current.progress.report();
        Some(report)
    }

    /// Begins a job, unless one is under way.
    pub(crate) fn start(self: &Arc<Self>, job: Job) -> Result<u64, String> {
        let (number, progress, cancel) = {
            let mut current = self.current();
            if let Some(report) = current.report.as_ref().filter(|report| report.state == JobState::Running) {
                return Err(format!("a {} is under way; wait for it, or cancel it", report.job.name()));
            }
            let number = current.report.as_ref().map_or(0, |last| last.number) + 1;
            let report = JobReport::new(number, job.clone());
            *current = CurrentJob {
                report: Some(report),
                progress: Arc::default(),
                cancel: CancellationToken::new(),
            };
            (number, current.progress.clone(), current.cancel.clone())
        };
        // The job may need its files.
        *self.non_serving() = None;
        let jobs = self.clone();
        spawn_critical("view job", async move {
            let done = jobs.run(&job, progress, cancel).await;
            let mut current = jobs.current();
            let Some(report) = &mut current.report else { return };
            match done {
                Ok(()) => report.state = JobState::Done,
                Err(JobError::Build(BuildError::Cancelled)) => report.state = JobState::Cancelled,
                Err(error) => {
                    tracing::error!(
                        error = &error as &dyn std::error::Error,
                        job = job.name(),
                        "an operator's job failed"
                    );
                    report.state = JobState::Failed;
                    report.error = Some(ErrorChain(&error).to_string());
                }
            }
        });
        Ok(number)
    }

    /// Ends the job under way before its next batch, if it is the one that is meant.
    pub(crate) fn cancel(&self, job: Option<u64>) -> bool {
        let current = self.current();
        let is_meant = current.report.as_ref().is_some_and(|report| {
            report.state == JobState::Running && job.is_none_or(|job| job == report.number)
        });
        if is_meant {
            current.cancel.cancel();
        }
        is_meant
    }

    async fn run(
        &self,
        job: &Job,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        match job {
            Job::Rebuild { dry_run, fresh, park_new } => {
                let options = RebuildOptions { dry_run: *dry_run, fresh: *fresh, park_new: *park_new };
                self.rebuild(options, progress, cancel).await
            }
            Job::Rollback => self.roll_back(progress, cancel).await,
            Job::Verify => self.verify(progress, cancel).await,
            Job::Past { sequence } => self.build_historical_view(*sequence, progress, cancel).await,
        }
    }

    /// Notes something of the job under way.
    fn note(&self, note: impl FnOnce(&mut JobReport)) {
        if let Some(report) = &mut self.current().report {
            note(report);
        }
    }

    fn projection(&self, tolerated: ParkPolicy) -> Projection {
        Projection {
            log: self.log.clone(),
            decryptor: self.decryptor.clone(),
            entry_hasher: self.entry_hasher.clone(),
            runtime: Handle::current(),
            park_policy: tolerated,
            is_collecting_outcomes: false,
            change_publisher: None,
        }
    }

    fn builder(
        &self,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<ViewBuilder, JobError> {
        let folder = self.projection(ParkPolicy::KnownToServing(self.serving_view.clone()));
        Ok(ViewBuilder { projection: folder, reader: LogConsumerName::Rebuild, progress, cancel })
    }

    pub(crate) fn serving(&self) -> Result<Arc<View>, JobError> {
        self.serving_view.view().ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))
    }

    pub(crate) fn keys(&self) -> &KeyClient {
        &self.decryptor.keys
    }

    /// Folds a user anew in the view that serves. What waited, and does not any more, is told to other systems.
    pub(crate) async fn repair(
        &self,
        user: keys::UserRef,
        date: Option<jiff::civil::Date>,
        may_be_damaged: bool,
    ) -> Result<(), JobError> {
        let _turn = self.serving_view.write_lock.lock().await;
        let view = self.serving()?;
        let Some(last) = view.position() else { return Ok(()) };
        let folder = Projection {
            change_publisher: Some(self.change_publisher.clone()),
            ..self.projection(ParkPolicy::All)
        };
        run_blocking(move || {
            let left_out = view.discarded_events().into_iter().map(|discarded| discarded.sequence).collect();
            let repaired = folder.repair(&view, user, date, last, &left_out)?;
            folder.publish_changes(&repaired.to_publish)?;
            view.apply(repaired.changes, None)?;
            if may_be_damaged {
                // What was mended may have been damaged without the sum's knowing.
                view.recompute_sum()?;
            }
            view.flush()?;
            Ok(())
        })
        .await
    }

    /// A kept or built view, opened to be compared.
    pub(crate) async fn open_non_serving(&self, number: u32) -> Result<Arc<View>, JobError> {
        if self.report().is_some_and(|report| report.state == JobState::Running) {
            return Err(JobError::Refused(
                "a job is under way, which may use that view; wait for it".to_owned(),
            ));
        }
        if let Some((_, view)) = self.non_serving().as_ref().filter(|(open, _)| *open == number) {
            return Ok(view.clone());
        }
        let views = self
            .serving_view
            .views()
            .ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))?;
        let (state, now) = (self.log.open().await?, (self.clock)());
        let view = Arc::new(run_blocking(move || views.open_view(number, &state, now)).await?);
        *self.non_serving() = Some((number, view.clone()));
        Ok(view)
    }

    /// Lets go of it again, before something else needs its files.
    pub(crate) fn close_non_serving(&self, number: u32) -> Result<(), String> {
        let report = self.report();
        if report.is_some_and(|report| report.state == JobState::Running) {
            return Err("a job is under way, which may use that view; wait for it".to_owned());
        }
        self.non_serving().take_if(|(open, _)| *open == number);
        Ok(())
    }

    fn non_serving(&self) -> MutexGuard<'_, Option<(u32, Arc<View>)>> {
        self.non_serving.lock()
    }

    /// A view as of a sequence that was folded before, if it is still held.
    pub(crate) fn historical_view(&self, sequence: Sequence) -> Option<Arc<View>> {
        let past = self.historical_views.lock();
        past.iter().find(|(of, _)| *of == sequence).map(|(_, view)| view.clone())
    }

    /// Whether that view is held; where it is, it is now the last to be let go of.
    fn touch_historical_view(&self, sequence: Sequence) -> bool {
        let mut past = self.historical_views.lock();
        let Some(at) = past.iter().position(|(of, _)| *of == sequence) else { return false };
        let used = past.remove(at);
        past.push(used);
        true
    }

    /// Folds a view as of a sequence, into a store that nothing names.
    async fn build_historical_view(
        &self,
        sequence: Sequence,
        progress: Arc<BuildProgress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        if self.touch_historical_view(sequence) {
            return Ok(());
        }
        let state = self.log.open().await?;
        if Some(sequence) > state.last {
            let last = state.last.map_or(0, Sequence::get);
            return Err(JobError::Refused(format!("the log ends at {last}")));
        }
        let view = self.open_temporary_view(&format!("{sequence}"), &state).await?;
        self.builder(progress, cancel)?.advance_to(&view, sequence).await?;
        let mut past = self.historical_views.lock();
        past.push((sequence, view));
        if past.len() > HISTORICAL_VIEWS_MAX {
            past.remove(0);
        }
        Ok(())
    }

    /// An empty view for a while.
    async fn open_temporary_view(&self, name: &str, state: &events::LogState) -> Result<Arc<View>, JobError> {
        let views = self
            .serving_view
            .views()
            .ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))?;
        let (folder, state, now) = (views.historical_view_dir(name), state.clone(), (self.clock)());
        let opened = run_blocking(move || {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| ViewError::List(folder.clone(), error))?;
            }
            View::open_temporary(&folder, &state, now)
        });
        Ok(Arc::new(opened.await?))
    }
}
