//! The long work that operators ask for, one at a time, beside the view that serves: rebuild it, verify it, fold one of
//! the past, go back to the one before.

mod rebuild;
mod status;
mod verify;

use std::sync::{Arc, Mutex, PoisonError};

use events::{Log, LogError, LogReader};
use http_edge::Clock;
use jetstream::spawn_critical;
use keys::KeyClient;
use schemas::Sequence;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

use crate::batch::{FoldFailure, Folder, Tolerated};
use crate::blocking::blocking;
use crate::build::{BuildError, Builder};
use crate::compare::CompareError;
use crate::digest::Digester;
use crate::feed::Feed;
use crate::incident::{Incident, with_causes};
use crate::open::Opener;
use crate::progress::Progress;
use crate::shared::Shared;
use crate::view::{View, ViewError};

pub(crate) use rebuild::{RebuildOptions, begin, known_poison};
pub use status::{Job, JobReport, JobState, RebuildReport, VerifyReport};

/// Views of the past that are held open at the same time: a diff takes two.
const PAST_VIEWS_MAX: usize = 2;

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
    Compare(#[from] CompareError),
    #[error("{0}")]
    Refused(String),
}

impl From<FoldFailure> for JobError {
    fn from(failure: FoldFailure) -> Self {
        match failure {
            FoldFailure::Unavailable => Self::Build(BuildError::Keys),
            FoldFailure::Incident(incident) => Self::Build(BuildError::Incident(incident)),
            FoldFailure::NewPoison(poison) => Self::Build(BuildError::NewPoison(poison)),
        }
    }
}

impl From<Incident> for JobError {
    fn from(incident: Incident) -> Self {
        Self::Build(incident.into())
    }
}

/// Does one job at a time, and remembers the last one.
pub(crate) struct Jobs {
    pub(crate) shared: Arc<Shared>,
    pub(crate) log: Log,
    opener: Opener,
    digester: Digester,
    feed: Arc<Feed>,
    clock: Clock,
    current: Mutex<Current>,
    past: Mutex<Vec<(Sequence, Arc<View>)>>,
    /// A kept or built view that was opened for a question: sled is slow to open, and allows it once.
    beside: Mutex<Option<(u32, Arc<View>)>>,
}

/// The job under way, or the last one.
#[derive(Default)]
struct Current {
    report: Option<JobReport>,
    progress: Arc<Progress>,
    cancel: CancellationToken,
}

impl Jobs {
    pub(crate) fn new(
        shared: Arc<Shared>,
        log: Log,
        opener: Opener,
        digester: Digester,
        feed: Arc<Feed>,
        clock: Clock,
    ) -> Self {
        let (current, past, beside) = (Mutex::default(), Mutex::default(), Mutex::default());
        Self { shared, log, opener, digester, feed, clock, current, past, beside }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
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
            let report = JobReport::begun(number, job.clone());
            *current =
                Current { report: Some(report), progress: Arc::default(), cancel: CancellationToken::new() };
            (number, current.progress.clone(), current.cancel.clone())
        };
        // The job may need its files.
        *self.beside() = None;
        let jobs = self.clone();
        spawn_critical("operator's job", async move {
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
                    report.error = Some(with_causes(&error));
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
        progress: Arc<Progress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        match job {
            Job::Rebuild { dry_run, fresh, park_new } => {
                let options = RebuildOptions { dry_run: *dry_run, fresh: *fresh, park_new: *park_new };
                self.rebuild(options, progress, cancel).await
            }
            Job::Rollback => self.roll_back(progress, cancel).await,
            Job::Verify => self.verify(progress, cancel).await,
            Job::Past { sequence } => self.fold_past(*sequence, progress, cancel).await,
        }
    }

    /// Notes something of the job under way.
    fn note(&self, note: impl FnOnce(&mut JobReport)) {
        if let Some(report) = &mut self.current().report {
            note(report);
        }
    }

    fn folder(&self, tolerated: Tolerated) -> Folder {
        Folder {
            log: self.log.clone(),
            opener: self.opener.clone(),
            digester: self.digester.clone(),
            runtime: Handle::current(),
            tolerated,
            tells: false,
            feed: None,
        }
    }

    fn builder(&self, progress: Arc<Progress>, cancel: CancellationToken) -> Result<Builder, JobError> {
        let folder = self.folder(Tolerated::AsServing(self.shared.clone()));
        Ok(Builder { folder, reader: LogReader::Rebuild, progress, cancel })
    }

    pub(crate) fn serving(&self) -> Result<Arc<View>, JobError> {
        self.shared.view().ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))
    }

    pub(crate) fn keys(&self) -> &KeyClient {
        &self.opener.keys
    }

    /// Folds a user anew in the view that serves. What waited, and does not any more, is told to other systems.
    pub(crate) async fn repair(
        &self,
        user: keys::UserRef,
        date: Option<jiff::civil::Date>,
        may_be_damaged: bool,
    ) -> Result<(), JobError> {
        let _turn = self.shared.folding.lock().await;
        let view = self.serving()?;
        let Some(last) = view.position() else { return Ok(()) };
        let folder = Folder { feed: Some(self.feed.clone()), ..self.folder(Tolerated::All) };
        blocking(move || {
            let left_out = view.discarded().into_iter().map(|discarded| discarded.sequence).collect();
            let repaired = folder.repair(&view, user, date, last, &left_out)?;
            folder.publish(&repaired.told)?;
            view.apply(repaired.changes, None)?;
            if may_be_damaged {
                // What was mended may have been damaged without the sum's knowing.
                view.add_up()?;
            }
            view.flush()?;
            Ok(())
        })
        .await
    }

    /// A kept or built view, opened to be compared.
    pub(crate) async fn open_beside(&self, number: u32) -> Result<Arc<View>, JobError> {
        if self.report().is_some_and(|report| report.state == JobState::Running) {
            return Err(JobError::Refused(
                "a job is under way, which may use that view; wait for it".to_owned(),
            ));
        }
        if let Some((_, view)) = self.beside().as_ref().filter(|(open, _)| *open == number) {
            return Ok(view.clone());
        }
        let views =
            self.shared.views().ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))?;
        let (state, now) = (self.log.open().await?, (self.clock)());
        let view = Arc::new(blocking(move || views.open_view(number, &state, now)).await?);
        *self.beside() = Some((number, view.clone()));
        Ok(view)
    }

    /// Lets go of it again, before something else needs its files.
    pub(crate) fn close_beside(&self, number: u32) -> Result<(), String> {
        let report = self.report();
        if report.is_some_and(|report| report.state == JobState::Running) {
            return Err("a job is under way, which may use that view; wait for it".to_owned());
        }
        self.beside().take_if(|(open, _)| *open == number);
        Ok(())
    }

    fn beside(&self) -> std::sync::MutexGuard<'_, Option<(u32, Arc<View>)>> {
        self.beside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A view as of a sequence that was folded before, if it is still held.
    pub(crate) fn past(&self, sequence: Sequence) -> Option<Arc<View>> {
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.iter().find(|(of, _)| *of == sequence).map(|(_, view)| view.clone())
    }

    /// Whether that view is held; where it is, it is now the last to be let go of.
    fn used_past(&self, sequence: Sequence) -> bool {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(at) = past.iter().position(|(of, _)| *of == sequence) else { return false };
        let used = past.remove(at);
        past.push(used);
        true
    }

    /// Folds a view as of a sequence, into a store that nothing names.
    async fn fold_past(
        &self,
        sequence: Sequence,
        progress: Arc<Progress>,
        cancel: CancellationToken,
    ) -> Result<(), JobError> {
        if self.used_past(sequence) {
            return Ok(());
        }
        let state = self.log.open().await?;
        if Some(sequence) > state.last {
            let last = state.last.map_or(0, Sequence::get);
            return Err(JobError::Refused(format!("the log ends at {last}")));
        }
        let view = self.shadow(&format!("{sequence}"), &state).await?;
        self.builder(progress, cancel)?.advance(&view, sequence).await?;
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        past.push((sequence, view));
        if past.len() > PAST_VIEWS_MAX {
            past.remove(0);
        }
        Ok(())
    }

    /// An empty view for a while.
    async fn shadow(&self, name: &str, state: &events::LogState) -> Result<Arc<View>, JobError> {
        let views =
            self.shared.views().ok_or_else(|| JobError::Refused("the view is not open yet".to_owned()))?;
        let (folder, state, now) = (views.store_of_past(name), state.clone(), (self.clock)());
        let opened = blocking(move || {
            if folder.exists() {
                std::fs::remove_dir_all(&folder).map_err(|error| ViewError::List(folder.clone(), error))?;
            }
            View::open_for_a_while(&folder, &state, now)
        });
        Ok(Arc::new(opened.await?))
    }
}
