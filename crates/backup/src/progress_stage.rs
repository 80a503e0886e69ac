//! How far copying or putting back has come.

/// What is under way. Progress is told in its units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressStage {
    /// Files are being verified; events.
    Verifying,
    /// What the target holds is held against the backup; events.
    Comparing,
    /// Events.
    Events,
    /// Records of the keys' stream.
    Keys,
    /// Signed notes.
    Checkpoints,
}
