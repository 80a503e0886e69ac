//! The page of a provider where a user agrees (RFC 6749, section 4.1.1; PKCE: RFC 7636, section 4.3).

use keys::{OAuthState, Pseudonymizer};
use providers::Pkce;
use url::Url;

use crate::provider_settings::ConnectableProvider;

/// Where the app sends the user. A challenge of the app's own takes the place of ours; a provider that takes none is sent
/// none.
pub(super) fn authorization_url(
    provider: &ConnectableProvider<'_>,
    redirect_uri: &str,
    state: &OAuthState,
    secret: &Pseudonymizer,
    own_challenge: Option<&str>,
) -> Url {
    let ConnectableProvider { oauth, client_id, scopes } = provider;
    let mut url = oauth.authorize_url.clone();
    {
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", client_id);
        query.append_pair("redirect_uri", redirect_uri);
        if !scopes.is_empty() {
            query.append_pair("scope", &scopes.join(&oauth.scope_separator));
        }
        query.append_pair("state", &state.to_string());
        match oauth.pkce {
            Pkce::Required | Pkce::Supported => {
                let challenge = own_challenge.map_or_else(|| state.code_challenge(secret), str::to_owned);
                query.append_pair("code_challenge", &challenge);
                query.append_pair("code_challenge_method", "S256");
            }
            Pkce::Unsupported => {}
        }
        for (name, value) in &oauth.authorize_parameters {
            query.append_pair(name, value);
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use jiff::Timestamp;
    use keys::{ConnectionId, UserRef};
    use providers::{OAuthSettings, ProviderRegistry};
    use zeroize::Zeroizing;

    use super::*;

    fn secret() -> Pseudonymizer {
        Pseudonymizer::new(Zeroizing::new([1; 32]))
    }

    fn state() -> OAuthState {
        let user = UserRef::from_bytes([2; 16]);
        OAuthState::new(&secret(), &user, ConnectionId::from_bytes([4; 16]), Timestamp::UNIX_EPOCH)
    }

    fn url(oauth: &OAuthSettings, scopes: &[&str], own: Option<&str>) -> (Url, BTreeMap<String, String>) {
        let scopes: Vec<_> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        let provider = ConnectableProvider { oauth, client_id: "id&1", scopes: &scopes };
        let url = authorization_url(&provider, "app://x?y=1", &state(), &secret(), own);
        let pairs: Vec<_> = url.query_pairs().into_owned().collect();
        let number = pairs.len();
        let pairs: BTreeMap<_, _> = pairs.into_iter().collect();
        assert_eq!(pairs.len(), number, "nothing stands twice");
        (url, pairs)
    }

    #[test]
    fn all_that_the_provider_needs_and_no_more() {
        let providers = ProviderRegistry::from_built_in();
        let mut oauth = providers.get("fitbit").unwrap().oauth.clone().unwrap();
        oauth.pkce = Pkce::Supported;
        let (found, pairs) = url(&oauth, &["activity", "heart rate"], None);
        assert!(found.as_str().starts_with(&format!("{}?response_type=code&", oauth.authorize_url)));
        assert!(found.as_str().contains("client_id=id%261&redirect_uri=app%3A%2F%2Fx%3Fy%3D1&"));
        assert_eq!(pairs["scope"], "activity heart rate");
        assert_eq!(pairs["code_challenge"].len(), 43);
        assert_eq!(pairs["code_challenge_method"], "S256");
        assert_eq!(pairs["state"].len(), state().to_string().len());
        let own = "c".repeat(43);
        assert_eq!(url(&oauth, &[], Some(&own)).1["code_challenge"], own);
        assert!(!url(&oauth, &[], None).1.contains_key("scope"), "what may be done is set at the provider");
    }

    #[test]
    fn a_provider_without_pkce_is_sent_none() {
        let providers = ProviderRegistry::from_built_in();
        let mut oauth = providers.get("fitbit").unwrap().oauth.clone().unwrap();
        oauth.pkce = Pkce::Unsupported;
        oauth.scope_separator = ",".to_owned();
        oauth.authorize_url = "https://provider.test/authorize?brand=1".parse().unwrap();
        oauth.authorize_parameters = BTreeMap::from([("prompt".to_owned(), "consent".to_owned())]);
        let (found, pairs) = url(&oauth, &["a", "b"], Some(&"c".repeat(43)));
        assert!(found.as_str().starts_with("https://provider.test/authorize?brand=1&response_type=code&"));
        assert!(pairs.keys().all(|name| !name.starts_with("code_challenge")));
        assert_eq!((pairs["scope"].as_str(), pairs["prompt"].as_str()), ("a,b", "consent"));
    }
}
