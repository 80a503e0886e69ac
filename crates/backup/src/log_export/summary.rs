//! A verified export in short, and the checkpoint that signs it.

use tlog::{Hash, TreeHead};

/// A verified export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogExport {
    /// The identity of the log that it is of.
    pub log: events::LogIdentity,
    /// How many events it holds, from the first.
    pub events: u64,
    /// The root of the tree over their stored bytes.
    pub root: Hash,
    /// The note that signs both.
    pub checkpoint: String,
}

/// A checkpoint with its tree head.
pub(crate) struct SignedCheckpoint {
    pub(crate) note: String,
    pub(crate) head: TreeHead,
}
