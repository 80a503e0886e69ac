//! Reasons why following a stream ends.

use crate::direct_get::ReadError;

/// Why following ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The connection or the pull broke. Begin again from the position.
    #[error("the stream can't be followed for the moment")]
    Interrupted(#[source] Option<ReadError>),
    /// The stream lacks a message. Streams that are followed never lack one.
    #[error("the stream has a hole: sequence {expected} is missing, {found} follows")]
    Gap {
        /// The sequence after the last one.
        expected: u64,
        /// The sequence of the delivered message.
        found: u64,
    },
}

impl FollowError {
    pub(super) const INTERRUPTED: Self = Self::Interrupted(None);
}
