//! Exports are made: one of a user at a time, from one position of the log, into a place of their own.
//!
//! That one is to be made is written down before the worker's position moves past the event that asks for it ([`task`]). A
//! worker that is killed leaves half an object, which is none, and whoever takes over begins again.

mod build;
mod log_source;
mod progress_server;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use events::{Log, LogAppender};
use export_store::ExportStore;
use jetstream::{Broker, KvBucket, LeaseError, Leases};
use jiff::{SignedDuration, Timestamp};
use keys::{ExportId, KeyClient, Pseudonymizer, UserRef};
use runtime::{Clock, spawn_critical};
use tokio::time::sleep;

use crate::erasures::ErasureTaskStore as ErasureTasks;
use crate::in_flight::InFlight;
use crate::lease_renewal::{LEASE_TTL, run_to_completion};

pub use log_source::LogSource;
pub(crate) use progress_server::ExportProgressServer;
pub(crate) use task::{ExportTask, ExportTaskStore};

/// Between two looks at what is to be made.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Exports in the making at the same time: each holds a thread.
const EXPORTS_IN_FLIGHT_MAX: usize = 4;
/// How long an export is kept.
pub(crate) const EXPORT_LIFETIME: SignedDuration = SignedDuration::from_hours(72);
/// Between two looks for exports that are too old.
const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);
/// After so long an export that can't be made is given up.
const BUILD_RETRY_WINDOW: SignedDuration = SignedDuration::from_hours(1);
/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// What making exports takes.
pub(crate) struct ExportWorker {
    pub(crate) broker: Broker,
    pub(crate) log: Log,
    pub(crate) appender: LogAppender,
    pub(crate) keys: KeyClient,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) leases: Leases,
    pub(crate) work_bucket: KvBucket,
    pub(crate) export_store: ExportStore,
    pub(crate) progress: ExportProgressServer,
    pub(crate) clock: Clock,
}

/// The lease of whoever makes a user's exports, or deletes them.
pub(crate) fn export_lease_key(user: &UserRef) -> String {
    format!("exports.{user}")
}

impl ExportWorker {
    /// Makes exports for as long as the process runs.
    pub(crate) async fn run(self: Arc<Self>) {
        spawn_critical("export progress server", self.progress.clone().serve(self.broker.clone()));
        spawn_critical("export expiry", self.clone().run_expiry());
        let in_hand = InFlight::with_limit(EXPORTS_IN_FLIGHT_MAX);
        loop {
            self.broker.wait_connected().await;
            for (export, task, revision) in
                ExportTaskStore::new(&self.work_bucket).all().await.unwrap_or_default()
            {
                let Some(held) = in_hand.try_acquire(export) else { continue };
                let exporting = self.clone();
                spawn_critical("export build", async move {
                    if !exporting.run_under_lease(export, &task, revision).await {
                        sleep(RETRY_INTERVAL).await;
                    }
                    drop(held);
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Says whether it is done with.
    async fn run_under_lease(&self, export: ExportId, task: &ExportTask, revision: u64) -> bool {
        let lease = match self.leases.acquire(&export_lease_key(&task.user), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held | LeaseError::Unavailable) => return false,
        };
        let is_late = (self.clock)().duration_since(task.requested_at) > BUILD_RETRY_WINDOW;
        // The thread that writes goes on whatever becomes of the lease, and what it wrote is looked at behind it.
        let making = self.run_task(export, task, revision, is_late);
        let made = run_to_completion(lease, &AtomicBool::default(), making).await;
        self.progress.clear(export);
        match made {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(user = %task.user, %export, reason = why, "an export is not made yet");
                false
            }
        }
    }

    async fn run_task(
        &self,
        export: ExportId,
        task: &ExportTask,
        revision: u64,
        is_late: bool,
    ) -> Result<(), String> {
        let tasks = ExportTaskStore::new(&self.work_bucket);
        let is_wanted = tasks.contains(export).await.map_err(|error| error.to_string())?;
        let is_erased_or_erasing = ErasureTasks::new(&self.work_bucket).is_in_progress(&task.user).await;
        if is_wanted && !is_erased_or_erasing.map_err(|error| error.to_string())? {
            self.build(export, task, is_late).await?;
        }
        tasks.finish(revision).await.map_err(|error| error.to_string())
    }

    /// Deletes what no rule of a bucket does.
    async fn run_expiry(self: Arc<Self>) {
        loop {
            let objects = self.export_store.clone();
            let age_max = Duration::try_from(EXPORT_LIFETIME).unwrap_or_default();
            let now = SystemTime::from((self.clock)());
            let swept = tokio::task::spawn_blocking(move || objects.delete_expired(age_max, now)).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(error = &error as &dyn std::error::Error, "old exports can't be deleted yet");
            }
            sleep(EXPIRY_INTERVAL).await;
        }
    }

    fn expiry_time(&self) -> Timestamp {
        (self.clock)().saturating_add(EXPORT_LIFETIME).unwrap_or(Timestamp::MAX)
    }
}
