//! Parameters of the operations, each with a description and an example.

use serde_json::{Value, json};

use crate::patterns;

/// Id of a device, connection, export or erasure in the examples.
pub(super) const EXAMPLE_ID: &str = "mfrggzdfmztwq2lknnwg23tpoa";
const EXAMPLE_EVENT_ID: &str = "0197a2b0-4c3d-7e1f-8a2b-3c4d5e6f7a8b";
const EXAMPLE_HEX: &str = "6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d6d";

/// A parameter of the path.
pub(super) fn path(name: &str, description: &str, schema: &Value, example: &str) -> Value {
    parameter("path", name, true, description, schema, example)
}

/// A required parameter of the query.
pub(super) fn query(name: &str, description: &str, schema: &Value, example: &str) -> Value {
    parameter("query", name, true, description, schema, example)
}

/// The id of a resource in the path.
pub(super) fn own_id(name: &str, description: &str) -> Value {
    path(name, description, &matching(patterns::OWN_ID), EXAMPLE_ID)
}

/// `{event_id}` in the path.
pub(super) fn event_id() -> Value {
    path("event_id", "The event.", &json!({ "type": "string", "format": "uuid" }), EXAMPLE_EVENT_ID)
}

/// `{date}` in the path.
pub(super) fn date() -> Value {
    path("date", "The civil date.", &civil_date(), "2026-02-16")
}

/// The two ends of a range of dates.
pub(super) fn date_range() -> [Value; 2] {
    [
        query("from", "The first date.", &civil_date(), "2026-02-01"),
        query("to", "The last date, at most 366 days in all.", &civil_date(), "2026-02-28"),
    ]
}

/// The query of a download link.
pub(super) fn link() -> [Value; 3] {
    [
        query("user", "Of the link.", &matching(patterns::OWN_ID), EXAMPLE_ID),
        query("expires", "Of the link: unix seconds.", &matching(patterns::LINK_EXPIRY), "1771289985"),
        query("signature", "Of the link.", &matching(patterns::HEX_32_BYTES), EXAMPLE_HEX),
    ]
}

/// The headers of a signature: required for a request that must be signed.
pub(super) fn signature(is_required: bool) -> [Value; 3] {
    let header = |name, is_required, description, pattern, example| {
        parameter("header", name, is_required, description, &matching(pattern), example)
    };
    [
        header(
            "X-Sync-Timestamp",
            is_required,
            "Unix seconds, unix milliseconds (13 digits) or RFC 3339; within 300 seconds of the server.",
            patterns::SIGNED_TIMESTAMP,
            "1771286385",
        ),
        header(
            "X-Sync-Signature",
            is_required,
            "Lowercase hex of HMAC-SHA-256(key, timestamp + \".\" + body), also as `v1=<hex>`; up to 4, separated by commas.",
            patterns::SIGNATURES,
            &format!("v1={EXAMPLE_HEX}"),
        ),
        header(
            "X-Sync-Key-Id",
            false,
            "Which signing key; without it the user's default key.",
            patterns::SIGNING_KEY_ID,
            &format!("1.{EXAMPLE_ID}"),
        ),
    ]
}

/// `Prefer` (RFC 7240).
pub(super) fn prefer(description: &str) -> Value {
    parameter("header", "Prefer", false, description, &json!({ "type": "string" }), "wait=5")
}

/// `If-None-Match`.
pub(super) fn if_none_match() -> Value {
    let description = "An `ETag` of this row. If it is still the row's, the answer is 304.";
    let example = r#"W/"0123456789abcdef0123456789abcdef""#;
    parameter("header", "If-None-Match", false, description, &json!({ "type": "string" }), example)
}

/// A text that matches a pattern.
pub(super) fn matching(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": pattern })
}

fn civil_date() -> Value {
    json!({ "type": "string", "format": "date" })
}

fn parameter(
    location: &str,
    name: &str,
    is_required: bool,
    description: &str,
    schema: &Value,
    example: &str,
) -> Value {
    json!({
        "name": name, "in": location, "required": is_required,
        "description": description, "schema": schema, "example": example,
    })
}
