//! Answers of token endpoints: evened out where providers leave the standard, and judged where there is no token.

use oauth2::RequestTokenError;
use oauth2::basic::BasicErrorResponseType;
use providers::{Envelope, OAuth};
use serde_json::Value;

use super::{Answered, Failed, TokenFailure};

/// An answer out of its envelope, with what the standard demands and some providers leave out.
pub(super) fn evened(read: Value, oauth: &OAuth) -> Result<Value, TokenFailure> {
    let mut even = match oauth.envelope {
        None => read,
        Some(Envelope::Withings) => match read.get("status").and_then(Value::as_i64) {
            Some(0) => read.get("body").cloned().unwrap_or_default(),
            // "Too many requests".
            Some(601) => return Err(TokenFailure::NotNow),
            Some(status) => return Err(TokenFailure::Refused(format!("status {status} in the envelope"))),
            None => return Err(TokenFailure::Unknown("the envelope can't be read")),
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

pub(super) fn judged(failed: Failed) -> TokenFailure {
    match failed {
        RequestTokenError::Request(Answered(failure)) => failure,
        RequestTokenError::ServerResponse(answer) => {
            let named = answer.error().to_string();
            match answer.error() {
                BasicErrorResponseType::InvalidGrant => TokenFailure::Refused(named),
                BasicErrorResponseType::InvalidClient
                | BasicErrorResponseType::InvalidRequest
                | BasicErrorResponseType::InvalidScope
                | BasicErrorResponseType::UnauthorizedClient
                | BasicErrorResponseType::UnsupportedGrantType => TokenFailure::Misconfigured(named),
                // A name that is not the standard's: what a provider means by it is not for us to guess, and a token that
                // it will not take is no token.
                BasicErrorResponseType::Extension(name) if name == "temporarily_unavailable" => {
                    TokenFailure::NotNow
                }
                BasicErrorResponseType::Extension(name) if name == "server_error" => {
                    TokenFailure::Unknown("the provider answered with an error of its own")
                }
                BasicErrorResponseType::Extension(_) => {
                    TokenFailure::Refused("an error of its own".to_owned())
                }
            }
        }
        RequestTokenError::Parse(..) => TokenFailure::Unknown("the answer is no token answer"),
        RequestTokenError::Other(_) => TokenFailure::Unknown("the answer can't be read"),
    }
}
