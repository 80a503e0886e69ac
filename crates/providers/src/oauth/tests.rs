use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::{Providers, RevocationMethod};

fn oauth(name: &str) -> OAuth {
    Arc::clone(Providers::shipped().get(name).unwrap()).oauth.clone().unwrap()
}

#[test]
fn the_facts_that_differ() {
    let facts = |name: &str| {
        let oauth = oauth(name);
        (
            oauth.client_authentication,
            oauth.pkce,
            oauth.refresh,
            oauth.revocation.map(|revocation| revocation.method),
        )
    };
    use ClientAuthentication::{Basic, Body};
    use RevocationMethod::{DeleteBearer, PostForm, PostQuery, PostToken};
    assert_eq!(facts("fitbit"), (Basic, Pkce::Supported, Refresh::SingleUse, Some(PostToken)));
    assert_eq!(facts("google_health"), (Body, Pkce::Supported, Refresh::Keeps, Some(PostToken)));
    assert_eq!(facts("oura"), (Body, Pkce::Unsupported, Refresh::SingleUse, Some(PostQuery)));
    assert_eq!(facts("whoop"), (Body, Pkce::Unsupported, Refresh::SingleUse, Some(DeleteBearer)));
    assert_eq!(facts("withings"), (Body, Pkce::Unsupported, Refresh::Rotates, None));
    assert_eq!(facts("polar"), (Basic, Pkce::Unsupported, Refresh::None, Some(DeleteBearer)));
    assert_eq!(facts("garmin"), (Body, Pkce::Required, Refresh::SingleUse, Some(DeleteBearer)));
    assert_eq!(facts("strava"), (Body, Pkce::Unsupported, Refresh::Rotates, Some(PostForm)));
    assert_eq!(facts("suunto"), (Basic, Pkce::Unsupported, Refresh::SingleUse, None));
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
    for provider in Providers::shipped().iter() {
        if let Some(oauth) = &provider.oauth {
            assert!(oauth.user.is_some() != oauth.identity.is_some(), "{}", provider.name);
        }
    }
    let user = |name: &str, answer| oauth(name).user.unwrap().user(&answer);
    assert_eq!(user("fitbit", json!({"user_id": "228S74"})).as_deref(), Some("228S74"));
    assert_eq!(user("polar", json!({"x_user_id": 475})).as_deref(), Some("475"));
    assert_eq!(user("strava", json!({"athlete": {"id": 134815}})).as_deref(), Some("134815"));
    assert_eq!(user("strava", json!({})), None);
}

#[test]
fn scopes_are_sent_as_the_provider_wants_them() {
    assert_eq!(oauth("strava").scope().as_deref(), Some("read,activity:read_all"));
    assert_eq!(oauth("fitbit").scope().as_deref(), Some("activity heartrate sleep weight"));
    assert_eq!(oauth("garmin").scope(), None);
}

#[test]
fn polar_is_revoked_by_its_user() {
    let revocation = oauth("polar").revocation.unwrap();
    assert!(revocation.needs_user());
    assert_eq!(revocation.url(Some("475")).unwrap().as_str(), "https://www.polaraccesslink.com/v3/users/475");
    let google = oauth("google_health").revocation.unwrap();
    assert_eq!(google.client_authentication, Some(ClientAuthentication::None));
}
