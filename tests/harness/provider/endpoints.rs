//! What a provider does when asked as it should be: it authorises, revokes, and opens to a good token.

use serde_json::{Value, json};
use url::Url;

use super::State;
use super::grants::Grants;
use super::misbehaviour::Misbehaviour;
use super::recorded::Recorded;
use super::variant::{Pkce, Revocation};

/// An answer, before it is spoiled.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) location: Option<String>,
    pub(super) json: Value,
}

impl Reply {
    pub(super) fn json(status: u16, json: Value) -> Self {
        Self { status, location: None, json }
    }

    fn page(error: &str) -> Self {
        Self::json(400, json!({ "error": error }))
    }
}

/// RFC 6749, section 4.1.1: sends the user back with a code, or with an error; nowhere while it isn't known who asks.
pub(super) fn authorize(state: &State, request: &Recorded, spoiled: Option<&Misbehaviour>) -> Reply {
    let (query, variant) = (&request.query, &state.variant);
    if query.get("client_id") != Some(&state.client_id) {
        return Reply::page("this is no client of ours");
    }
    let known =
        query.get("redirect_uri").filter(|uri| variant.redirect_uris.iter().any(|known| known == uri));
    let Some(redirect_uri) = known else { return Reply::page("nobody said that users go back there") };
    let mut back = vec![];
    let error = match query.get("state").filter(|state| !state.is_empty()) {
        None => Some("invalid_request"),
        Some(_) if matches!(spoiled, Some(Misbehaviour::Deny)) => Some("access_denied"),
        Some(_) => authorization_error(state, request),
    };
    let mut grants = state.grants.lock().unwrap();
    if let Some(error) = error {
        back.push(("error", error.to_owned()));
    } else {
        back.push(("code", code(state, &mut grants, request, redirect_uri, spoiled)));
    }
    if let Some(told) = query.get("state") {
        let wrong = matches!(spoiled, Some(Misbehaviour::WrongState));
        back.push(("state", if wrong { told.chars().rev().collect() } else { told.to_owned() }));
    }
    match spoiled {
        Some(Misbehaviour::Issuer(other)) => back.extend(other.clone().map(|issuer| ("iss", issuer))),
        _ if variant.issuer => back.push(("iss", state.base_url.clone())),
        _ => {}
    }
    let mut location = Url::parse(redirect_uri).unwrap();
    location.query_pairs_mut().extend_pairs(back);
    Reply { status: 302, location: Some(location.into()), json: Value::Null }
}

fn code(
    state: &State,
    grants: &mut Grants,
    request: &Recorded,
    redirect_uri: &str,
    spoiled: Option<&Misbehaviour>,
) -> String {
    if matches!(spoiled, Some(Misbehaviour::ReuseCode)) {
        return grants.used_code().expect("a code must have been used before it is used again").to_owned();
    }
    let user = state.signed_in.lock().unwrap().clone();
    let scope = request.query.get("scope").unwrap_or_default();
    grants.consent(user, scope, redirect_uri, request.query.get("code_challenge"))
}

fn authorization_error(state: &State, request: &Recorded) -> Option<&'static str> {
    let (query, variant) = (&request.query, &state.variant);
    if query.repeated().is_some() {
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
pub(super) fn me(state: &State, request: &Recorded) -> Reply {
    let grants = state.grants.lock().unwrap();
    match request.bearer().and_then(|token| grants.opened_by(token)) {
        Some(grant) => Reply::json(200, json!({ "user_id": grant.user, "scope": grant.scope })),
        None => Reply::json(401, json!({ "error": "invalid_token" })),
    }
}

/// Ends a grant in the form that this provider has for it.
pub(super) fn revoke(state: &State, request: &Recorded) -> Reply {
    let Some(form) = state.variant.revocation else { return Reply::json(404, Value::Null) };
    let method =
        if matches!(form, Revocation::DeleteBearer | Revocation::DeleteUser) { "DELETE" } else { "POST" };
    if request.method != method {
        return Reply::json(405, Value::Null);
    }
    let mut grants = state.grants.lock().unwrap();
    let token = match form {
        // RFC 7009: by the client, of either token; one that is not good is as good as revoked.
        Revocation::PostToken | Revocation::PostTokenAlone => {
            let is_allowed = if form == Revocation::PostToken {
                state.is_client(request)
            } else {
                // Whose client it is, is nothing to tell here.
                !request.says(&state.client_secret)
            };
            return match (is_allowed, request.form.get("token")) {
                (false, _) => Reply::json(401, json!({ "error": "invalid_client" })),
                (true, None) => Reply::json(400, json!({ "error": "invalid_request" })),
                (true, Some(token)) => {
                    grants.revoke(token);
                    Reply::json(200, Value::Null)
                }
            };
        }
        Revocation::PostForm => request.form.get("access_token"),
        Revocation::PostQuery => request.query.get("access_token"),
        Revocation::DeleteBearer | Revocation::DeleteUser => request.bearer(),
    };
    // All others are asked by the user's access token, which must be good.
    let Some((token, user)) = token.and_then(|token| Some((token, grants.opened_by(token)?.user.clone())))
    else {
        return Reply::json(401, json!({ "error": "invalid_token" }));
    };
    let named = user.as_str().map_or_else(|| user.to_string(), str::to_owned);
    if form == Revocation::DeleteUser && request.path.strip_prefix("/revoke/") != Some(&named) {
        return Reply::json(404, Value::Null);
    }
    grants.revoke(token);
    Reply::json(if method == "DELETE" { 204 } else { 200 }, Value::Null)
}
