//! Copies of what is stored: out of the broker into files, and back.
//!
//! | copy | holds | verified by | made | put back |
//! |---|---|---|---|---|
//! | an export, one file | the log's events up to a checkpoint | the notary's signature | [`export_events`] | [`import_events`] |
//! | a backup, a folder | such an export, the wrapped keys, the checkpoints | its sums; its events by the signature | [`back_up`] | [`restore`] |
//!
//! What the notary signed are the events' stored bytes and their order. Subjects, times and the wrapped keys are
//! guarded against damage by sums, not against somebody who makes the sums anew: a wrapped key that was exchanged does
//! not open, but the mark of an erased user could be taken out. Keep backups where nobody writes.
//!
//! A copy never stands half under its name, and putting one back may be killed at any moment and simply be run again:
//! what is there is compared and passed over. This crate opens nothing: contents stay sealed and keys stay wrapped.

mod chunks;
mod draft;
mod export;
mod folder;
mod import;
mod limits;
mod lines;
mod offload;
mod pages;
mod prune;
mod restore;
mod stage;
mod subject;
mod tries;
mod written;

#[cfg(test)]
mod damage;
#[cfg(test)]
mod samples;

pub use export::{
    ExportError, ExportReader, Exported, ExportedEvent, ReadExportError, export_events, verify_export,
};
pub use folder::{Backup, BackupError, BackupFile, BackupSource, ReadBackupError, back_up, read_backup};
pub use import::{ImportError, Imported, import_events};
pub use prune::{Pruned, prune};
pub use restore::{RestoreError, RestoreTarget, Restored, restore};
pub use stage::Stage;
pub use written::FileError;
