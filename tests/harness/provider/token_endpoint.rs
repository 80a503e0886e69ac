//! The token endpoint (RFC 6749, sections 4.1.3 and 6), which forgives nothing.

use serde_json::{Value, json};

use super::SimulatorState;
use super::endpoints::ProviderResponse;
use super::grants::IssuedTokens;
use super::profile::{ClientAuthentication, Pkce, UserIdSource};
use super::recorded_request::RecordedRequest;

pub(super) fn handle_token_request(state: &SimulatorState, request: &RecordedRequest) -> ProviderResponse {
    match grant_tokens(state, request) {
        Ok(tokens) => {
            let answer = token_document(state, tokens);
            let answer =
                if state.variant.has_envelope { json!({ "status": 0, "body": answer }) } else { answer };
            ProviderResponse::json(200, answer)
        }
        Err(error) => error_response(state, error),
    }
}

/// An error, as this provider tells it.
pub(super) fn error_response(state: &SimulatorState, error: &str) -> ProviderResponse {
    if state.variant.has_envelope {
        // Withings has 503 for every wrong parameter, codes and tokens among them, and 401 for a wrong client.
        let status = if error == "invalid_client" { 401 } else { 503 };
        return ProviderResponse::json(
            200,
            json!({ "status": status, "body": {}, "error": format!("Invalid Params: {error}") }),
        );
    }
    ProviderResponse::json(if error == "invalid_client" { 401 } else { 400 }, json!({ "error": error }))
}

fn grant_tokens(state: &SimulatorState, request: &RecordedRequest) -> Result<IssuedTokens, &'static str> {
    let (form, variant) = (&request.form, &state.variant);
    if form.repeated_name().is_some() || !request.query.0.is_empty() {
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

fn token_document(state: &SimulatorState, tokens: IssuedTokens) -> Value {
    let mut answer = json!({ "access_token": tokens.access, "token_type": "Bearer", "scope": tokens.scope });
    let optional = [
        ("expires_in", (*state.expires_in.lock().unwrap()).map(|seconds| json!(seconds))),
        ("refresh_token", tokens.refresh.map(|token| json!(token))),
        ("user_id", (state.variant.user_id == UserIdSource::InTokenResponse).then_some(tokens.user)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            answer[name] = value;
        }
    }
    answer
}

impl SimulatorState {
    /// Whether the client says who it is in this provider's one way, and in no other.
    pub(super) fn is_client(&self, request: &RecordedRequest) -> bool {
        let in_header = request.headers.contains_key("authorization");
        let (id, secret) = (request.form.get("client_id"), request.form.get("client_secret"));
        match self.variant.client_authentication {
            ClientAuthentication::Basic => {
                request.basic_credentials() == Some((self.client_id.clone(), self.client_secret.clone()))
                    && secret.is_none()
                    && id.is_none_or(|id| id == self.client_id)
            }
            ClientAuthentication::Body => {
                !in_header && id == Some(&self.client_id) && secret == Some(&self.client_secret)
            }
        }
    }
}
