//! `/v1/webhooks`.

use serde_json::{Value, json};

use super::operation::{Operation, Tag};
use super::parameters;
use crate::{ProblemCode, patterns};

/// Errors of a webhook, without those whose description is below.
const ERRORS: [ProblemCode; 8] = [
    ProblemCode::InvalidHeader,
    ProblemCode::MethodNotAllowed,
    ProblemCode::RequestTimeout,
    ProblemCode::BodyTooLarge,
    ProblemCode::UnsupportedMediaType,
    ProblemCode::InvalidRequest,
    ProblemCode::RateLimited,
    ProblemCode::Internal,
];

/// The webhook of a provider, with a secret in its path or without.
pub(super) fn path(has_secret: bool) -> Value {
    json!({
        "parameters": parameters(has_secret),
        "post": operation("deliver", has_secret, "Deliver notifications in the provider's format",
            "Verified as configured for the provider: by the secret in the path, or a signature over the bytes and the signed \
             time. Answered with the provider's own status once all notifications are on stable storage. A repeated \
             delivery (same id or, without one, same bytes within 25 hours) gets the same answer and is not stored again. \
             At most 256 KiB."),
        "get": operation("handshake", has_secret, "The provider's handshake",
            "A verification code or token, and a challenge that is returned as JSON; as configured for the provider."),
        "head": operation("probe", has_secret, "The provider's probe", "For providers that probe with HEAD."),
    })
}

fn operation(id: &str, has_secret: bool, summary: &str, description: &str) -> Value {
    let id = if has_secret { format!("{id}BySecret") } else { id.to_owned() };
    Operation::new(Tag::Webhooks, &id, summary)
        .description(description)
        .empty("2XX", "The answer that the provider expects: mostly 200 or 204, with a body only for a challenge")
        .errors(&ERRORS)
        .error(
            401,
            "`invalid_signature`: The signature or the verification code is wrong (403, 404 or another status, if the \
             provider expects it instead of 401); `stale_timestamp`: The timestamp is outside the window",
        )
        .error(
            404,
            "`not_found`: The provider is not configured, the secret in the path is wrong, or a provider that signs nothing \
             called from an address that is not its own",
        )
        .error(
            503,
            "`log_unavailable`: The log can't be reached; `outcome_unknown`: The log did not confirm in time; `internal`: A \
             secret that the provider announces later is not configured yet; `too_many_connections`: Too many connections. \
             Safe to send again",
        )
        .build()
}

fn parameters(has_secret: bool) -> Value {
    let name = parameters::matching(patterns::PROVIDER_NAME);
    let mut parameters = vec![parameters::path("provider", "The provider's name.", &name, "fitbit")];
    if has_secret {
        parameters.push(parameters::path(
            "secret",
            "For a provider that signs nothing, or if the operator configured one. It is in no log line.",
            &json!({ "type": "string", "minLength": 1 }),
            "c2VjcmV0",
        ));
    }
    parameters.into()
}
