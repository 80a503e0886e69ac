//! The OpenAPI 3.1 document: the operations of the contract, with schemas from the types.
//!
//! `tests/openapi.rs` compares the document with the routers both ways.

pub(crate) mod components;
mod connections;
mod device_reports;
mod devices;
mod erasures;
mod events;
mod exports;
mod operation;
mod parameters;
mod service;
mod summaries;
mod webhooks;

use serde_json::{Value, json};

use crate::ProblemCode;

/// Errors of every read of the caller's own data.
const AUTHENTICATED_ERRORS: [ProblemCode; 9] = [
    ProblemCode::InvalidHeader,
    ProblemCode::InvalidToken,
    ProblemCode::InsufficientScope,
    ProblemCode::AccountErased,
    ProblemCode::RateLimited,
    ProblemCode::Internal,
    ProblemCode::ViewUnavailable,
    ProblemCode::IssuerUnavailable,
    ProblemCode::TooManyConnections,
];

/// Errors of every change of the caller's own devices, connections, exports and account.
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

const DESCRIPTION: &str = "Phones post signed daily health summaries. SyncWell appends each as an event to a log, merges \
    the events to one row per user and day, and explains every value of it.\n\n\
    Every answer has `X-Correlation-Id`. Errors are `application/problem+json` (RFC 9457) with a stable `code`. A 2xx \
    answer to a post means that the event is on stable storage. Clients need a bearer token (JWT); posts of summaries and \
    device reports are signed besides.";

/// The document.
pub(crate) fn document() -> Value {
    json!({
        "openapi": "3.1.1",
        "info": {
            "title": "SyncWell",
            "version": env!("CARGO_PKG_VERSION"),
            "summary": "Signed daily health summaries in, one explained row per user and day out.",
            "description": DESCRIPTION,
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": operation::tags(),
        "paths": paths(),
        "components": {
            "schemas": components::components(),
            "securitySchemes": { "token": {
                "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
                "description": "Signed by a configured key (EdDSA, ES256 or RS256), with iss, aud, sub, iat and exp; at most 1 hour from iat to exp.",
            }, "receiptToken": {
                "type": "http", "scheme": "bearer",
                "description": "The `receipt_token` of the answer to `POST /v1/erasures`: for that erasure only, without an expiry.",
            } },
            "headers": { "X-Correlation-Id": {
                "description": "The request's name in the logs.", "schema": { "type": "string" }, "example": "01KHK3V0Q5M6W6S3C3C7F0N7QZ",
            } },
        },
    })
}

fn paths() -> Value {
    json!({
        "/v1/summaries": { "post": summaries::post(), "get": summaries::list() },
        "/v1/summaries/{date}": { "get": summaries::get() },
        "/v1/summaries/{date}/history": { "get": summaries::history() },
        "/v1/events/{event_id}": { "get": events::get() },
        "/v1/events/{event_id}/proof": { "get": events::proof() },
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
        "/livez": { "get": service::liveness() },
        "/readyz": { "get": service::readiness() },
        "/metrics": { "get": service::metrics() },
        "/openapi.json": { "get": service::openapi() },
    })
}
