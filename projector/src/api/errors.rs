//! Errors that the API answers with.

use http_edge::ApiError;
use notary_client::FetchProofError;
use schemas::ProblemCode;

use crate::decrypt::DecryptError;
use crate::projection::ReadEntryError;
use crate::query_service::QueryError;

pub(super) fn not_found(what: &str) -> ApiError {
    ApiError::new(ProblemCode::NotFound, format!("There is no {what} of yours here."))
}

/// Maps a failed query to the answer. Failures that an operator must see are logged here, once.
pub(super) fn to_api_error(failure: &QueryError) -> ApiError {
    match failure {
        QueryError::ViewNotOpen => {
            ApiError::new(ProblemCode::ViewUnavailable, "The view is not open yet. Try again.")
        }
        QueryError::View(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "the view can't be read");
            ApiError::new(ProblemCode::ViewUnavailable, "The view can't be read now. Try again.")
        }
        QueryError::Decrypt(DecryptError::Unavailable) | QueryError::Entry(ReadEntryError::Unavailable) => {
            ApiError::new(ProblemCode::ViewUnavailable, "The keys can't be reached now. Try again.")
        }
        QueryError::Entry(ReadEntryError::Erased) => ApiError::new(
            ProblemCode::AccountErased,
            "The account was erased, and nobody can open this any more.",
        ),
        QueryError::Decrypt(DecryptError::Poison(_))
        | QueryError::Entry(ReadEntryError::Damaged(_) | ReadEntryError::KeyUnusable(_)) => {
            tracing::error!(error = failure as &dyn std::error::Error, "a row or an event can't be opened");
            ApiError::new(ProblemCode::Internal, "This can't be opened. The operator has been told.")
        }
        QueryError::Proof(FetchProofError::NotYet) => ApiError::new(
            ProblemCode::ProofPending,
            "No checkpoint covers this event yet. Ask again in a few seconds.",
        ),
        QueryError::Proof(
            error @ (FetchProofError::OtherKey(_)
            | FetchProofError::Unavailable(_)
            | FetchProofError::Refused(_)
            | FetchProofError::InvalidProof(_)),
        ) => {
            tracing::error!(error = error as &dyn std::error::Error, "a proof can't be had");
            ApiError::new(ProblemCode::LogUnavailable, "The proof can't be made now. Try again.")
        }
        QueryError::Log(_) => {
            ApiError::new(ProblemCode::LogUnavailable, "The log can't be read now. Try again.")
        }
        // An operator's alone to ask.
        QueryError::BeyondLogEnd(_) => {
            ApiError::new(ProblemCode::InvalidParameter, "The log does not reach so far.")
        }
        QueryError::TooManyEvents => {
            ApiError::new(ProblemCode::HistoryTooLong, "This row has more events than can be told at once.")
        }
    }
}
