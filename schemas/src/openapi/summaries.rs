//! `/v1/summaries`.

use serde_json::Value;

use super::operation::{Operation, Tag};
use super::{AUTHENTICATED_ERRORS, parameters};
use crate::ProblemCode;

pub(super) fn post() -> Value {
    let [timestamp, signature, key_id] = parameters::signature(true);
    let prefer = parameters::prefer(
        "`wait=N` (seconds, at most 10) for the outcome, or `respond-async` for an answer at once (RFC 7240).",
    );
    Operation::new(Tag::Summaries, "postSummary", "Post a signed daily summary")
        .description(
            "Checked in this order: size, rate per IP, JWT, rate per user and global, timestamp, signature, content type, \
             syntax, schema and bounds. Answered after the event is on stable storage. The same signed request again, \
             within the window, appends nothing and is answered with the first event's name.\n\n\
             Three rules are not in the schema, each answered 422 with its pointer: `date` is from 2010-01-01 to the \
             latest date anywhere on Earth; `generated_at` is not before the date begins and at most 10 minutes ahead of \
             the server; no two workouts have the same type and start, and each starts within the date, give or take one \
             day.",
        )
        .scopes(&["sync:write"])
        .parameters([timestamp, signature, key_id, prefer])
        .body("Summary", true)
        .json("200", "Folded, or this very request was accepted before (`replayed`)", "Accepted")
        .json("201", "Folded; the event made the row", "Accepted")
        .json("202", "On stable storage; the outcome was not known within the wait", "Accepted")
        .header("202", "Location", "The event: its outcome once it is known.")
        .links(
            &["200", "201", "202"],
            &[
                ("Event", "getEvent", "event_id", "event_id"),
                ("Proof", "getEventProof", "event_id", "event_id"),
                ("Row", "getSummary", "date", "date"),
                ("History", "getHistory", "date", "date"),
            ],
        )
        .errors(&[
            ProblemCode::InvalidJson,
            ProblemCode::InvalidHeader,
            ProblemCode::InvalidToken,
            ProblemCode::InvalidSignature,
            ProblemCode::KeyRevoked,
            ProblemCode::StaleTimestamp,
            ProblemCode::InsufficientScope,
            ProblemCode::DeviceCompromised,
            ProblemCode::RequestTimeout,
            ProblemCode::AccountErased,
            ProblemCode::BodyTooLarge,
            ProblemCode::UnsupportedMediaType,
            ProblemCode::InvalidSummary,
            ProblemCode::RateLimited,
            ProblemCode::LogUnavailable,
            ProblemCode::OutcomeUnknown,
            ProblemCode::IssuerUnavailable,
            ProblemCode::Internal,
            ProblemCode::TooManyConnections,
        ])
        .build()
}

pub(super) fn list() -> Value {
    read("getSummaries", "The rows of a range of dates", "RowsDocument")
        .description("`from` must not be after `to`; at most 366 dates.")
        .parameters(parameters::date_range())
        .errors(&[&[ProblemCode::InvalidParameter], AUTHENTICATED_ERRORS.as_slice()].concat())
        .build()
}

pub(super) fn get() -> Value {
    const ETAG: &str = "Changes when the row does.";
    let own = [ProblemCode::InvalidParameter, ProblemCode::NotFound];
    read("getSummary", "The row of one date", "RowDocument")
        .parameters([parameters::date(), parameters::if_none_match()])
        .header("200", "ETag", ETAG)
        .empty("304", "The row is what If-None-Match names.")
        .header("304", "ETag", ETAG)
        .errors(&[own.as_slice(), &AUTHENTICATED_ERRORS].concat())
        .build()
}

pub(super) fn history() -> Value {
    let own = [
        ProblemCode::InvalidParameter,
        ProblemCode::NotFound,
        ProblemCode::HistoryTooLong,
        ProblemCode::LogUnavailable,
    ];
    read("getHistory", "The events of a row, and the source of each value", "HistoryDocument")
        .parameters([parameters::date()])
        .errors(&[own.as_slice(), &AUTHENTICATED_ERRORS].concat())
        .build()
}

fn read(id: &str, summary: &str, component: &str) -> Operation {
    Operation::new(Tag::Summaries, id, summary).scopes(&["sync:read"]).json("200", summary, component)
}
