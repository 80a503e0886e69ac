//! Putting a backup back.
//!
//! Everything is verified first, and what the target holds is compared. Then come the keys, the events and the
//! checkpoints, in this order: a projector must never see an event whose key is not there. Restoring may be killed at
//! any moment and is then run again: whatever is there and the same is passed over.
//!
//! An erased user stays erased. Where the target or the backup says that a user was erased, none of that user's keys
//! is put back: erasures that are newer than the backup stay, if the target still knows of them.

mod checkpoints;
mod error;
mod keys;

use std::path::Path;

use events::Log;
use jetstream::{Appender, Stream};
use tlog::LogVerifier;

use crate::backup_folder::{BackupManifest, EVENTS_FILE, verify_backup};
use crate::blocking_progress::run_blocking_with_progress;
use crate::log_import::{self, ImportReport};
use crate::progress_stage::ProgressStage;

pub use error::RestoreError;

/// What is filled, over the owner's connection. Nothing else may append to it meanwhile.
#[derive(Clone, Copy)]
pub struct RestoreTarget<'t> {
    /// The log.
    pub log: &'t Log,
    /// The keys' stream.
    pub keys: &'t Stream,
    /// The stream of checkpoints.
    pub checkpoints: &'t Stream,
    /// Appends to both.
    pub appender: &'t Appender,
}

/// A target that holds what a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreReport {
    /// What was put back.
    pub backup: BackupManifest,
    /// Events.
    pub events: ImportReport,
    /// Records of the keys' stream that were appended.
    pub keys_appended: u64,
    /// Those that were there already.
    pub keys_already_present: u64,
    /// Those that were left out because their users were erased.
    pub keys_of_erased_users: u64,
    /// Marks of erased users and tombstones, appended or there already, among the records above.
    pub tombstones: u64,
    /// Signed notes that were appended.
    pub checkpoints_appended: u64,
    /// Those that were there already.
    pub checkpoints_already_present: u64,
}

/// Puts a backup back: verifies it by the public key of the log's notary, compares what is there, and appends what is
/// missing.
///
/// `on_progress` is told how much of a stage is done, of how much.
pub async fn restore(
    target: RestoreTarget<'_>,
    folder: &Path,
    verifier: &LogVerifier,
    mut on_progress: impl FnMut(ProgressStage, u64, u64),
) -> Result<RestoreReport, RestoreError> {
    let (path, by) = (folder.to_owned(), verifier.clone());
    let read = run_blocking_with_progress(
        move |on_progress| verify_backup(&path, &by, on_progress),
        |done, of| on_progress(ProgressStage::Verifying, done, of),
    );
    let backup = read.await?;
    let [_, keys_file, checkpoints_file] = &backup.files;

    // A target that is another log must not be given a single key.
    let events = folder.join(EVENTS_FILE);
    let told = |done, of| on_progress(ProgressStage::Comparing, done, of);
    log_import::compare_events(target.log, &events, verifier, told).await?;
    checkpoints::compare_checkpoints(target.checkpoints, folder).await?;

    let told = |done| on_progress(ProgressStage::Keys, done, keys_file.lines);
    let keys = keys::append_missing(target.keys, target.appender, folder, told).await?;
    let told = |done, of| on_progress(ProgressStage::Events, done, of);
    let events = log_import::append_missing(target.log, &events, verifier, told).await?;
    let told = |done| on_progress(ProgressStage::Checkpoints, done, checkpoints_file.lines);
    let checkpoints = checkpoints::append_missing(target.checkpoints, target.appender, folder, told).await?;
    Ok(RestoreReport {
        backup,
        events,
        keys_appended: keys.appended,
        keys_already_present: keys.already_present,
        keys_of_erased_users: keys.of_erased_users,
        tombstones: keys.tombstones,
        checkpoints_appended: checkpoints.appended,
        checkpoints_already_present: checkpoints.already_present,
    })
}
