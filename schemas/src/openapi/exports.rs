//! `/v1/exports`.

use serde_json::{Map, Value, json};

use super::{CHANGE_ERRORS, insert_problem_responses, json_response, read_operation};
use crate::ProblemCode;

pub(super) fn request() -> Value {
    let mut responses = Map::new();
    let mut accepted = json_response("It will be made", "ExportAccepted");
    accepted["headers"]["Location"] = json!({ "description": "The export.", "schema": { "type": "string" } });
    responses.insert("202".into(), accepted);
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::InvalidRequest,
        ProblemCode::ViewUnavailable,
    ];
    insert_problem_responses(&mut responses, &own.into_iter().chain(CHANGE_ERRORS).collect::<Vec<_>>());
    json!({
        "operationId": "requestExport",
        "summary": "Have everything that is kept of one's account exported (scope account:manage)",
        "description": "Without a body, or with an empty object. One at a time, and one a day unless the operator says \
            otherwise: `rate_limited`, with `Retry-After`.",
        "security": [{ "token": [] }],
        "requestBody": { "required": false, "content": { "application/json": { "schema": { "type": "object", "additionalProperties": false } } } },
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    read_operation(
        "getExport",
        "How far an export is, and once it is ready a link that is good for an hour (scope account:manage)",
        "ExportDocument",
        &[export_id()],
        &[ProblemCode::NotFound, ProblemCode::AccountErased],
    )
}

pub(super) fn download() -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json!({
            "description": "The export: a zip file with a manifest, a readable page, JSON and CSV",
            "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
            "content": { "application/zip": { "schema": { "type": "string", "format": "binary" } } },
        }),
    );
    let own = [
        ProblemCode::LinkExpired,
        ProblemCode::NotFound,
        ProblemCode::AccountErased,
        ProblemCode::RateLimited,
        ProblemCode::Internal,
        ProblemCode::ViewUnavailable,
        ProblemCode::TooManyConnections,
    ];
    insert_problem_responses(&mut responses, &own);
    let query =
        |name: &str| json!({ "name": name, "in": "query", "required": true, "schema": { "type": "string" } });
    json!({
        "operationId": "downloadExport",
        "summary": "Fetch an export by its link, where exports are kept in a folder (S3 has links of its own)",
        "description": "The link is bound to user, export and expiry; a changed one is `not_found`, one that has ended \
            `link_expired`.",
        "security": [],
        "parameters": [export_id(), query("user"), query("expires"), query("signature")],
        "responses": responses,
    })
}

fn export_id() -> Value {
    json!({ "name": "export_id", "in": "path", "required": true, "schema": { "type": "string" } })
}
