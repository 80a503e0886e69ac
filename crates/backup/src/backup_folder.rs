//! The full backup: a folder, format 1.
//!
//! | file | holds | a line |
//! |---|---|---|
//! | `events.ndjson` | the export of the log ([`crate::log_export`]) | |
//! | `keys.ndjson` | the keys' stream, by sequence, each subject once | `{"subject":"$KV.keys.…","record_base64":"…"}` |
//! | `checkpoints.ndjson` | the signed notes in order, up to the export's | `{"checkpoint":"…"}` |
//! | `backup.json` | what the backup is ([`manifest`]) | |
//!
//! Other files in the folder are left alone.

mod checkpoints;
mod create;
mod keys;
mod lines;
mod manifest;
mod verify;

pub(crate) use checkpoints::CHECKPOINTS_SUBJECT;
#[cfg(test)]
pub(crate) use checkpoints::render_checkpoint as render_note;
pub use create::{BackupSource, CreateBackupError, create_backup};
pub(crate) use keys::{KeyRecord, is_tombstone};
pub(crate) use lines::{BackupLines, SignedNote};
pub use manifest::{BackupFile, BackupManifest};
pub use verify::{ReadBackupError, verify_backup};

pub(crate) const EVENTS_FILE: &str = "events.ndjson";
pub(crate) const KEYS_FILE: &str = "keys.ndjson";
pub(crate) const CHECKPOINTS_FILE: &str = "checkpoints.ndjson";
pub(crate) const MANIFEST_FILE: &str = "backup.json";
/// The files that the manifest lists, in its order.
pub(crate) const FILES: [&str; 3] = [EVENTS_FILE, KEYS_FILE, CHECKPOINTS_FILE];
