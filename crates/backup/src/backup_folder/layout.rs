//! File names in the folder of a backup.

pub(crate) const EVENTS_FILE: &str = "events.ndjson";
pub(crate) const KEYS_FILE: &str = "keys.ndjson";
pub(crate) const CHECKPOINTS_FILE: &str = "checkpoints.ndjson";
pub(crate) const MANIFEST_FILE: &str = "backup.json";
/// The files that the manifest lists, in its order.
pub(crate) const FILES: [&str; 3] = [EVENTS_FILE, KEYS_FILE, CHECKPOINTS_FILE];
