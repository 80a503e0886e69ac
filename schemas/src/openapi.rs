//! The OpenAPI 3.1 document, put together from the types and the contract's tables.

mod connections;
mod device_reports;
mod devices;
mod erasures;
mod exports;
mod webhooks;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::summary::json_schema;
use crate::{
    Accepted, AuthorizeRequest, ConnectRequest, ConnectionDocument, ConnectionStarted, ConnectionsDocument,
    DeviceDocument, DeviceReport, DeviceReportAccepted, DevicesDocument, EnrolRequest, EnrolledDevice,
    EraseRequest, ErasureAccepted, ErasureDocument, ExportAccepted, ExportDocument, HistoryDocument, Problem,
    ProblemCode, ReauthRequest, RowDocument, RowsDocument,
};

/// What every operation of one's own data can be refused with.
const AUTHENTICATED_ERRORS: [ProblemCode; 8] = [
    ProblemCode::InvalidHeader,
    ProblemCode::InvalidToken,
    ProblemCode::InsufficientScope,
    ProblemCode::RateLimited,
    ProblemCode::Internal,
    ProblemCode::ViewUnavailable,
    ProblemCode::IssuerUnavailable,
    ProblemCode::TooManyConnections,
];

/// What every change of something of one's own, a device or a connection, can be refused with.
const CHANGE_ERRORS: [ProblemCode; 11] = [
    ProblemCode::InvalidHeader,
    ProblemCode::InvalidToken,
    ProblemCode::KeyRevoked,
    ProblemCode::InsufficientScope,
    ProblemCode::AccountErased,
    ProblemCode::RateLimited,
    ProblemCode::Internal,
    ProblemCode::LogUnavailable,
    ProblemCode::OutcomeUnknown,
    ProblemCode::IssuerUnavailable,
    ProblemCode::TooManyConnections,
];

/// The document.
pub(crate) fn document() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "SyncWell",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Signed daily health summaries in, one explained row per user and day out.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "paths": {
            "/v1/summaries": { "post": post_summary(), "get": get_rows() },
            "/v1/summaries/{date}": { "get": get_row() },
            "/v1/summaries/{date}/history": { "get": get_history() },
            "/v1/events/{event_id}": { "get": get_event() },
            "/v1/events/{event_id}/proof": { "get": get_proof() },
            "/v1/devices": { "post": devices::enrol(), "get": devices::list() },
            "/v1/devices/{device_id}": { "get": devices::get(), "delete": devices::revoke() },
            "/v1/device-reports": { "post": device_reports::post() },
            "/v1/connections": { "post": connections::connect(), "get": connections::list() },
            "/v1/connections/{connection_id}": { "get": connections::get(), "delete": connections::revoke() },
            "/v1/connections/{connection_id}/authorize": { "post": connections::authorize() },
            "/v1/connections/{connection_id}/reauth": { "post": connections::reauth() },
            "/v1/exports": { "post": exports::request() },
            "/v1/exports/{export_id}": { "get": exports::get() },
            "/v1/exports/{export_id}/download": { "get": exports::download() },
            "/v1/erasures": { "post": erasures::erase() },
            "/v1/erasures/{erasure_id}": { "get": erasures::get() },
            "/v1/erasures/{erasure_id}/cancel": { "post": erasures::cancel() },
            "/v1/webhooks/{provider}": webhooks::path(false),
            "/v1/webhooks/{provider}/{secret}": webhooks::path(true),
            "/livez": { "get": plain_operation("The process runs", "text/plain", &[]) },
            "/readyz": { "get": plain_operation("The log answers and the view has caught up", "text/plain", &[("503", "Not ready; the body says why")]) },
            "/metrics": { "get": plain_operation("Prometheus text", "text/plain; version=0.0.4", &[]) },
            "/openapi.json": { "get": plain_operation("This document", "application/json", &[]) },
        },
        "components": {
            "schemas": components(),
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "Signed by a configured key (EdDSA, ES256 or RS256), with iss, aud, sub, iat and exp; at most 1 hour from iat to exp.",
            }, "receiptToken": {
                "type": "http", "scheme": "bearer", "description": "What POST /v1/erasures gave as receipt_token; good for that erasure, without an end.",
            } },
            "headers": {
                "X-Correlation-Id": { "description": "The request's name in the logs.", "schema": { "type": "string" } },
            },
        },
    })
}

/// The component schemas; `$ref`s point to each other within the document.
fn components() -> Value {
    let mut generator = SchemaGenerator::new(SchemaSettings::openapi3().with(|settings| {
        settings.meta_schema = None;
        settings.transforms.clear();
    }));
    generator.subschema_for::<Accepted>();
    generator.subschema_for::<RowDocument>();
    generator.subschema_for::<RowsDocument>();
    generator.subschema_for::<HistoryDocument>();
    generator.subschema_for::<EnrolRequest>();
    generator.subschema_for::<EnrolledDevice>();
    generator.subschema_for::<DeviceDocument>();
    generator.subschema_for::<DevicesDocument>();
    generator.subschema_for::<ConnectRequest>();
    generator.subschema_for::<ReauthRequest>();
    generator.subschema_for::<AuthorizeRequest>();
    generator.subschema_for::<ConnectionStarted>();
    generator.subschema_for::<ConnectionDocument>();
    generator.subschema_for::<ConnectionsDocument>();
    generator.subschema_for::<DeviceReport>();
    generator.subschema_for::<DeviceReportAccepted>();
    generator.subschema_for::<ExportAccepted>();
    generator.subschema_for::<ExportDocument>();
    generator.subschema_for::<EraseRequest>();
    generator.subschema_for::<ErasureAccepted>();
    generator.subschema_for::<ErasureDocument>();
    generator.subschema_for::<Problem>();
    let mut schemas = generator.take_definitions(true);
    schemas.insert("Summary".to_owned(), json_schema::summary(false));
    schemas.into()
}

fn post_summary() -> Value {
    let mut responses = Map::new();
    responses.insert("201".into(), json_response("Folded; the event made the row", "Accepted"));
    responses.insert(
        "200".into(),
        json_response("Folded, or this very request was accepted before (`replayed`)", "Accepted"),
    );
    let mut accepted =
        json_response("On stable storage; the outcome was not known within the wait", "Accepted");
    accepted["headers"]["Location"] =
        json!({ "description": "Where the outcome will stand.", "schema": { "type": "string" } });
    responses.insert("202".into(), accepted);
    insert_problem_responses(
        &mut responses,
        &[
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
        ],
    );
    json!({
        "operationId": "postSummary",
        "summary": "Post a signed daily summary (scope sync:write)",
        "description": "Checked in this order: size, rate per IP, JWT, rate per user and global, timestamp, signature, \
            content type, syntax, schema and bounds. Answered after the event is on stable storage. The same signed \
            request again, within the window, appends nothing and is answered with the first event's name.",
        "security": [{ "token": [] }],
        "parameters": signed_headers(),
        "requestBody": { "required": true, "content": { "application/json": { "schema": reference("Summary") } } },
        "responses": responses,
    })
}

/// The headers of a request that a phone signs.
fn signed_headers() -> Value {
    let header = |name: &str, required: bool, description: &str| json!({ "name": name, "in": "header", "required": required, "description": description, "schema": { "type": "string" } });
    json!([
        header(
            "X-Sync-Timestamp",
            true,
            "Unix seconds, unix milliseconds (13 digits) or RFC 3339; within 300 seconds of the server."
        ),
        header(
            "X-Sync-Signature",
            true,
            "Lowercase hex of HMAC-SHA-256(key, timestamp + \".\" + body), also as `v1=<hex>`; up to 4, separated by commas."
        ),
        header("X-Sync-Key-Id", false, "Which signing key; without it the user's default key."),
        header(
            "Prefer",
            false,
            "`wait=N` (seconds, at most 10) for the outcome, or `respond-async` for an answer at once (RFC 7240)."
        ),
    ])
}

fn get_rows() -> Value {
    let day = |name: &str, description: &str| json!({ "name": name, "in": "query", "required": true, "description": description, "schema": { "type": "string", "format": "date" } });
    read_operation(
        "getSummaries",
        "The rows of a range of dates (scope sync:read)",
        "RowsDocument",
        &[day("from", "The first date."), day("to", "The last date, at most 366 days in all.")],
        &[ProblemCode::InvalidParameter],
    )
}

fn get_row() -> Value {
    let mut operation = read_operation(
        "getSummary",
        "The row of one date (scope sync:read)",
        "RowDocument",
        &[date_parameter()],
        &[ProblemCode::InvalidParameter, ProblemCode::NotFound],
    );
    operation["responses"]["200"]["headers"]["ETag"] =
        json!({ "description": "Changes when the row does.", "schema": { "type": "string" } });
    operation["responses"]["304"] = json!({ "description": "The row is what If-None-Match names." });
    operation
}

fn get_history() -> Value {
    read_operation(
        "getHistory",
        "Why the row is what it is (scope sync:read)",
        "HistoryDocument",
        &[date_parameter()],
        &[
            ProblemCode::InvalidParameter,
            ProblemCode::NotFound,
            ProblemCode::HistoryTooLong,
            ProblemCode::LogUnavailable,
        ],
    )
}

fn get_event() -> Value {
    let id = json!({ "name": "event_id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } });
    read_operation(
        "getEvent",
        "What became of an event of one's own (scope sync:read or sync:write)",
        "Accepted",
        &[id],
        &[ProblemCode::NotFound, ProblemCode::HistoryTooLong, ProblemCode::LogUnavailable],
    )
}

fn get_proof() -> Value {
    let mut operation = read_operation(
        "getEventProof",
        "That an event of one's own is in the log (scope sync:read or sync:write)",
        "Accepted",
        &[
            json!({ "name": "event_id", "in": "path", "required": true, "schema": { "type": "string", "format": "uuid" } }),
        ],
        &[
            ProblemCode::NotFound,
            ProblemCode::ProofPending,
            ProblemCode::HistoryTooLong,
            ProblemCode::LogUnavailable,
        ],
    );
    operation["description"] = json!(
        "The event's stored bytes, its inclusion proof and the signed checkpoint that covers it, as one C2SP tlog-proof: \
         whoever has the log's public key verifies it offline (`syncwell audit check-proof`). Within some seconds of the \
         post no checkpoint covers the event yet: 404 with `proof_pending` and Retry-After."
    );
    operation["responses"]["200"]["content"] =
        json!({ "text/plain; charset=utf-8": { "schema": { "type": "string" } } });
    operation
}

fn read_operation(
    id: &str,
    summary: &str,
    schema: &str,
    parameters: &[Value],
    codes: &[ProblemCode],
) -> Value {
    let mut responses = Map::new();
    responses.insert("200".into(), json_response(summary, schema));
    insert_problem_responses(&mut responses, &[codes, &AUTHENTICATED_ERRORS].concat());
    json!({ "operationId": id, "summary": summary, "security": [{ "token": [] }], "parameters": parameters, "responses": responses })
}

fn date_parameter() -> Value {
    json!({ "name": "date", "in": "path", "required": true, "schema": { "type": "string", "format": "date" } })
}

fn json_response(description: &str, schema: &str) -> Value {
    json!({
        "description": description,
        "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
        "content": { "application/json": { "schema": reference(schema) } },
    })
}

/// One response per status, naming every code that it can carry.
fn insert_problem_responses(responses: &mut Map<String, Value>, codes: &[ProblemCode]) {
    let mut statuses: Vec<_> = codes.iter().map(|code| code.status()).collect();
    statuses.sort_unstable();
    statuses.dedup();
    for status in statuses {
        let these: Vec<_> = codes
            .iter()
            .filter(|code| code.status() == status)
            .map(|code| format!("`{}`: {}", code.as_str(), code.title()))
            .collect();
        let mut response = json!({
            "description": these.join("; "),
            "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
            "content": { "application/problem+json": { "schema": reference("Problem") } },
        });
        let headers: &[(&str, &str)] = match status {
            401 => &[("WWW-Authenticate", "For `invalid_token` (RFC 6750).")],
            429 => &[
                ("Retry-After", "Seconds."),
                ("RateLimit", "What is left."),
                ("RateLimit-Policy", "The limits."),
            ],
            503 => &[("Retry-After", "Seconds.")],
            _ => &[],
        };
        for (name, description) in headers {
            response["headers"][name] = json!({ "description": description, "schema": { "type": "string" } });
        }
        responses.insert(status.to_string(), response);
    }
}

fn plain_operation(summary: &str, content_type: &str, others: &[(&str, &str)]) -> Value {
    let mut operation = json!({ "summary": summary, "responses": { "200": { "description": summary, "content": { content_type: {} } } } });
    for (status, description) in others {
        operation["responses"][status] = json!({ "description": description });
    }
    operation
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}
