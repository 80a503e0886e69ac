//! `/v1/erasures`.

use serde_json::{Map, Value, json};

use super::{CHANGE_ERRORS, insert_problem_responses, json_response, reference};
use crate::ProblemCode;

pub(super) fn erase() -> Value {
    let mut responses = Map::new();
    let mut accepted = json_response("It will be erased; keep the receipt token", "ErasureAccepted");
    accepted["headers"]["Location"] =
        json!({ "description": "The erasure.", "schema": { "type": "string" } });
    responses.insert("202".into(), accepted);
    let own = [
        ProblemCode::InvalidJson,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
        ProblemCode::UnsupportedMediaType,
        ProblemCode::InvalidRequest,
    ];
    let change = CHANGE_ERRORS.into_iter().filter(|code| *code != ProblemCode::AccountErased);
    insert_problem_responses(&mut responses, &own.into_iter().chain(change).collect::<Vec<_>>());
    json!({
        "operationId": "eraseAccount",
        "summary": "Erase one's account, for good (scope account:manage, a token issued at most 5 minutes ago)",
        "description": "The body repeats the token's own user id. An older token is answered 401 with \
            `error=\"insufficient_user_authentication\"` (RFC 9470). From the first step on everything else for the account \
            is answered 410, within a second on every ingest, and for the life of the log: an account is not recovered, and \
            none is made anew under the same user id. Asked again, the same erasure and receipt token are told.",
        "security": [{ "token": [] }],
        "requestBody": { "required": true, "content": { "application/json": { "schema": reference("EraseRequest") } } },
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json_response("Where it is, and the receipt once it is erased", "ErasureDocument"),
    );
    let own = [
        ProblemCode::InvalidHeader,
        ProblemCode::InvalidToken,
        ProblemCode::NotFound,
        ProblemCode::RateLimited,
        ProblemCode::Internal,
        ProblemCode::LogUnavailable,
        ProblemCode::ViewUnavailable,
        ProblemCode::TooManyConnections,
    ];
    insert_problem_responses(&mut responses, &own);
    json!({
        "operationId": "getErasure",
        "summary": "Where an erasure is (with its receipt token)",
        "description": "For as long as the log lives. The receipt is the inclusion proof (C2SP tlog-proof) of the event that \
            says that the account was erased and what was destroyed; `syncwell audit check-erasure` verifies it with the log's \
            public key alone.",
        "security": [{ "receiptToken": [] }],
        "parameters": [erasure_id()],
        "responses": responses,
    })
}

pub(super) fn cancel() -> Value {
    let mut responses = Map::new();
    let correlated = |description: &str| {
        json!({
            "description": description,
            "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
        })
    };
    responses.insert("204".into(), correlated("Taken back"));
    responses
        .insert("202".into(), correlated("Accepted; whether it came in time was not known within the wait"));
    let change = CHANGE_ERRORS.into_iter().filter(|code| *code != ProblemCode::AccountErased);
    let own = [
        ProblemCode::NotFound,
        ProblemCode::WrongStatus,
        ProblemCode::RequestTimeout,
        ProblemCode::BodyTooLarge,
    ];
    insert_problem_responses(&mut responses, &own.into_iter().chain(change).collect::<Vec<_>>());
    json!({
        "operationId": "cancelErasure",
        "summary": "Take an erasure back (scope account:manage, or with its receipt token)",
        "description": "While it is `pending`, where the operator gives a grace period; `wrong_status` from then on.",
        "security": [{ "token": [] }, { "receiptToken": [] }],
        "parameters": [erasure_id()],
        "responses": responses,
    })
}

fn erasure_id() -> Value {
    json!({ "name": "erasure_id", "in": "path", "required": true, "schema": { "type": "string" } })
}
