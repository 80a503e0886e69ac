//! `/v1/connections`.

use serde_json::Value;

use super::operation::{Operation, Tag};
use super::{AUTHENTICATED_ERRORS, CHANGE_ERRORS, parameters};
use crate::ProblemCode;

/// Further errors of a change that has a body.
const BODY_ERRORS: [ProblemCode; 5] = [
    ProblemCode::InvalidJson,
    ProblemCode::RequestTimeout,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
];

/// Further errors of a change of an existing connection.
const ONE_CONNECTION_ERRORS: [ProblemCode; 2] = [ProblemCode::NotFound, ProblemCode::ViewUnavailable];

pub(super) fn connect() -> Value {
    change("connect", "Begin a connection to a health provider")
        .description(
            "The provider must be one that the installation connects to, and the redirect URI one that the operator allows, \
             character by character; `errors` names the one that is not. With its own `code_challenge` (RFC 7636, S256) the \
             app keeps the verifier and sends it with the code; without one, the service keeps a verifier. A provider that \
             supports no challenge gets none.",
        )
        .body("ConnectRequest", true)
        .json("201", "The connection is pending; the user is to agree at authorizationUrl", "ConnectionStarted")
        .header("201", "Location", "The connection.")
        .header("201", "Cache-Control", NO_STORE)
        .links(
            &["201"],
            &[
                ("Connection", "getConnection", "connection_id", "connectionId"),
                ("Authorization", "authorizeConnection", "connection_id", "connectionId"),
                ("Reauthorization", "reauthConnection", "connection_id", "connectionId"),
                ("Revocation", "revokeConnection", "connection_id", "connectionId"),
            ],
        )
        .errors(&[BODY_ERRORS.as_slice(), &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn authorize() -> Value {
    let own = [ProblemCode::InvalidState, ProblemCode::InvalidIssuer, ProblemCode::WrongStatus];
    change("authorizeConnection", "Send the provider's authorization response")
        .description(
            "The state must be that of an authorization URL of this connection, made within the last 10 minutes. It can be \
             used once: the second use is answered with `invalid_state`, and the connection shows the result of the first. \
             `iss` must be the provider's (RFC 9207), and is required if the provider sends one; it is not checked if the \
             provider's issuer is not known. `wrong_status`: the connection is being revoked, or was.",
        )
        .parameters([connection_id(), prefer()])
        .body("AuthorizeRequest", true)
        .json(
            "200",
            "The result of the exchange is known: `active`, or `needs_reauth` with a `reason` if there are no tokens",
            "ConnectionDocument",
        )
        .json(
            "202",
            "Accepted; the result of the exchange was not known within the wait",
            "ConnectionDocument",
        )
        .header("202", "Location", LOCATION)
        .errors(&[own.as_slice(), &BODY_ERRORS, &ONE_CONNECTION_ERRORS, &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn reauth() -> Value {
    let own = [ProblemCode::WrongStatus];
    change("reauthConnection", "Ask the user to agree again")
        .description(
            "For a connection that is pending, active or needs the user again. Its tokens stay as they are until the new \
             code is exchanged. Without a body, or with a `code_challenge` as at the beginning.",
        )
        .parameters([connection_id()])
        .body("ReauthRequest", false)
        .json("200", "The user is to agree at authorizationUrl, once more", "ConnectionStarted")
        .header("200", "Cache-Control", NO_STORE)
        .errors(&[own.as_slice(), &BODY_ERRORS, &ONE_CONNECTION_ERRORS, &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn revoke() -> Value {
    change("revokeConnection", "End a connection, at the provider and here")
        .description("Idempotent.")
        .parameters([connection_id(), prefer()])
        .json("202", "Accepted; the revocation takes longer than the wait", "ConnectionDocument")
        .header("202", "Location", LOCATION)
        .empty("204", "Revoked for good: the tokens are destroyed")
        .errors(&[ONE_CONNECTION_ERRORS.as_slice(), &CHANGE_ERRORS].concat())
        .build()
}

pub(super) fn get() -> Value {
    read("getConnection", "One of the caller's connections", "ConnectionDocument")
        .parameters([connection_id()])
        .errors(&[&[ProblemCode::NotFound], AUTHENTICATED_ERRORS.as_slice()].concat())
        .build()
}

pub(super) fn list() -> Value {
    read("getConnections", "All connections of the caller", "ConnectionsDocument")
        .errors(&AUTHENTICATED_ERRORS)
        .build()
}

const NO_STORE: &str = "`no-store`: the state is a secret; with it a code can be sent.";
const LOCATION: &str = "The connection.";

fn change(id: &str, summary: &str) -> Operation {
    Operation::new(Tag::Connections, id, summary).scopes(&["account:manage"])
}

fn read(id: &str, summary: &str, component: &str) -> Operation {
    Operation::new(Tag::Connections, id, summary)
        .scopes(&["sync:read", "account:manage"])
        .json("200", summary, component)
}

fn connection_id() -> Value {
    parameters::own_id("connection_id", "The connection.")
}

fn prefer() -> Value {
    parameters::prefer("`wait=N` (seconds, at most 10), or `respond-async` for 202 at once (RFC 7240).")
}
