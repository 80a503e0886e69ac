//! Failures of token requests.

use oauth2::RequestTokenError;
use oauth2::basic::BasicErrorResponse;

/// Failure of a token request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenRequestError {
    /// The provider refuses the code or the refresh token, for good.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// The provider refuses who asks, or how: this installation's settings are wrong, and no token is used up.
    #[error("the provider refuses this installation: {0}")]
    Misconfigured(String),
    /// The provider has not acted; later it may.
    #[error("the provider is not to be had now")]
    Unavailable,
    /// The outcome is unknown.
    #[error("what came of the request is not known: {0}")]
    OutcomeUnknown(&'static str),
}

/// Failure as the oauth2 crate reports it.
pub(super) type TokenEndpointError = RequestTokenError<TokenTransportError, BasicErrorResponse>;

/// Failure before the answer was parsed as OAuth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub(super) struct TokenTransportError(pub(super) TokenRequestError);
