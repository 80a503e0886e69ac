//! `/v1/erasures`.

use serde_json::Value;

use super::operation::{Operation, Tag};
use super::{CHANGE_ERRORS, parameters};
use crate::ProblemCode;

pub(super) fn erase() -> Value {
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::UnsupportedMediaType,
        ProblemCode::InvalidRequest,
    ];
    Operation::new(Tag::Erasures, "eraseAccount", "Erase the caller's account for good")
        .description(
            "The body repeats the token's user id. The token must be issued at most 5 minutes ago: an older one is answered \
             401 with `error=\"insufficient_user_authentication\"` (RFC 9470). From the first step on, every other request \
             for the account is answered 410, within a second on every ingest, and as long as the log exists: an account is \
             not recovered, and no other is created under the same user id. A second request is answered with the same \
             erasure and receipt token.",
        )
        .scopes(&["account:manage"])
        .body("EraseRequest", true)
        .json("202", "The account will be erased; keep the receipt token", "ErasureAccepted")
        .header("202", "Location", "The erasure.")
        .links(
            &["202"],
            &[
                ("Erasure", "getErasure", "erasure_id", "erasure_id"),
                ("Cancellation", "cancelErasure", "erasure_id", "erasure_id"),
            ],
        )
        .errors(&[own.as_slice(), &change_errors()].concat())
        .build()
}

pub(super) fn get() -> Value {
    Operation::new(Tag::Erasures, "getErasure", "Progress of an erasure, and the receipt once it is done")
        .description(
            "As long as the log exists. The receipt is the inclusion proof (C2SP tlog-proof) of the event that records the \
             erasure and what was destroyed; `syncwell audit check-erasure` verifies it with the log's public key alone.",
        )
        .receipt_token()
        .parameters([erasure_id()])
        .json("200", "The erasure", "ErasureDocument")
        .errors(&[
            ProblemCode::InvalidHeader,
            ProblemCode::InvalidToken,
            ProblemCode::NotFound,
            ProblemCode::RateLimited,
            ProblemCode::Internal,
            ProblemCode::LogUnavailable,
            ProblemCode::ViewUnavailable,
            ProblemCode::TooManyConnections,
        ])
        .build()
}

pub(super) fn cancel() -> Value {
    let own = [
        ProblemCode::NotFound,
        ProblemCode::WrongStatus,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
    ];
    let prefer =
        parameters::prefer("`wait=N` (seconds, at most 10), or `respond-async` for 202 at once (RFC 7240).");
    Operation::new(Tag::Erasures, "cancelErasure", "Cancel an erasure")
        .description(
            "While it is `pending`, if the operator configured a grace period; afterwards `wrong_status`.",
        )
        .scopes(&["account:manage"])
        .receipt_token()
        .parameters([erasure_id(), prefer])
        .empty("202", "Accepted; whether it was in time was not known within the wait")
        .header("202", "Location", "The erasure.")
        .empty("204", "Cancelled")
        .errors(&[own.as_slice(), &change_errors()].concat())
        .build()
}

/// An erasure can be requested, read and cancelled for an erased account too.
fn change_errors() -> Vec<ProblemCode> {
    CHANGE_ERRORS.into_iter().filter(|code| *code != ProblemCode::AccountErased).collect()
}

fn erasure_id() -> Value {
    parameters::own_id("erasure_id", "The erasure.")
}
