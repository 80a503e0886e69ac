//! Exports are made: one of a user at a time, from one position of the log, into a place of their own.
//!
//! That one is to be made is written down before the worker's position moves past the event that asks for it ([`task`]). A
//! worker that is killed leaves half an object, which is none, and whoever takes over begins again.

mod making;
mod progress;
mod source;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use events::{Log, LogAppender};
use export_store::Objects;
use jetstream::{Broker, KvBucket, LeaseError, Leases, spawn_critical};
use jiff::{SignedDuration, Timestamp};
use keys::{ExportId, KeyClient, Pseudonymizer, UserRef};
use tokio::time::sleep;

use crate::Clock;
use crate::erasures::Tasks as ErasureTasks;
use crate::holding::{LEASE_TTL, to_the_end};
use crate::in_hand::InHand;

pub(crate) use progress::ProgressBoard;
pub use source::LogSource;
pub(crate) use task::{ExportTask, ExportTasks};

/// Between two looks at what is to be made.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Exports in the making at the same time: each holds a thread.
const EXPORTS_AT_ONCE_MAX: usize = 4;
/// How long an export is kept.
pub(crate) const EXPORT_LIFETIME: SignedDuration = SignedDuration::from_hours(72);
/// Between two looks for exports that are too old.
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);
/// After so long an export that can't be made is given up.
const TRIED_MAX: SignedDuration = SignedDuration::from_hours(1);
/// Between two attempts.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// What making exports takes.
pub(crate) struct Exporting {
    pub(crate) broker: Broker,
    pub(crate) log: Log,
    pub(crate) appender: LogAppender,
    pub(crate) keys: KeyClient,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) leases: Leases,
    pub(crate) work: KvBucket,
    pub(crate) objects: Objects,
    pub(crate) board: ProgressBoard,
    pub(crate) clock: Clock,
}

/// The lease of whoever makes a user's exports, or deletes them.
pub(crate) fn lease_of(user: &UserRef) -> String {
    format!("exports.{user}")
}

impl Exporting {
    /// Makes exports for as long as the process runs.
    pub(crate) async fn work(self: Arc<Self>) {
        spawn_critical("progress of exports", self.board.clone().answer(self.broker.clone()));
        spawn_critical("sweeper of exports", self.clone().sweep());
        let in_hand = InHand::up_to(EXPORTS_AT_ONCE_MAX);
        loop {
            self.broker.wait_connected().await;
            for (export, task, revision) in ExportTasks::over(&self.work).all().await.unwrap_or_default() {
                let Some(held) = in_hand.take(export) else { continue };
                let exporting = self.clone();
                spawn_critical("an export", async move {
                    if !exporting.under_lease(export, &task, revision).await {
                        sleep(RETRY_INTERVAL).await;
                    }
                    drop(held);
                });
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Says whether it is done with.
    async fn under_lease(&self, export: ExportId, task: &ExportTask, revision: u64) -> bool {
        let lease = match self.leases.acquire(&lease_of(&task.user), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held | LeaseError::Unavailable) => return false,
        };
        let is_late = (self.clock)().duration_since(task.requested_at) > TRIED_MAX;
        // The thread that writes goes on whatever becomes of the lease, and what it wrote is looked at behind it.
        let making = self.one(export, task, revision, is_late);
        let made = to_the_end(lease, &AtomicBool::default(), making).await;
        self.board.clear(export);
        match made {
            Ok(()) => true,
            Err(why) => {
                tracing::warn!(user = %task.user, %export, why, "an export is not made yet");
                false
            }
        }
    }

    async fn one(
        &self,
        export: ExportId,
        task: &ExportTask,
        revision: u64,
        is_late: bool,
    ) -> Result<(), String> {
        let tasks = ExportTasks::over(&self.work);
        let is_wanted = tasks.is_there(export).await.map_err(|error| error.to_string())?;
        let is_ending = ErasureTasks::over(&self.work).is_begun(&task.user).await;
        if is_wanted && !is_ending.map_err(|error| error.to_string())? {
            self.make(export, task, is_late).await?;
        }
        tasks.finish(revision).await.map_err(|error| error.to_string())
    }

    /// Deletes what no rule of a bucket does.
    async fn sweep(self: Arc<Self>) {
        loop {
            let objects = self.objects.clone();
            let age_max = Duration::try_from(EXPORT_LIFETIME).unwrap_or_default();
            let now = SystemTime::from((self.clock)());
            let swept = tokio::task::spawn_blocking(move || objects.sweep(age_max, now)).await;
            if let Ok(Err(error)) = swept {
                tracing::warn!(error = &error as &dyn std::error::Error, "old exports can't be deleted yet");
            }
            sleep(SWEEP_INTERVAL).await;
        }
    }

    fn deleted_at(&self) -> Timestamp {
        (self.clock)().saturating_add(EXPORT_LIFETIME).unwrap_or(Timestamp::MAX)
    }
}
