//! What is told of a job.

use std::collections::BTreeMap;

use schemas::Sequence;
use serde::{Deserialize, Serialize};

use crate::build_progress::BuildProgressReport;
use crate::view_diff::ViewDifference;

/// What an operator can have done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Job {
    /// Fold the log anew beside the serving view, and switch.
    Rebuild {
        /// Build and compare, and switch nothing.
        dry_run: bool,
        /// Do not go on with what an earlier rebuild left.
        fresh: bool,
        /// Put aside also what the serving view does not know as parked.
        park_new: bool,
    },
    /// Have the view that served before serve again.
    Rollback,
    /// Fold the log into a shadow and hold the serving view against it.
    Verify,
    /// Fold a view as of a sequence.
    Past {
        /// Up to this event.
        sequence: Sequence,
    },
}

impl Job {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Rebuild { .. } => "rebuild",
            Self::Rollback => "rollback",
            Self::Verify => "verification",
            Self::Past { .. } => "view of the past",
        }
    }
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Under way.
    Running,
    /// Done, with whatever result.
    Done,
    /// Failed; what it had built stays.
    Failed,
    /// Cancelled; what it had built stays.
    Cancelled,
}

/// What is told of a job while it is under way, and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JobReport {
    /// Its number, since the projector began.
    pub number: u64,
    /// Which.
    pub job: Job,
    /// Where it stands.
    pub state: JobState,
    /// How far.
    pub progress: BuildProgressReport,
    /// Why it failed.
    pub error: Option<String>,
    /// What a rebuild did.
    pub rebuilt: Option<RebuildReport>,
    /// What a verification found.
    pub verified: Option<VerifyReport>,
}

impl JobReport {
    pub(super) fn new(number: u64, job: Job) -> Self {
        let progress = BuildProgressReport::default();
        Self { number, job, state: JobState::Running, progress, error: None, rebuilt: None, verified: None }
    }
}

/// What a rebuild or a rollback did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RebuildReport {
    /// The view that serves now.
    pub serving: u32,
    /// The view that was built, where it does not serve.
    pub built: Option<u32>,
    /// Where the view that was built stands.
    pub position: u64,
    /// Its digest.
    pub digest: String,
    /// Whether it serves now.
    pub switched: bool,
    /// Of a dry run: how many values differ from the serving view, by field.
    pub differences: Option<BTreeMap<String, u64>>,
}

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VerifyReport {
    /// The position at which the digests were compared.
    pub position: u64,
    /// The serving view's digest there.
    pub digest: String,
    /// What the log folds to there.
    pub expected: String,
    /// Entries held against each other: rows, devices, connections, reports.
    pub entries: u64,
    /// Which values differ, the first thousand; what they are is not told.
    pub differences: Vec<ViewDifference>,
    /// Events that wait, and whose users' rows are stale.
    pub parked: u64,
}

impl VerifyReport {
    /// Whether the view is what the log folds to.
    pub fn is_consistent(&self) -> bool {
        self.differences.is_empty() && self.digest == self.expected
    }
}
