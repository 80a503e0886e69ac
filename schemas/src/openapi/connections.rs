//! `/v1/connections`.

use serde_json::{Map, Value, json};

use super::{CHANGE_ERRORS, insert_problem_responses, json_response, read_operation, reference};
use crate::ProblemCode;

/// What a change that comes with a body can be refused with besides.
const BODY_ERRORS: [ProblemCode; 5] = [
    ProblemCode::InvalidJson,
    ProblemCode::RequestTimeout,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
];

/// What a change of a connection that is there can be refused with besides.
const ONE_CONNECTION_ERRORS: [ProblemCode; 2] = [ProblemCode::NotFound, ProblemCode::ViewUnavailable];

pub(super) fn connect() -> Value {
    let mut responses = Map::new();
    let mut started =
        started_response("The connection is asked for; the user is to agree at authorizationUrl");
    started["headers"]["Location"] = header("The connection.");
    responses.insert("201".into(), started);
    insert_problem_responses(&mut responses, &[BODY_ERRORS.as_slice(), &CHANGE_ERRORS].concat());
    json!({
        "operationId": "connect",
        "summary": "Begin a connection to a health provider (scope account:manage)",
        "description": "The provider must be one that the installation connects to, the redirect URI one that the operator \
            allows, letter by letter; both are told of in `errors`. With a `code_challenge` of its own (RFC 7636, S256) the \
            app keeps the verifier and hands it in with the code; without one the verifier is kept here. To a provider that \
            takes no challenge none is sent.",
        "security": [{ "token": [] }],
        "requestBody": body("ConnectRequest", true),
        "responses": responses,
    })
}

pub(super) fn authorize() -> Value {
    let mut responses = Map::new();
    responses.insert(
        "200".into(),
        json_response(
            "What came of the exchange is known: `active`, or `needs_reauth` with a `reason` where there are no tokens",
            "ConnectionDocument",
        ),
    );
    responses.insert(
        "202".into(),
        accepted_response("Accepted; what comes of the exchange was not known within the wait"),
    );
    let own = [ProblemCode::InvalidState, ProblemCode::InvalidIssuer, ProblemCode::WrongStatus];
    insert_problem_responses(
        &mut responses,
        &[own.as_slice(), &BODY_ERRORS, &ONE_CONNECTION_ERRORS, &CHANGE_ERRORS].concat(),
    );
    json!({
        "operationId": "authorizeConnection",
        "summary": "Hand in what the provider handed back (scope account:manage)",
        "description": "The state must be that of an authorisation URL of this very connection, made within the last 10 \
            minutes, and is good for one use: handed in again it is answered with `invalid_state`, and the connection tells \
            what came of it. An `iss` must be the provider's (RFC 9207), and must be there where the provider sends one; of \
            a provider whose issuer is not known it is not judged. `wrong_status`: the connection is being revoked, or was.",
        "security": [{ "token": [] }],
        "parameters": [connection_id(), prefer()],
        "requestBody": body("AuthorizeRequest", true),
        "responses": responses,
    })
}

pub(super) fn reauth() -> Value {
    let mut responses = Map::new();
    responses.insert("200".into(), started_response("The user is to agree at authorizationUrl, once more"));
    insert_problem_responses(
        &mut responses,
        &[[ProblemCode::WrongStatus].as_slice(), &BODY_ERRORS, &ONE_CONNECTION_ERRORS, &CHANGE_ERRORS]
            .concat(),
    );
    json!({
        "operationId": "reauthConnection",
        "summary": "Have the user agree again (scope account:manage)",
        "description": "For a connection that is pending, active or needs the user again; its tokens stay as they are until \
            the new code is exchanged. Without a body, or with a `code_challenge` as at the beginning.",
        "security": [{ "token": [] }],
        "parameters": [connection_id()],
        "requestBody": body("ReauthRequest", false),
        "responses": responses,
    })
}

pub(super) fn revoke() -> Value {
    let mut responses = Map::new();
    responses.insert(
        "204".into(),
        json!({
            "description": "Revoked, for good: the tokens are destroyed. Again is as good as once.",
            "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
        }),
    );
    responses
        .insert("202".into(), accepted_response("Accepted; it is being revoked for longer than the wait"));
    insert_problem_responses(&mut responses, &[ONE_CONNECTION_ERRORS.as_slice(), &CHANGE_ERRORS].concat());
    json!({
        "operationId": "revokeConnection",
        "summary": "End a connection, at the provider and here (scope account:manage)",
        "security": [{ "token": [] }],
        "parameters": [connection_id(), prefer()],
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    read_operation(
        "getConnection",
        "A connection of one's own (scope sync:read or account:manage)",
        "ConnectionDocument",
        &[connection_id()],
        &[ProblemCode::NotFound, ProblemCode::AccountErased],
    )
}

pub(super) fn list() -> Value {
    read_operation(
        "getConnections",
        "All connections of one's own (scope sync:read or account:manage)",
        "ConnectionsDocument",
        &[],
        &[ProblemCode::AccountErased],
    )
}

fn started_response(description: &str) -> Value {
    let mut started = json_response(description, "ConnectionStarted");
    started["headers"]["Cache-Control"] = header("`no-store`: whoever has the state can hand in a code.");
    started
}

fn accepted_response(description: &str) -> Value {
    let mut accepted = json_response(description, "ConnectionDocument");
    accepted["headers"]["Location"] = header("Where the connection will stand.");
    accepted
}

fn header(description: &str) -> Value {
    json!({ "description": description, "schema": { "type": "string" } })
}

fn body(schema: &str, required: bool) -> Value {
    json!({ "required": required, "content": { "application/json": { "schema": reference(schema) } } })
}

fn connection_id() -> Value {
    json!({
        "name": "connection_id", "in": "path", "required": true,
        "schema": { "type": "string", "pattern": "^[a-z2-7]{26}$" },
    })
}

fn prefer() -> Value {
    json!({
        "name": "Prefer", "in": "header", "required": false,
        "description": "`wait=N` (seconds, at most 10), or `respond-async` for 202 at once (RFC 7240).",
        "schema": { "type": "string" },
    })
}
