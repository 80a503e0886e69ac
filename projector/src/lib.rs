//! The memory: folds the log into one row per user and day, and serves everything that is read.
//!
//! The log is the truth, a view is a cache of it. One task follows the log ([`log_follower`]), one thread at a time folds
//! and writes ([`projection`]), and readers see a row and the position it reflects as one ([`view`]). What is asked about a
//! single event is answered by the log itself ([`row_history`]). Operators have other views built beside the one that serves
//! ([`view_registry`], [`view_builder`], [`jobs`]) and ask what they hold ([`operator`]). Appends nothing but what operators did.

mod api;
mod build_progress;
mod change_publisher;
mod decrypt;
mod decrypted_event;
mod incident;
mod internal_rpc_server;
mod jobs;
mod log_follower;
pub mod offline_projector;
mod operator;
mod parked_event;
mod projection;
mod projector;
mod query_service;
mod row_history;
mod serving_view;
mod view;
mod view_builder;
mod view_diff;
mod view_digest;
mod view_entry;
mod view_registry;

pub use aggregates::FOLD_VERSION;
pub use api::{ExportSettings, api_operations};
pub use build_progress::BuildProgressReport;
pub use incident::ProjectorIncident;
pub use jobs::{Job, JobReport, JobState, RebuildReport, VerifyReport};
pub use operator::{
    AccessContext, OperatorClient, OperatorError, ParkedEventDocument, ProjectorStatus, UserDeviceReport,
    UserRow, UserSelector, ViewDigestDocument, ViewSelector, ViewStatus, fetch_digest, record_access,
};
pub use projector::{Projector, ProjectorSettings};
pub use view::ViewError;
pub use view_diff::ViewDifference;
pub use view_digest::ViewDigest;
