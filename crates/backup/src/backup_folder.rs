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
mod error;
mod keys;
mod layout;
mod lines;
mod manifest;
mod verify;

pub(crate) use checkpoints::CHECKPOINTS_SUBJECT;
#[cfg(test)]
pub(crate) use checkpoints::render_checkpoint as render_note;
pub use create::{BackupSource, create_backup};
pub use error::{CreateBackupError, ReadBackupError};
pub(crate) use keys::{KeyRecord, is_tombstone};
#[cfg(test)]
pub(crate) use layout::CHECKPOINTS_FILE;
pub(crate) use layout::{EVENTS_FILE, FILES, KEYS_FILE, MANIFEST_FILE};
pub(crate) use lines::{BackupLines, SignedNote};
pub use manifest::{BackupFile, BackupManifest};
pub use verify::verify_backup;
