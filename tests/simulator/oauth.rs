//! OAuth as it should be: who is let in, who is not, and what ends.

use serde_json::json;

use super::{Client, error, token};
use crate::harness::provider::{
    ClientAuthentication, Endpoint, Pkce, Refresh, Revocation, UserId, Variant, follow, pkce, plain,
};
use crate::harness::{RawRequest, TestFolder};

#[tokio::test]
async fn it_checks_who_is_authorised() {
    let client = Client::of(Variant { issuer: true, ..Variant::default() });
    let (_, challenge) = pkce();
    let s256 = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let returned = follow(&client.authority, &client.authorization_url(&s256)).await.unwrap();
    assert_eq!(
        (returned.redirect_uri.as_str(), returned.state.as_deref()),
        ("myapp://connected", Some("the-state"))
    );
    assert_eq!(returned.iss.as_deref(), Some(client.simulator.base_url()));
    assert!(returned.code.is_some() && returned.error.is_none());

    for wrong in [("client_id", "another"), ("redirect_uri", "https://evil.example/"), ("redirect_uri", "")] {
        let page =
            follow(&client.authority, &client.authorization_url(&[&s256[..], &[wrong]].concat())).await;
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
        let returned = follow(&client.authority, &client.authorization_url(&more)).await.unwrap();
        assert_eq!((returned.error.as_deref(), returned.code), (Some(told), None), "{wrong:?}");
    }
}

#[tokio::test]
async fn it_knows_its_own_scopes() {
    let (_, challenge) = pkce();
    for (scopes, scope_separator, right, wrong) in [
        (vec!["activity", "heartrate"], ",", "heartrate,activity", "heartrate activity"),
        (vec!["activity"], " ", "activity", ""),
        (vec![], " ", "", "activity"),
    ] {
        let client = Client::of(Variant { scopes, scope_separator, ..Variant::default() });
        for (scope, error) in [(right, None), (wrong, Some("invalid_scope"))] {
            let more = [("code_challenge", &*challenge), ("code_challenge_method", "S256"), ("scope", scope)];
            let returned = follow(&client.authority, &client.authorization_url(&more)).await.unwrap();
            assert_eq!(returned.error.as_deref(), error, "{scope:?}");
        }
    }
}

#[tokio::test]
async fn it_checks_pkce() {
    let client = Client::of(Variant { pkce: Pkce::Supported, ..Variant::default() });
    let (verifier, challenge) = pkce();
    let code = client.code(&challenge).await;
    for wrong in [None, Some(pkce().0)] {
        let refused = client.send(&client.exchange(&code, wrong.as_deref())).await;
        assert_eq!(error(&refused), (400, "invalid_grant".to_owned()), "{wrong:?}");
    }
    let short = client.send(&client.exchange(&code, Some("too-short"))).await;
    assert_eq!(error(&short).1, "invalid_request");
    let access = token(&client.send(&client.exchange(&code, Some(&verifier))).await, "access_token");
    assert_eq!(client.me(&access).await, 200);

    let without = client.code("").await;
    let downgraded = client.send(&client.exchange(&without, Some(&verifier))).await;
    assert_eq!(error(&downgraded).1, "invalid_grant", "a verifier for no challenge");
    token(&client.send(&client.exchange(&without, None)).await, "access_token");

    let client = Client::of(Variant { pkce: Pkce::Unsupported, ..Variant::default() });
    let more = [("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")];
    let returned = follow(&client.authority, &client.authorization_url(&more)).await.unwrap();
    assert_eq!(returned.error.as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn it_ends_what_came_of_a_code_that_comes_twice() {
    let client = Client::of(Variant::default());
    let (verifier, challenge) = pkce();
    let code = client.code(&challenge).await;
    let exchange = client.exchange(&code, Some(&verifier));
    let first = client.send(&exchange).await;
    let other = client.connected().await;
    assert_eq!(client.me(&token(&first, "access_token")).await, 200);
    assert_eq!(client.simulator.reuses(), 0);

    assert_eq!(error(&client.send(&exchange).await).1, "invalid_grant");
    assert_eq!(client.simulator.reuses(), 1);
    assert_eq!(client.me(&token(&first, "access_token")).await, 401);
    let refused = client.send(&client.refresh(&token(&first, "refresh_token"))).await;
    assert_eq!(error(&refused).1, "invalid_grant");
    assert_eq!(client.me(&other.0).await, 200, "another user's consent is another matter");

    let code = client.code(&challenge).await;
    client.simulator.expire_codes();
    assert_eq!(error(&client.send(&client.exchange(&code, Some(&verifier))).await).1, "invalid_grant");
}

#[tokio::test]
async fn it_refreshes_as_its_kind_does() {
    let client = Client::of(Variant::default());
    let (access, first) = client.connected().await;
    client.simulator.end_access_tokens();
    assert_eq!(client.me(&access).await, 401);
    let answer = client.send(&client.refresh(&first)).await;
    let (access, second) = (token(&answer, "access_token"), token(&answer, "refresh_token"));
    assert_eq!((client.me(&access).await, client.simulator.refresh_tokens()), (200, vec![second.clone()]));
    assert_eq!(error(&client.send(&client.refresh(&first)).await).1, "invalid_grant", "single use");
    assert_eq!(client.me(&access).await, 401, "used twice, everything ends");
    assert_eq!(error(&client.send(&client.refresh(&second)).await).1, "invalid_grant");
    assert_eq!(client.simulator.reuses(), 1);
    assert_eq!(client.simulator.refresh_uses(), [(first, 2), (second, 1)].into());

    let client = Client::of(Variant { refresh: Refresh::Rotates, ..Variant::default() });
    let (_, first) = client.connected().await;
    let second = token(&client.send(&client.refresh(&first)).await, "refresh_token");
    assert_ne!(first, second);
    for good in [&first, &second] {
        token(&client.send(&client.refresh(good)).await, "access_token");
    }

    let client = Client::of(Variant { refresh: Refresh::Keeps, ..Variant::default() });
    let (_, only) = client.connected().await;
    for _ in 0..2 {
        let answer = client.send(&client.refresh(&only)).await;
        assert!(answer.json()["refresh_token"].is_null() && answer.status == 200, "{answer:?}");
    }
    client.simulator.end_grants();
    assert_eq!(error(&client.send(&client.refresh(&only)).await).1, "invalid_grant");

    let client = Client::of(Variant { refresh: Refresh::None, expires_in: None, ..Variant::default() });
    let (verifier, challenge) = pkce();
    let answer = client.send(&client.exchange(&client.code(&challenge).await, Some(&verifier))).await.json();
    assert!(answer["refresh_token"].is_null() && answer["expires_in"].is_null(), "{answer}");
}

#[tokio::test]
async fn it_knows_its_client_in_one_way() {
    for client_authentication in [ClientAuthentication::Basic, ClientAuthentication::Body] {
        let mut client = Client::of(Variant { client_authentication, ..Variant::default() });
        let (_, refresh) = client.connected().await;
        let good = client.refresh(&refresh);
        client.body = !client.body;
        let other_way = client.refresh(&refresh);
        let (in_header, in_body) = if client.body { (&good, &other_way) } else { (&other_way, &good) };
        let both = RawRequest { body: in_body.body.clone(), ..in_header.clone() };
        for wrong in [other_way, both] {
            assert_eq!(error(&client.send(&wrong).await), (401, "invalid_client".to_owned()));
        }
        token(&client.send(&good).await, "access_token");
    }
}

#[tokio::test]
async fn it_revokes_in_every_form() {
    let bearer = |access: &str| format!("Bearer {access}");
    for form in [
        Revocation::PostToken,
        Revocation::PostTokenAlone,
        Revocation::PostForm,
        Revocation::PostQuery,
        Revocation::DeleteBearer,
        Revocation::DeleteUser,
    ] {
        let client = Client::of(Variant { revocation: Some(form), ..Variant::default() });
        client.simulator.sign_in(475);
        let (access, refresh) = client.connected().await;
        let request = match form {
            Revocation::PostToken => client.post("/revoke", &[("token", &refresh)]),
            Revocation::PostTokenAlone => {
                let by_name = client.post("/revoke", &[("token", &refresh)]);
                assert_eq!(client.send(&by_name).await.status, 401, "the secret is nothing to tell here");
                by_name.without("authorization")
            }
            Revocation::PostForm => client.post("/revoke", &[("access_token", &access)]),
            Revocation::PostQuery => plain("POST", &format!("/revoke?access_token={access}")),
            Revocation::DeleteBearer => plain("DELETE", "/revoke").header("authorization", bearer(&access)),
            Revocation::DeleteUser => {
                let other = plain("DELETE", "/revoke/476").header("authorization", bearer(&access));
                assert_eq!(client.send(&other).await.status, 404, "that is somebody else");
                plain("DELETE", "/revoke/475").header("authorization", bearer(&access))
            }
        };
        let done = client.send(&request).await;
        assert!([200, 204].contains(&done.status), "{form:?}: {done:?}");
        assert_eq!(client.me(&access).await, 401);
        assert_eq!(error(&client.send(&client.refresh(&refresh)).await).1, "invalid_grant");
        // RFC 7009 alone has no complaint about a token that is gone.
        let is_standard = [Revocation::PostToken, Revocation::PostTokenAlone].contains(&form);
        let again = client.send(&request).await.status;
        assert_eq!(again, if is_standard { 200 } else { 401 }, "{form:?}");
        assert!(client.simulator.requests_to(Endpoint::Revoke).len() >= 2);
    }
    let client = Client::of(Variant { revocation: None, ..Variant::default() });
    assert_eq!(client.send(&client.post("/revoke", &[("token", "x")])).await.status, 404);
}

#[tokio::test]
async fn it_answers_in_withings_envelope() {
    let client = Client::of(Variant::withings());
    let code = client.code("").await;
    let without = client.send(&client.exchange(&code, None)).await.json();
    assert_eq!(without["status"], 503, "the action is missing: {without}");
    let form = [
        ("action", "requesttoken"),
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", "myapp://connected"),
    ];
    let answer = client.send(&client.post("/token", &form)).await.json();
    assert_eq!((&answer["status"], &answer["body"]["user_id"]), (&json!(0), &json!("provider-user-1")));
    let again = client.send(&client.post("/token", &form)).await;
    assert_eq!((again.status, &again.json()["status"]), (200, &json!(503)), "a used code, and status 200");
}

#[tokio::test]
async fn it_writes_down_and_writes_its_table() {
    let variant = Variant {
        issuer: true,
        revocation: Some(Revocation::DeleteUser),
        user_id: UserId::AtMe,
        ..Variant::default()
    };
    let client = Client::of(variant);
    let (access, refresh) = client.connected().await;
    let simulator = &client.simulator;
    let exchange = &simulator.requests_to(Endpoint::Exchange)[0];
    assert!(exchange.says(simulator.client_secret()), "as decoded, not as encoded");
    assert!(!exchange.says(&refresh) && !exchange.says("the-state"));
    let secrets = simulator.secrets();
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
