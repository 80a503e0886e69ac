//! `/v1/events`.

use serde_json::{Value, json};

use super::operation::{Operation, Tag};
use super::{AUTHENTICATED_ERRORS, parameters};
use crate::ProblemCode;

const SCOPES: [&str; 2] = ["sync:read", "sync:write"];

pub(super) fn get() -> Value {
    let own = [ProblemCode::NotFound, ProblemCode::HistoryTooLong, ProblemCode::LogUnavailable];
    Operation::new(Tag::Events, "getEvent", "The outcome of one of the caller's events")
        .scopes(&SCOPES)
        .parameters([parameters::event_id()])
        .json("200", "The event, and its outcome once it is known", "Accepted")
        .errors(&[own.as_slice(), &AUTHENTICATED_ERRORS].concat())
        .build()
}

pub(super) fn proof() -> Value {
    let own = [
        ProblemCode::NotFound,
        ProblemCode::ProofPending,
        ProblemCode::HistoryTooLong,
        ProblemCode::LogUnavailable,
    ];
    Operation::new(Tag::Events, "getEventProof", "Proof that one of the caller's events is in the log")
        .description(
            "The event's stored bytes, its inclusion proof and the signed checkpoint that covers it, as one C2SP tlog-proof. \
             `syncwell audit check-proof` verifies it offline with the log's public key. For some seconds after the post no \
             checkpoint covers the event: 404 with `proof_pending` and Retry-After.",
        )
        .scopes(&SCOPES)
        .parameters([parameters::event_id()])
        .content("200", "The proof", "text/plain; charset=utf-8", &json!({ "type": "string" }))
        .errors(&[own.as_slice(), &AUTHENTICATED_ERRORS].concat())
        .build()
}
