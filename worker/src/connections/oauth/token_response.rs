//! Answers of token endpoints: evened out where providers leave the standard, and judged where there is no token.

use oauth2::RequestTokenError;
use oauth2::basic::BasicErrorResponseType;
use providers::{OAuthSettings, TokenResponseEnvelope};
use serde_json::Value;

use super::error::{TokenEndpointError, TokenRequestError, TokenTransportError};

/// An answer out of its envelope, with what the standard demands and some providers leave out.
pub(super) fn normalize_response(read: Value, oauth: &OAuthSettings) -> Result<Value, TokenRequestError> {
    let mut even = match oauth.envelope {
        None => read,
        Some(TokenResponseEnvelope::Withings) => match read.get("status").and_then(Value::as_i64) {
            Some(0) => read.get("body").cloned().unwrap_or_default(),
            // "Too many requests".
            Some(601) => return Err(TokenRequestError::Unavailable),
            Some(status) => {
                return Err(TokenRequestError::Refused(format!("status {status} in the envelope")));
            }
            None => return Err(TokenRequestError::OutcomeUnknown("the envelope can't be read")),
        },
    };
    // Fitbit's errors.
    let kind = even.pointer("/errors/0/errorType").and_then(Value::as_str).map(str::to_owned);
    if let (Some(kind), Some(object)) = (kind, even.as_object_mut()) {
        object.insert("error".to_owned(), kind.into());
    }
    if let Some(object) = even.as_object_mut().filter(|object| object.contains_key("access_token")) {
        object.entry("token_type").or_insert_with(|| "bearer".into());
        let is_text = object.get("scope").is_some_and(Value::is_string);
        if let Some(scope) = object.get("scope").filter(|scope| !is_text && !scope.is_null()) {
            let listed = scope.as_array().into_iter().flatten().filter_map(Value::as_str);
            let joined = listed.collect::<Vec<_>>().join(" ");
            object.insert("scope".to_owned(), joined.into());
        } else if let Some(scope) = object.get("scope").and_then(Value::as_str)
            && oauth.scope_separator != " "
        {
            let spaced = scope.replace(&oauth.scope_separator, " ");
            object.insert("scope".to_owned(), spaced.into());
        }
        // Some say how long in a text.
        if let Some(seconds) = object.get("expires_in").and_then(Value::as_str) {
            let seconds: Option<u64> = seconds.parse().ok();
            object.insert("expires_in".to_owned(), seconds.into());
        }
    }
    Ok(even)
}

pub(super) fn classify_error(failed: TokenEndpointError) -> TokenRequestError {
    match failed {
        RequestTokenError::Request(TokenTransportError(failure)) => failure,
        RequestTokenError::ServerResponse(answer) => {
            let named = answer.error().to_string();
            match answer.error() {
                BasicErrorResponseType::InvalidGrant => TokenRequestError::Refused(named),
                BasicErrorResponseType::InvalidClient
                | BasicErrorResponseType::InvalidRequest
                | BasicErrorResponseType::InvalidScope
                | BasicErrorResponseType::UnauthorizedClient
                | BasicErrorResponseType::UnsupportedGrantType => TokenRequestError::Misconfigured(named),
                // A name that is not the standard's: what a provider means by it is not for us to guess, and a token that
                // it will not take is no token.
                BasicErrorResponseType::Extension(name) if name == "temporarily_unavailable" => {
                    TokenRequestError::Unavailable
                }
                BasicErrorResponseType::Extension(name) if name == "server_error" => {
                    TokenRequestError::OutcomeUnknown("the provider answered with an error of its own")
                }
                BasicErrorResponseType::Extension(_) => {
                    TokenRequestError::Refused("an error of its own".to_owned())
                }
            }
        }
        RequestTokenError::Parse(..) => TokenRequestError::OutcomeUnknown("the answer is no token answer"),
        RequestTokenError::Other(_) => TokenRequestError::OutcomeUnknown("the answer can't be read"),
    }
}
