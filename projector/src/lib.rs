//! The memory: folds the log into one row per user and day, and serves everything that is read.
//!
//! The log is the truth, a view is a cache of it. One task follows the log ([`follow`]), one thread at a time folds
//! and writes ([`batch`]), and readers see a row and the position it reflects as one ([`view`]). What is asked about a
//! single event is answered by the log itself ([`refold`]). Operators have other views built beside the one that serves
//! ([`views`], [`build`], [`jobs`]) and ask what they hold ([`operator`]). Appends nothing but what operators did.

mod api;
mod asked;
mod batch;
mod blocking;
mod build;
mod compare;
mod connection;
mod device;
mod digest;
mod entry;
mod export;
mod feed;
mod follow;
mod incident;
mod jobs;
mod numbers;
pub mod offline;
mod open;
mod operator;
mod poison;
mod progress;
mod projector;
mod reader;
mod refold;
mod report;
mod row;
mod shared;
mod view;
mod views;

pub use aggregates::FOLD_VERSION;
pub use api::ExportSettings;
pub use compare::Difference;
pub use digest::ViewDigest;
pub use incident::Incident;
pub use jobs::{Job, JobReport, JobState, RebuildReport, VerifyReport};
pub use operator::{
    Access, DigestDocument, OperatorClient, OperatorError, ParkedEvent, UserReport, UserRow, ViewStatus,
    ViewsStatus, Which, Whose, ask_digest, record_access,
};
pub use progress::ProgressReport;
pub use projector::{Projector, ProjectorSettings};
pub use view::ViewError;
