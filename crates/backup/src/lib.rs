//! Copies of what is stored: out of the broker into files, and back.
//!
//! | copy | holds | verified by | made | put back |
//! |---|---|---|---|---|
//! | an export, one file | the log's events up to a checkpoint | the notary's signature | [`export_events`] | [`import_events`] |
//! | a backup, a folder | such an export, the wrapped keys, the checkpoints | its sums; its events by the signature | [`create_backup`] | [`restore()`] |
//!
//! What the notary signed are the events' stored bytes and their order. Subjects, times and the wrapped keys are
//! guarded against damage by sums, not against somebody who makes the sums anew: a wrapped key that was exchanged does
//! not open, but the mark of an erased user could be taken out. Keep backups where nobody writes.
//!
//! A copy never stands half under its name, and putting one back may be killed at any moment and simply be run again:
//! what is there is compared and passed over. This crate opens nothing: contents stay sealed and keys stay wrapped.

mod backup_folder;
mod blocking_progress;
mod chunk_reader;
mod hashed_file;
mod json_line;
mod limits;
mod line_reader;
mod log_export;
mod log_import;
mod progress_stage;
mod prune;
mod restore;
mod retry;
mod staged_path;
mod stream_pages;
mod subject;

#[cfg(test)]
mod tests;

pub use backup_folder::{
    BackupFile, BackupManifest, BackupSource, CreateBackupError, ReadBackupError, create_backup,
    verify_backup,
};
pub use hashed_file::FileError;
pub use log_export::{
    ExportedEvent, LogExport, LogExportError, LogExportReader, ReadLogExportError, export_events,
    verify_log_export,
};
pub use log_import::{ImportError, ImportReport, import_events};
pub use progress_stage::ProgressStage;
pub use prune::{PruneReport, prune};
pub use restore::{RestoreError, RestoreReport, RestoreTarget, restore};
