//! `/v1/webhooks`.

use serde_json::{Map, Value, json};

use super::insert_problem_responses;
use crate::ProblemCode;

/// What a callback can be refused with.
const CALLBACK_ERRORS: [ProblemCode; 14] = [
    ProblemCode::InvalidHeader,
    ProblemCode::InvalidSignature,
    ProblemCode::StaleTimestamp,
    ProblemCode::NotFound,
    ProblemCode::MethodNotAllowed,
    ProblemCode::RequestTimeout,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
    ProblemCode::RateLimited,
    ProblemCode::Internal,
    ProblemCode::LogUnavailable,
    ProblemCode::OutcomeUnknown,
    ProblemCode::TooManyConnections,
];

/// The callback of a provider, with a secret in its path or without.
pub(super) fn path(has_secret: bool) -> Value {
    json!({
        "parameters": parameters(has_secret),
        "post": operation("deliver", has_secret, "Deliver something, as the provider does it",
            "Verified as the provider's table says: by the secret in the path, a signature over the bytes as they came, the \
             signed time. Answered with the provider's own status once everything in it is on stable storage; what was \
             delivered before, by its id or, without one, by the same bytes within 25 hours, is answered alike and not \
             stored again. At most 256 KiB."),
        "get": operation("handshake", has_secret, "The provider's handshake",
            "A verification code or token, and a challenge that is handed back as JSON; as the provider's table says."),
        "head": operation("probe", has_secret, "The provider's probe", "For providers that ask by HEAD."),
    })
}

fn operation(id: &str, has_secret: bool, summary: &str, description: &str) -> Value {
    let id = if has_secret { format!("{id}BySecret") } else { id.to_owned() };
    let mut responses = Map::new();
    responses.insert(
        "2XX".into(),
        json!({
            "description": "What the provider wants to hear: mostly 200 or 204, without a body but for a challenge",
            "headers": { "X-Correlation-Id": { "$ref": "#/components/headers/X-Correlation-Id" } },
        }),
    );
    insert_problem_responses(&mut responses, &CALLBACK_ERRORS);
    if let Some(refused) = responses.get_mut("401") {
        refused["description"] = json!(
            "`invalid_signature`: The signature is wrong, or the verification code (with 403, 404 or whatever else the \
             provider wants instead of 401); `stale_timestamp`: The timestamp is outside the window"
        );
    }
    if let Some(none) = responses.get_mut("404") {
        none["description"] = json!(
            "`not_found`: The provider is not configured, the secret in the path is wrong, or a provider that signs \
             nothing called from another address than its own"
        );
    }
    let mut unavailable = responses.remove("503").unwrap_or_default();
    unavailable["description"] = json!(
        "`log_unavailable`: The log can't be reached; `outcome_unknown`: The log did not confirm in time; `internal`: A \
         secret that the provider makes known later is not configured yet. Safe to send again"
    );
    responses.insert("503".into(), unavailable);
    json!({ "operationId": id, "summary": summary, "description": description, "security": [], "responses": responses })
}

fn parameters(has_secret: bool) -> Value {
    let mut parameters = vec![json!({
        "name": "provider", "in": "path", "required": true, "description": "The provider's name.",
        "schema": { "type": "string", "pattern": "^[a-z][a-z0-9_-]{0,31}$" },
    })];
    if has_secret {
        parameters.push(json!({
            "name": "secret", "in": "path", "required": true,
            "description": "Where the provider signs nothing, or the operator wants it; in no log line.",
            "schema": { "type": "string" },
        }));
    }
    parameters.into()
}
