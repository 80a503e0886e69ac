//! What a provider does when asked as it should be: it authorises, revokes, and opens to a good token.

use serde_json::{Value, json};
use url::Url;

use super::SimulatorState;
use super::faults::Fault;
use super::grants::Grants;
use super::profile::{Pkce, RevocationKind};
use super::recorded_request::RecordedRequest;

/// An answer, before it is spoiled.
#[derive(Debug)]
pub(super) struct ProviderResponse {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) json: Value,
}

impl ProviderResponse {
    pub(super) fn json(status: u16, json: Value) -> Self {
        Self { status, location: None, json }
    }

    fn error_page(error: &str) -> Self {
        Self::json(400, json!({ "error": error }))
    }
}

/// RFC 6749, section 4.1.1: sends the user back with a code, or with an error; nowhere while it isn't known who asks.
pub(super) fn authorize(
    state: &SimulatorState,
    request: &RecordedRequest,
    spoiled: Option<&Fault>,
) -> ProviderResponse {
    let (query, variant) = (&request.query, &state.variant);
    if query.get("client_id") != Some(&state.client_id) {
        return ProviderResponse::error_page("this is no client of ours");
    }
    let known =
        query.get("redirect_uri").filter(|uri| variant.redirect_uris.iter().any(|known| known == uri));
    let Some(redirect_uri) = known else {
        return ProviderResponse::error_page("nobody said that users go back there");
    };
    let mut back = vec![];
    let error = match query.get("state").filter(|state| !state.is_empty()) {
        None => Some("invalid_request"),
        Some(_) if matches!(spoiled, Some(Fault::DenyConsent)) => Some("access_denied"),
        Some(_) => validate_authorization(state, request),
    };
    let mut grants = state.grants.lock().unwrap();
    if let Some(error) = error {
        back.push(("error", error.to_owned()));
    } else {
        back.push(("code", issue_code(state, &mut grants, request, redirect_uri, spoiled)));
    }
    if let Some(told) = query.get("state") {
        let wrong = matches!(spoiled, Some(Fault::WrongState));
        back.push(("state", if wrong { told.chars().rev().collect() } else { told.to_owned() }));
    }
    match spoiled {
        Some(Fault::ReplaceIssuer(other)) => back.extend(other.clone().map(|issuer| ("iss", issuer))),
        _ if variant.sends_issuer => back.push(("iss", state.base_url.clone())),
        _ => {}
    }
    let mut location = Url::parse(redirect_uri).unwrap();
    location.query_pairs_mut().extend_pairs(back);
    ProviderResponse { status: 302, location: Some(location.into()), json: Value::Null }
}

fn issue_code(
    state: &SimulatorState,
    grants: &mut Grants,
    request: &RecordedRequest,
    redirect_uri: &str,
    spoiled: Option<&Fault>,
) -> String {
    if matches!(spoiled, Some(Fault::ReuseCode)) {
        return grants
            .last_used_code()
            .expect("a code must have been used before it is used again")
            .to_owned();
    }
    let user = state.signed_in_user.lock().unwrap().clone();
    let scope = request.query.get("scope").unwrap_or_default();
    grants.create_grant(user, scope, redirect_uri, request.query.get("code_challenge"))
}

fn validate_authorization(state: &SimulatorState, request: &RecordedRequest) -> Option<&'static str> {
    let (query, variant) = (&request.query, &state.variant);
    if query.repeated_name().is_some() {
        return Some("invalid_request");
    }
    if query.get("response_type") != Some("code") {
        return Some("unsupported_response_type");
    }
    // Where there are no scopes, none is sent.
    let mut asked = query.get("scope").into_iter().flat_map(|scope| scope.split(variant.scope_separator));
    if query.get("scope").is_none() != variant.scopes.is_empty()
        || !asked.all(|scope| variant.scopes.contains(&scope))
    {
        return Some("invalid_scope");
    }
    if variant.authorize_parameters.iter().any(|(name, value)| query.get(name) != Some(value)) {
        return Some("invalid_request");
    }
    let challenge = (query.get("code_challenge"), query.get("code_challenge_method"));
    match (variant.pkce, challenge) {
        (Pkce::Required | Pkce::Supported, (Some(challenge), Some("S256"))) if challenge.len() == 43 => None,
        (Pkce::Supported | Pkce::Unsupported, (None, None)) => None,
        _ => Some("invalid_request"),
    }
}

/// 200 and the user for a good access token.
pub(super) fn me(state: &SimulatorState, request: &RecordedRequest) -> ProviderResponse {
    let grants = state.grants.lock().unwrap();
    match request.bearer_token().and_then(|token| grants.find_by_access_token(token)) {
        Some(grant) => ProviderResponse::json(200, json!({ "user_id": grant.user, "scope": grant.scope })),
        None => ProviderResponse::json(401, json!({ "error": "invalid_token" })),
    }
}

/// Ends a grant in the form that this provider has for it.
pub(super) fn revoke(state: &SimulatorState, request: &RecordedRequest) -> ProviderResponse {
    let Some(form) = state.variant.revocation else { return ProviderResponse::json(404, Value::Null) };
    let method = if matches!(form, RevocationKind::DeleteBearer | RevocationKind::DeleteUser) {
        "DELETE"
    } else {
        "POST"
    };
    if request.method != method {
        return ProviderResponse::json(405, Value::Null);
    }
    let mut grants = state.grants.lock().unwrap();
    let token = match form {
        // RFC 7009: by the client, of either token; one that is not good is as good as revoked.
        RevocationKind::PostToken | RevocationKind::PostTokenAlone => {
            let is_allowed = if form == RevocationKind::PostToken {
                state.is_client(request)
            } else {
                // Whose client it is, is nothing to tell here.
                !request.contains(&state.client_secret)
            };
            return match (is_allowed, request.form.get("token")) {
                (false, _) => ProviderResponse::json(401, json!({ "error": "invalid_client" })),
                (true, None) => ProviderResponse::json(400, json!({ "error": "invalid_request" })),
                (true, Some(token)) => {
                    grants.revoke(token);
                    ProviderResponse::json(200, Value::Null)
                }
            };
        }
        RevocationKind::PostForm => request.form.get("access_token"),
        RevocationKind::PostQuery => request.query.get("access_token"),
        RevocationKind::DeleteBearer | RevocationKind::DeleteUser => request.bearer_token(),
    };
    // All others are asked by the user's access token, which must be good.
    let Some((token, user)) =
        token.and_then(|token| Some((token, grants.find_by_access_token(token)?.user.clone())))
    else {
        return ProviderResponse::json(401, json!({ "error": "invalid_token" }));
    };
    let named = user.as_str().map_or_else(|| user.to_string(), str::to_owned);
    if form == RevocationKind::DeleteUser && request.path.strip_prefix("/revoke/") != Some(&named) {
        return ProviderResponse::json(404, Value::Null);
    }
    grants.revoke(token);
    ProviderResponse::json(if method == "DELETE" { 204 } else { 200 }, Value::Null)
}
