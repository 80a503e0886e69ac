//! Why a request to a callback is refused. None of these says anything of what was sent.

/// A refused request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// The path has a wrong secret, or none.
    #[error("the callback's path is wrong")]
    InvalidPathSecret,
    /// The provider's scheme has no such method.
    #[error("the provider does not use this method")]
    MethodNotAllowed,
    /// The signature is wrong, missing or there twice; or so is what stands in for one.
    #[error("the signature is wrong")]
    InvalidSignature {
        /// What the provider wants a wrong signature answered with.
        status: u16,
    },
    /// The signature names a key that is not in the key set. Fetch the set again, now and then, and let the provider
    /// send it again.
    #[error("the signature's key is not known")]
    UnknownKey {
        /// What the provider wants a wrong signature answered with.
        status: u16,
    },
    /// A handshake with a wrong code or token.
    #[error("the verification token is wrong")]
    InvalidVerifyToken {
        /// What the provider wants it answered with.
        status: u16,
    },
    /// Rightly signed, and too long ago or too far ahead.
    #[error("the delivery is stale")]
    StaleTimestamp,
    /// It is the provider, but a part that must be read can't be.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// It can't be judged, as something is not configured yet. The provider may send it again.
    #[error("not configured: {0}")]
    NotConfigured(&'static str),
}

impl WebhookError {
    /// The HTTP status that says so.
    pub fn status(&self) -> u16 {
        match self {
            Self::InvalidPathSecret => 404,
            Self::MethodNotAllowed => 405,
            Self::InvalidSignature { status }
            | Self::UnknownKey { status }
            | Self::InvalidVerifyToken { status } => *status,
            Self::StaleTimestamp => 401,
            Self::Malformed(_) => 400,
            Self::NotConfigured(_) => 503,
        }
    }
}
