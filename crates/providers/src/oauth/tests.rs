use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{ProviderRegistry, RevocationMethod};

fn oauth(name: &str) -> OAuthSettings {
    Arc::clone(ProviderRegistry::from_built_in().get(name).unwrap()).oauth.clone().unwrap()
}

#[test]
fn the_facts_that_differ() {
    let facts = |name: &str| {
        let oauth = oauth(name);
        (
            oauth.client_authentication,
            oauth.pkce,
            oauth.refresh_policy,
            oauth.revocation.map(|revocation| revocation.method),
        )
    };
    use ClientAuthentication::{Basic, Body};
    use RevocationMethod::{DeleteBearer, PostForm, PostQuery, PostToken};
    assert_eq!(facts("fitbit"), (Basic, Pkce::Supported, RefreshTokenPolicy::SingleUse, Some(PostToken)));
    assert_eq!(
        facts("google_health"),
        (Body, Pkce::Supported, RefreshTokenPolicy::Reusable, Some(PostToken))
    );
    assert_eq!(facts("oura"), (Body, Pkce::Unsupported, RefreshTokenPolicy::SingleUse, Some(PostQuery)));
    assert_eq!(facts("whoop"), (Body, Pkce::Unsupported, RefreshTokenPolicy::SingleUse, Some(DeleteBearer)));
    assert_eq!(facts("withings"), (Body, Pkce::Unsupported, RefreshTokenPolicy::Rotates, None));
    assert_eq!(facts("polar"), (Basic, Pkce::Unsupported, RefreshTokenPolicy::None, Some(DeleteBearer)));
    assert_eq!(facts("garmin"), (Body, Pkce::Required, RefreshTokenPolicy::SingleUse, Some(DeleteBearer)));
    assert_eq!(facts("strava"), (Body, Pkce::Unsupported, RefreshTokenPolicy::Rotates, Some(PostForm)));
    assert_eq!(facts("suunto"), (Basic, Pkce::Unsupported, RefreshTokenPolicy::SingleUse, None));
}

#[test]
fn hosts_are_those_that_are_sent_tokens() {
    let hosts = |name: &str| oauth(name).hosts().into_iter().collect::<Vec<_>>();
    assert_eq!(hosts("fitbit"), ["api.fitbit.com"]);
    assert_eq!(hosts("google_health"), ["health.googleapis.com", "oauth2.googleapis.com"]);
    assert_eq!(hosts("polar"), ["polarremote.com", "www.polaraccesslink.com"]);
    let mut other = oauth("polar");
    other.token_url = "https://localhost:8443/token".parse().unwrap();
    assert_eq!(other.hosts().into_iter().collect::<Vec<_>>(), ["localhost:8443", "www.polaraccesslink.com"]);
}

#[test]
fn every_provider_says_whose_token_it_is() {
    for provider in ProviderRegistry::from_built_in().iter() {
        if let Some(oauth) = &provider.oauth {
            assert!(oauth.user_pointer.is_some() != oauth.identity_endpoint.is_some(), "{}", provider.name);
        }
    }
    let user = |name: &str, answer| oauth(name).user_pointer.unwrap().resolve_user_id(&answer);
    assert_eq!(user("fitbit", json!({"user_id": "228S74"})).as_deref(), Some("228S74"));
    assert_eq!(user("polar", json!({"x_user_id": 475})).as_deref(), Some("475"));
    assert_eq!(user("strava", json!({"athlete": {"id": 134815}})).as_deref(), Some("134815"));
    assert_eq!(user("strava", json!({})), None);
}

#[test]
fn scopes_are_sent_as_the_provider_wants_them() {
    assert_eq!(oauth("strava").scope_parameter().as_deref(), Some("read,activity:read_all"));
    assert_eq!(oauth("fitbit").scope_parameter().as_deref(), Some("activity heartrate sleep weight"));
    assert_eq!(oauth("garmin").scope_parameter(), None);
}

#[test]
fn polar_is_revoked_by_its_user() {
    let revocation = oauth("polar").revocation.unwrap();
    assert!(revocation.needs_user_id());
    assert_eq!(revocation.url(Some("475")).unwrap().as_str(), "https://www.polaraccesslink.com/v3/users/475");
    let google = oauth("google_health").revocation.unwrap();
    assert_eq!(google.client_authentication, Some(ClientAuthentication::None));
}
