//! Error of the keeper.

use jetstream::VerifyStreamError;
use jetstream::{AppendError, ReadError};
use keys::UnwrapError;

/// Why the keeper can't start.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The stream can't be read.
    #[error("the keys' stream can't be read")]
    Read(#[from] ReadError),
    /// The stream can't be written.
    #[error("the keys' stream can't be written")]
    Append(#[from] AppendError),
    /// The stream can't be verified.
    #[error(transparent)]
    Stream(#[from] VerifyStreamError),
    /// The KEK given is not the one that the stored keys are wrapped under. Nothing was changed.
    #[error(
        "the key-encryption key is not the one that the stored keys are wrapped under; nothing was changed"
    )]
    WrongKek(#[source] UnwrapError),
    /// The KEK is one of KMS, which can't be asked now.
    #[error(transparent)]
    KmsUnavailable(UnwrapError),
}

impl From<UnwrapError> for KeeperError {
    fn from(error: UnwrapError) -> Self {
        match error {
            UnwrapError::Unavailable => Self::KmsUnavailable(error),
            UnwrapError::Format
            | UnwrapError::UnknownVersion(_)
            | UnwrapError::WrongKey(_)
            | UnwrapError::Refused(_) => Self::WrongKek(error),
        }
    }
}
