//! What operators ask over the broker: served on `view.v1.ask`, and for auditors too, without rows, on `view.v1.digest`.
//!
//! A question that shows contents says who asks and why, and is answered only after that is in the log. The user id
//! stands in the body, never in a subject, and is not kept.

mod action_recorder;
mod client;
mod page_cursors;
mod paged_queries;
mod server;

use events::Actor;
use jiff::Timestamp;
use jiff::civil::Date;
use schemas::{DeviceReport, RowDocument, RowsDocument, Sequence};
use serde::{Deserialize, Serialize};

pub(crate) use action_recorder::ActionRecorder;
pub use action_recorder::record_access;
pub use client::{OperatorClient, OperatorError, fetch_digest};
pub(crate) use page_cursors::PageCursors;
pub(crate) use server::OperatorServer;

use crate::jobs::{Job, JobReport};
use crate::view_diff::ViewDifference;

pub(crate) const OPERATOR_SUBJECT: &str = "view.v1.ask";
pub(crate) const DIGEST_SUBJECT: &str = "view.v1.digest";

/// Who asks to be shown contents, with what and why: what is recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessContext {
    /// Who.
    pub by: Actor,
    /// With which command.
    pub command: String,
    /// Why; empty where no reason was given.
    pub reason: String,
}

/// Whose rows: by user id, or by the ref that stands in logs and in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserSelector {
    /// As tokens have it.
    UserId(String),
    /// The pseudonym.
    UserRef(String),
}

/// Which view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ViewSelector {
    /// The one that serves.
    Serving,
    /// The one that served before.
    Kept,
    /// The one that a rebuild made beside, whole or not.
    Built,
    /// By its number.
    Number(u32),
    /// As of a sequence; a [`Job::Past`] has folded it.
    Past(Sequence),
}

/// What an operator asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperatorRequest {
    /// What views there are and what is done.
    Status,
    /// A user's rows in the serving view, or as of a sequence.
    Rows {
        of: UserSelector,
        from: Date,
        to: Date,
        at: Option<Sequence>,
        access: AccessContext,
    },
    /// All rows of a view, page by page.
    AllRows {
        which: ViewSelector,
        after: Option<String>,
        date: Option<Date>,
        access: AccessContext,
    },
    /// What every user's devices last said of themselves, page by page.
    Reports {
        after: Option<String>,
        only_compromised: bool,
        access: AccessContext,
    },
    /// What differs between two views, page by page.
    Differences {
        a: ViewSelector,
        b: ViewSelector,
        after: Option<String>,
        access: AccessContext,
    },
    Start(Job),
    /// Ends a job, or whichever is under way.
    Cancel {
        job: Option<u64>,
    },
    /// Removes a kept or built view.
    Drop(ViewSelector),
    /// Folds a user, or a user's one date, anew. Where entries may be damaged, the view's sum is added up anew too.
    Repair {
        of: UserSelector,
        date: Option<Date>,
        may_be_damaged: bool,
    },
    /// What waits, page by page.
    Parked {
        skip: usize,
    },
    /// Drops everybody's rows of the years before this one.
    Retain {
        before_year: i16,
        access: AccessContext,
    },
    /// Leaves a parked event out for good.
    Discard {
        sequence: Sequence,
        access: AccessContext,
    },
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OperatorResponse {
    Status(Box<ProjectorStatus>),
    Rows { rows: RowsDocument, next: Option<Date> },
    AllRows { rows: Vec<UserRow>, position: u64, next: Option<String> },
    Reports { reports: Vec<UserDeviceReport>, position: u64, next: Option<String> },
    Differences { differences: Vec<ViewDifference>, entries: u64, next: Option<String> },
    Parked { parked: Vec<ParkedEventDocument>, next: Option<usize> },
    Started(u64),
    Done,
    Refused(String),
}

/// A row with its user's pseudonym.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UserRow {
    /// Whose.
    pub user_ref: String,
    /// The row.
    #[serde(flatten)]
    pub row: RowDocument,
}

/// What a device last said of itself, with its user's pseudonym.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserDeviceReport {
    /// Whose.
    pub user_ref: String,
    /// The device's id, or `default` for whatever signs with the user's default key.
    pub device: String,
    /// What it said.
    pub report: DeviceReport,
    /// When that was received.
    pub received_at: Timestamp,
    /// The event that it is from.
    pub sequence: Sequence,
}

/// A view of the projector.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewStatus {
    /// Its number.
    pub view: u32,
    /// `serving`, `kept` or `built`.
    pub is: String,
    /// Where it stands; of a view that is not open, not known.
    pub position: Option<u64>,
    /// Its digest.
    pub digest: Option<String>,
}

/// The views, and the job under way or done last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProjectorStatus {
    /// Every view.
    pub views: Vec<ViewStatus>,
    /// Events that wait.
    pub parked: u64,
    /// The job.
    pub job: Option<JobReport>,
}

/// An event that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedEventDocument {
    /// Which.
    pub sequence: Sequence,
    /// Whose.
    pub user_ref: String,
    /// What kind of trouble: `malformed`, `misfiled`, `key_missing`, `key_damaged`, `sealed`, `summary`, `report`.
    pub kind: String,
    /// The trouble in words.
    pub detail: String,
    /// The user's later events, which wait for it; counted up to 2,000.
    pub waiting: u64,
}

/// What a view is, without its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewDigestDocument {
    /// The sequence up to which it has folded.
    pub position: u64,
    /// The root of the tree over everything folded, base64.
    pub root: String,
    /// The version of the fold's rules.
    pub fold_version: u32,
    /// 64 characters of lowercase hex.
    pub digest: String,
    /// Events that wait.
    pub parked: u64,
}
