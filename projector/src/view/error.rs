//! Failure to open or use a view.

use std::path::PathBuf;

use aggregates::FOLD_VERSION;

use super::format::VIEW_FORMAT;

/// Failure to open or use a view.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store fails.
    #[error("the view in {} can't be used", .0.display())]
    Store(PathBuf, #[source] sled::Error),
    /// A damaged store could not be set aside.
    #[error("the damaged view in {} can't be set aside", .0.display())]
    SetAside(PathBuf, #[source] std::io::Error),
    /// The list of the views can't be read or written.
    #[error("the list of the views, {}, can't be used", .0.display())]
    List(PathBuf, #[source] std::io::Error),
    /// The parked events can't be read.
    #[error(
        "the view in {} can't be used: what waits in it can't be read. `syncwell view rebuild --fresh` folds it anew",
        .0.display()
    )]
    ParkedEventsUnreadable(PathBuf),
    /// The view has folded events that are missing in the log.
    #[error(
        "INCIDENT: the view in {folder} stands at sequence {position}, but the log ends at {last}: the log lost events \
         or was restored from an older backup. If the log is right, `syncwell view rebuild --fresh` folds the view anew"
    )]
    AheadOfLog {
        /// The view's position.
        position: u64,
        /// The log's last sequence.
        last: u64,
        /// Folder of the view.
        folder: String,
    },
    /// The view was folded from another log.
    #[error(
        "the view in {folder} belongs to the log created at {found}, but this log was created at {expected}. If this log \
         is right, `syncwell view rebuild --fresh` folds the view anew"
    )]
    LogMismatch {
        /// The view's log.
        found: String,
        /// This log.
        expected: String,
        /// Folder of the view.
        folder: String,
    },
    /// The view was folded by other rules, or has another format.
    #[error(
        "the view in {folder} is of format {format} and fold {fold}, this version writes format {} and fold {}. \
         `syncwell view rebuild --fresh` folds it anew",
        VIEW_FORMAT,
        FOLD_VERSION
    )]
    VersionMismatch {
        /// The view's format.
        format: u8,
        /// The view's fold.
        fold: u32,
        /// Folder of the view.
        folder: String,
    },
}
