//! The token endpoint (RFC 6749, sections 4.1.3 and 6), which forgives nothing.

use serde_json::{Value, json};

use super::State;
use super::endpoints::Reply;
use super::grants::Tokens;
use super::recorded::Recorded;
use super::variant::{ClientAuthentication, Pkce, UserId};

pub(super) fn token(state: &State, request: &Recorded) -> Reply {
    match granted(state, request) {
        Ok(tokens) => {
            let answer = answer(state, tokens);
            let answer = if state.variant.envelope { json!({ "status": 0, "body": answer }) } else { answer };
            Reply::json(200, answer)
        }
        Err(error) => refused(state, error),
    }
}

/// An error, as this provider tells it.
pub(super) fn refused(state: &State, error: &str) -> Reply {
    if state.variant.envelope {
        // Withings has 503 for every wrong parameter, codes and tokens among them, and 401 for a wrong client.
        let status = if error == "invalid_client" { 401 } else { 503 };
        return Reply::json(
            200,
            json!({ "status": status, "body": {}, "error": format!("Invalid Params: {error}") }),
        );
    }
    Reply::json(if error == "invalid_client" { 401 } else { 400 }, json!({ "error": error }))
}

fn granted(state: &State, request: &Recorded) -> Result<Tokens, &'static str> {
    let (form, variant) = (&request.form, &state.variant);
    if form.repeated().is_some() || !request.query.0.is_empty() {
        return Err("invalid_request");
    }
    if !state.is_client(request) {
        return Err("invalid_client");
    }
    if variant.token_parameters.iter().any(|(name, value)| form.get(name) != Some(value)) {
        return Err("invalid_request");
    }
    let mut grants = state.grants.lock().unwrap();
    match form.get("grant_type") {
        Some("authorization_code") => {
            let (Some(code), Some(redirect_uri)) = (form.get("code"), form.get("redirect_uri")) else {
                return Err("invalid_request");
            };
            let verifier = form.get("code_verifier");
            // RFC 7636, section 4.1: 43 to 128 characters.
            let is_wrong = verifier.is_some_and(|verifier| !(43..=128).contains(&verifier.len()));
            if is_wrong || (verifier.is_some() && variant.pkce == Pkce::Unsupported) {
                return Err("invalid_request");
            }
            grants.exchange(code, redirect_uri, verifier, variant.refresh)
        }
        Some("refresh_token") => {
            if form.get("scope") != variant.refresh_scope {
                return Err("invalid_scope");
            }
            grants.refresh(form.get("refresh_token").ok_or("invalid_request")?, variant.refresh)
        }
        Some(_) => Err("unsupported_grant_type"),
        None => Err("invalid_request"),
    }
}

fn answer(state: &State, tokens: Tokens) -> Value {
    let mut answer = json!({ "access_token": tokens.access, "token_type": "Bearer", "scope": tokens.scope });
    let optional = [
        ("expires_in", (*state.expires_in.lock().unwrap()).map(|seconds| json!(seconds))),
        ("refresh_token", tokens.refresh.map(|token| json!(token))),
        ("user_id", (state.variant.user_id == UserId::InAnswer).then_some(tokens.user)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}

impl State {
    /// Whether the client says who it is in this provider's one way, and in no other.
    pub(super) fn is_client(&self, request: &Recorded) -> bool {
        let in_header = request.headers.contains_key("authorization");
        let (id, secret) = (request.form.get("client_id"), request.form.get("client_secret"));
        match self.variant.client_authentication {
            ClientAuthentication::Basic => {
                request.basic() == Some((self.client_id.clone(), self.client_secret.clone()))
                    && secret.is_none()
                    && id.is_none_or(|id| id == self.client_id)
            }
            ClientAuthentication::Body => {
                !in_header && id == Some(&self.client_id) && secret == Some(&self.client_secret)
            }
        }
    }
}
