//! Errors below the handlers, as API errors.

use http::header;
use http_edge::ApiError;
use jetstream::AppendError;
use jiff::Timestamp;
use keys::KeyError;
use schemas::{ProblemCode, ReadBodyError, Retry, Violations};

/// Nothing can be appended now, for the given reason.
pub(crate) fn log_unavailable(reason: String) -> ApiError {
    let detail = format!("Nothing was stored: {reason}. Send the same bytes again.");
    ApiError::new(ProblemCode::LogUnavailable, detail)
}

/// The body can't be read, or is invalid. `code` is the answer to an invalid one.
pub(crate) fn body_error(code: ProblemCode, rejected: ReadBodyError, now: Timestamp) -> ApiError {
    match rejected {
        ReadBodyError::NotJson => {
            ApiError::new(ProblemCode::InvalidJson, "The body must be one JSON text in UTF-8.")
        }
        ReadBodyError::Violations(violations) => violations_error(code, violations, now),
    }
}

/// If `generated_at` is ahead of the server, the answer has the server's time; if nothing else is invalid, also the seconds
/// after which the same body is accepted.
fn violations_error(code: ProblemCode, violations: Violations, now: Timestamp) -> ApiError {
    let (accepted_from, is_only_violation) = (violations.accepted_from, violations.total == 1);
    let error = ApiError::from_violations(code, violations);
    match accepted_from {
        None => error,
        Some(_) if !is_only_violation => error.with_server_time(now),
        Some(accepted_from) => {
            let wait = accepted_from.duration_since(now);
            let seconds = wait.as_secs().saturating_add(i64::from(wait.subsec_nanos() > 0)).max(1);
            error
                .with_server_time(now)
                .with_retry(Retry::SignAgain)
                .with_header(header::RETRY_AFTER, &seconds.to_string())
        }
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
