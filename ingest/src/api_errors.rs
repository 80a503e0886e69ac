//! Errors below the handlers, as API errors.

use http_edge::ApiError;
use jetstream::AppendError;
use keys::KeyError;
use schemas::{ProblemCode, ReadBodyError};

/// Nothing can be appended now, for the given reason.
pub(crate) fn log_unavailable(reason: String) -> ApiError {
    let detail = format!("Nothing was stored: {reason}. Send the same bytes again.");
    ApiError::new(ProblemCode::LogUnavailable, detail)
}

/// The body can't be read, or is invalid. `code` is the answer to an invalid one.
pub(crate) fn body_error(code: ProblemCode, rejected: ReadBodyError) -> ApiError {
    match rejected {
        ReadBodyError::NotJson => {
            ApiError::new(ProblemCode::InvalidJson, "The body must be one JSON text in UTF-8.")
        }
        ReadBodyError::Violations(violations) => ApiError::violations(code, violations),
    }
}

/// An event of an account may not be in the log. Sending the request again is safe: a device or connection that was never
/// returned to its user has no effect, and revocation is idempotent.
pub(crate) fn account_append_error(error: &AppendError) -> ApiError {
    let (code, detail) = match error {
        AppendError::Unknown => {
            (ProblemCode::OutcomeUnknown, "The log did not confirm in time. Send the same request again.")
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            (ProblemCode::LogUnavailable, "The log does not tell of this yet. Send the same request again.")
        }
    };
    ApiError::new(code, detail)
}

/// The account's data key can't be used.
pub(crate) fn data_key_error(error: &KeyError) -> ApiError {
    match error {
        KeyError::Erased => ApiError::account_erased(),
        KeyError::Unavailable => ApiError::new(
            ProblemCode::LogUnavailable,
            "Nothing was stored: the keys can't be reached. Send the same bytes again.",
        ),
        KeyError::Unwrap(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "INCIDENT: a data key does not open");
            ApiError::new(
                ProblemCode::Internal,
                "The account's key can't be used. The operator has been told.",
            )
        }
    }
}

/// An event that the log stores at most once may not be in the log.
pub(crate) fn append_error(error: &AppendError) -> ApiError {
    match error {
        AppendError::Unknown => {
            let detail =
                "The event may have been stored. Send the same bytes again: it is stored at most once.";
            ApiError::new(ProblemCode::OutcomeUnknown, detail)
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            tracing::warn!(error = error as &dyn std::error::Error, "an event was not appended");
            ApiError::new(ProblemCode::LogUnavailable, "Nothing was stored. Send the same bytes again.")
        }
    }
}
