//! `/v1/connections`.

use serde_json::{Map, Value, json};

use super::{CHANGE, answer, problems, read, reference};
use crate::Code;

/// What a change that comes with a body can be refused with besides.
const BODY: [Code; 5] = [
    Code::InvalidJson,
    Code::RequestTimeout,
    Code::BodyTooLarge,
    Code::UnsupportedMediaType,
    Code::InvalidRequest,
];

/// What a change of a connection that is there can be refused with besides.
const OF_ONE: [Code; 2] = [Code::NotFound, Code::ViewUnavailable];

pub(super) fn connect() -> Value {
    let mut responses = Map::new();
    let mut started = started("The connection is asked for; the user is to agree at authorizationUrl");
    started["headers"]["Location"] = header("The connection.");
    responses.insert("201".into(), started);
    problems(&mut responses, &[BODY.as_slice(), &CHANGE].concat());
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
        answer(
            "What came of the exchange is known: `active`, or `needs_reauth` with a `reason` where there are no tokens",
            "ConnectionDocument",
        ),
    );
    responses
        .insert("202".into(), accepted("Accepted; what comes of the exchange was not known within the wait"));
    let own = [Code::InvalidState, Code::InvalidIssuer, Code::WrongStatus];
    problems(&mut responses, &[own.as_slice(), &BODY, &OF_ONE, &CHANGE].concat());
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
    responses.insert("200".into(), started("The user is to agree at authorizationUrl, once more"));
    problems(&mut responses, &[[Code::WrongStatus].as_slice(), &BODY, &OF_ONE, &CHANGE].concat());
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
    responses.insert("202".into(), accepted("Accepted; it is being revoked for longer than the wait"));
    problems(&mut responses, &[OF_ONE.as_slice(), &CHANGE].concat());
    json!({
        "operationId": "revokeConnection",
        "summary": "End a connection, at the provider and here (scope account:manage)",
        "security": [{ "token": [] }],
        "parameters": [connection_id(), prefer()],
        "responses": responses,
    })
}

pub(super) fn get() -> Value {
    read(
        "getConnection",
        "A connection of one's own (scope sync:read or account:manage)",
        "ConnectionDocument",
        &[connection_id()],
        &[Code::NotFound, Code::AccountErased],
    )
}

pub(super) fn list() -> Value {
    read(
        "getConnections",
        "All connections of one's own (scope sync:read or account:manage)",
        "ConnectionsDocument",
        &[],
        &[Code::AccountErased],
    )
}

fn started(description: &str) -> Value {
    let mut started = answer(description, "ConnectionStarted");
    started["headers"]["Cache-Control"] = header("`no-store`: whoever has the state can hand in a code.");
    started
}

fn accepted(description: &str) -> Value {
    let mut accepted = answer(description, "ConnectionDocument");
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
