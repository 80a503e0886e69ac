//! OAuth as it should be: who is let in, who is not, and what ends.

use serde_json::json;

use super::{SimulatorClient, oauth_error, token_field};
use crate::harness::provider::{
    ClientAuthentication, Endpoint, Pkce, ProviderProfile, RefreshPolicy, RevocationKind, UserIdSource,
    bare_request, new_pkce_pair, open_authorization_url,
};
use crate::harness::{RawRequest, TestFolder};

#[tokio::test]
async fn validates_authorization_requests() {
    let client = SimulatorClient::new(ProviderProfile { sends_issuer: true, ..ProviderProfile::default() });
    let (_, challenge) = new_pkce_pair();
    let s256 = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let returned = open_authorization_url(&client.authority, &client.authorization_url(&s256)).await.unwrap();
    assert_eq!(
        (returned.redirect_uri.as_str(), returned.state.as_deref()),
        ("myapp://connected", Some("the-state"))
    );
    assert_eq!(returned.iss.as_deref(), Some(client.simulator.base_url()));
    assert!(returned.code.is_some() && returned.error.is_none());

    for wrong in [("client_id", "another"), ("redirect_uri", "https://evil.example/"), ("redirect_uri", "")] {
        let page = open_authorization_url(
            &client.authority,
            &client.authorization_url(&[&s256[..], &[wrong]].concat()),
        )
        .await;
        assert_eq!(page.unwrap_err().status, 400, "nobody is sent anywhere: {wrong:?}");
    }
    for (wrong, told) in [
        (("scope", "activity everything"), "invalid_scope"),
        (("response_type", "token"), "unsupported_response_type"),
        (("state", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge", ""), "invalid_request"),
    ] {
        let kept = s256.iter().filter(|(name, _)| *name != wrong.0).copied();
        let more: Vec<_> = kept.chain([wrong]).collect();
        let returned =
            open_authorization_url(&client.authority, &client.authorization_url(&more)).await.unwrap();
        assert_eq!((returned.error.as_deref(), returned.code), (Some(told), None), "{wrong:?}");
    }
}

#[tokio::test]
async fn validates_scopes() {
    let (_, challenge) = new_pkce_pair();
    for (scopes, scope_separator, right, wrong) in [
        (vec!["activity", "heartrate"], ",", "heartrate,activity", "heartrate activity"),
        (vec!["activity"], " ", "activity", ""),
        (vec![], " ", "", "activity"),
    ] {
        let client =
            SimulatorClient::new(ProviderProfile { scopes, scope_separator, ..ProviderProfile::default() });
        for (scope, error) in [(right, None), (wrong, Some("invalid_scope"))] {
            let more = [("code_challenge", &*challenge), ("code_challenge_method", "S256"), ("scope", scope)];
            let returned =
                open_authorization_url(&client.authority, &client.authorization_url(&more)).await.unwrap();
            assert_eq!(returned.error.as_deref(), error, "{scope:?}");
        }
    }
}

#[tokio::test]
async fn validates_pkce() {
    let client =
        SimulatorClient::new(ProviderProfile { pkce: Pkce::Supported, ..ProviderProfile::default() });
    let (verifier, challenge) = new_pkce_pair();
    let code = client.obtain_code(&challenge).await;
    for wrong in [None, Some(new_pkce_pair().0)] {
        let refused = client.send(&client.exchange_request(&code, wrong.as_deref())).await;
        assert_eq!(oauth_error(&refused), (400, "invalid_grant".to_owned()), "{wrong:?}");
    }
    let short = client.send(&client.exchange_request(&code, Some("too-short"))).await;
    assert_eq!(oauth_error(&short).1, "invalid_request");
    let access =
        token_field(&client.send(&client.exchange_request(&code, Some(&verifier))).await, "access_token");
    assert_eq!(client.me_status(&access).await, 200);

    let without = client.obtain_code("").await;
    let downgraded = client.send(&client.exchange_request(&without, Some(&verifier))).await;
    assert_eq!(oauth_error(&downgraded).1, "invalid_grant", "a verifier for no challenge");
    token_field(&client.send(&client.exchange_request(&without, None)).await, "access_token");

    let client =
        SimulatorClient::new(ProviderProfile { pkce: Pkce::Unsupported, ..ProviderProfile::default() });
    let more = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let returned = open_authorization_url(&client.authority, &client.authorization_url(&more)).await.unwrap();
    assert_eq!(returned.error.as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn reused_code_revokes_its_tokens() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let (verifier, challenge) = new_pkce_pair();
    let code = client.obtain_code(&challenge).await;
    let exchange = client.exchange_request(&code, Some(&verifier));
    let first = client.send(&exchange).await;
    let other = client.obtain_tokens().await;
    assert_eq!(client.me_status(&token_field(&first, "access_token")).await, 200);
    assert_eq!(client.simulator.token_reuse_count(), 0);

    assert_eq!(oauth_error(&client.send(&exchange).await).1, "invalid_grant");
    assert_eq!(client.simulator.token_reuse_count(), 1);
    assert_eq!(client.me_status(&token_field(&first, "access_token")).await, 401);
    let refused = client.send(&client.refresh_request(&token_field(&first, "refresh_token"))).await;
    assert_eq!(oauth_error(&refused).1, "invalid_grant");
    assert_eq!(client.me_status(&other.0).await, 200, "another user's consent is another matter");

    let code = client.obtain_code(&challenge).await;
    client.simulator.expire_codes();
    assert_eq!(
        oauth_error(&client.send(&client.exchange_request(&code, Some(&verifier))).await).1,
        "invalid_grant"
    );
}

#[tokio::test]
async fn refreshes_by_its_refresh_policy() {
    let client = SimulatorClient::new(ProviderProfile::default());
    let (access, first) = client.obtain_tokens().await;
    client.simulator.expire_access_tokens();
    assert_eq!(client.me_status(&access).await, 401);
    let answer = client.send(&client.refresh_request(&first)).await;
    let (access, second) = (token_field(&answer, "access_token"), token_field(&answer, "refresh_token"));
    assert_eq!(
        (client.me_status(&access).await, client.simulator.valid_refresh_tokens()),
        (200, vec![second.clone()])
    );
    assert_eq!(
        oauth_error(&client.send(&client.refresh_request(&first)).await).1,
        "invalid_grant",
        "single use"
    );
    assert_eq!(client.me_status(&access).await, 401, "used twice, everything ends");
    assert_eq!(oauth_error(&client.send(&client.refresh_request(&second)).await).1, "invalid_grant");
    assert_eq!(client.simulator.token_reuse_count(), 1);
    assert_eq!(client.simulator.refresh_token_uses(), [(first, 2), (second, 1)].into());

    let client = SimulatorClient::new(ProviderProfile {
        refresh: RefreshPolicy::Rotates,
        ..ProviderProfile::default()
    });
    let (_, first) = client.obtain_tokens().await;
    let second = token_field(&client.send(&client.refresh_request(&first)).await, "refresh_token");
    assert_ne!(first, second);
    for good in [&first, &second] {
        token_field(&client.send(&client.refresh_request(good)).await, "access_token");
    }

    let client =
        SimulatorClient::new(ProviderProfile { refresh: RefreshPolicy::Keeps, ..ProviderProfile::default() });
    let (_, only) = client.obtain_tokens().await;
    for _ in 0..2 {
        let answer = client.send(&client.refresh_request(&only)).await;
        assert!(answer.json()["refresh_token"].is_null() && answer.status == 200, "{answer:?}");
    }
    client.simulator.revoke_all_grants();
    assert_eq!(oauth_error(&client.send(&client.refresh_request(&only)).await).1, "invalid_grant");

    let client = SimulatorClient::new(ProviderProfile {
        refresh: RefreshPolicy::None,
        expires_in: None,
        ..ProviderProfile::default()
    });
    let (verifier, challenge) = new_pkce_pair();
    let answer = client
        .send(&client.exchange_request(&client.obtain_code(&challenge).await, Some(&verifier)))
        .await
        .json();
    assert!(answer["refresh_token"].is_null() && answer["expires_in"].is_null(), "{answer}");
}

#[tokio::test]
async fn accepts_one_client_authentication_method() {
    for client_authentication in [ClientAuthentication::Basic, ClientAuthentication::Body] {
        let mut client =
            SimulatorClient::new(ProviderProfile { client_authentication, ..ProviderProfile::default() });
        let (_, refresh) = client.obtain_tokens().await;
        let good = client.refresh_request(&refresh);
        client.sends_secret_in_body = !client.sends_secret_in_body;
        let other_way = client.refresh_request(&refresh);
        let (in_header, in_body) =
            if client.sends_secret_in_body { (&good, &other_way) } else { (&other_way, &good) };
        let both = RawRequest { body: in_body.body.clone(), ..in_header.clone() };
        for wrong in [other_way, both] {
            assert_eq!(oauth_error(&client.send(&wrong).await), (401, "invalid_client".to_owned()));
        }
        token_field(&client.send(&good).await, "access_token");
    }
}

#[tokio::test]
async fn supports_every_revocation_method() {
    let bearer = |access: &str| format!("Bearer {access}");
    for form in [
        RevocationKind::PostToken,
        RevocationKind::PostTokenAlone,
        RevocationKind::PostForm,
        RevocationKind::PostQuery,
        RevocationKind::DeleteBearer,
        RevocationKind::DeleteUser,
    ] {
        let client =
            SimulatorClient::new(ProviderProfile { revocation: Some(form), ..ProviderProfile::default() });
        client.simulator.set_signed_in_user(475);
        let (access, refresh) = client.obtain_tokens().await;
        let request = match form {
            RevocationKind::PostToken => client.post_request("/revoke", &[("token", &refresh)]),
            RevocationKind::PostTokenAlone => {
                let by_name = client.post_request("/revoke", &[("token", &refresh)]);
                assert_eq!(client.send(&by_name).await.status, 401, "the secret is nothing to tell here");
                by_name.without_header("authorization")
            }
            RevocationKind::PostForm => client.post_request("/revoke", &[("access_token", &access)]),
            RevocationKind::PostQuery => bare_request("POST", &format!("/revoke?access_token={access}")),
            RevocationKind::DeleteBearer => {
                bare_request("DELETE", "/revoke").header("authorization", bearer(&access))
            }
            RevocationKind::DeleteUser => {
                let other = bare_request("DELETE", "/revoke/476").header("authorization", bearer(&access));
                assert_eq!(client.send(&other).await.status, 404, "that is somebody else");
                bare_request("DELETE", "/revoke/475").header("authorization", bearer(&access))
            }
        };
        let done = client.send(&request).await;
        assert!([200, 204].contains(&done.status), "{form:?}: {done:?}");
        assert_eq!(client.me_status(&access).await, 401);
        assert_eq!(oauth_error(&client.send(&client.refresh_request(&refresh)).await).1, "invalid_grant");
        // RFC 7009 alone has no complaint about a token that is gone.
        let is_standard = [RevocationKind::PostToken, RevocationKind::PostTokenAlone].contains(&form);
        let again = client.send(&request).await.status;
        assert_eq!(again, if is_standard { 200 } else { 401 }, "{form:?}");
        assert!(client.simulator.requests_to(Endpoint::Revoke).len() >= 2);
    }
    let client = SimulatorClient::new(ProviderProfile { revocation: None, ..ProviderProfile::default() });
    assert_eq!(client.send(&client.post_request("/revoke", &[("token", "x")])).await.status, 404);
}

#[tokio::test]
async fn responds_in_the_withings_envelope() {
    let client = SimulatorClient::new(ProviderProfile::withings());
    let code = client.obtain_code("").await;
    let without = client.send(&client.exchange_request(&code, None)).await.json();
    assert_eq!(without["status"], 503, "the action is missing: {without}");
    let form = [
        ("action", "requesttoken"),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "myapp://connected"),
    ];
    let answer = client.send(&client.post_request("/token", &form)).await.json();
    assert_eq!((&answer["status"], &answer["body"]["user_id"]), (&json!(0), &json!("provider-user-1")));
    let again = client.send(&client.post_request("/token", &form)).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!(503)), "a used code, and status 200");
}

#[tokio::test]
async fn records_requests_and_writes_its_table() {
    let variant = ProviderProfile {
        sends_issuer: true,
        revocation: Some(RevocationKind::DeleteUser),
        user_id: UserIdSource::AtMe,
        ..ProviderProfile::default()
    };
    let client = SimulatorClient::new(variant);
    let (access, refresh) = client.obtain_tokens().await;
    let simulator = &client.simulator;
    let exchange = &simulator.requests_to(Endpoint::Exchange)[0];
    assert!(exchange.contains(simulator.client_secret()), "as decoded, not as encoded");
    assert!(!exchange.contains(&refresh) && !exchange.contains("the-state"));
    let secrets = simulator.issued_secrets();
    assert!([access, refresh, simulator.client_secret().to_owned()].iter().all(|one| secrets.contains(one)));

    let folder = TestFolder::new();
    let told = simulator.environment(folder.path());
    assert!(told.iter().any(|(name, _)| name == "SYNCWELL_PROVIDERS__SIMULATED__CLIENT_SECRET"), "{told:?}");
    let table = std::fs::read_to_string(folder.path().join("providers/simulated.toml")).unwrap();
    let table: toml::Table = table.parse().unwrap();
    let oauth = table["oauth"].as_table().unwrap();
    assert_eq!(oauth["refresh"].as_str(), Some("single_use"));
    assert_eq!(oauth["issuer"].as_str(), Some(simulator.base_url()));
    assert_eq!(oauth["revocation"]["method"].as_str(), Some("delete_bearer"));
    assert_eq!(oauth["identity"]["user"].as_str(), Some("/user_id"));
    assert!(!oauth.contains_key("envelope") && !table.contains_key("webhook"), "{table}");
}
