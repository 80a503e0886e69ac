//! The provider simulator itself: what it lets pass and what it does wrong is what the tests of connections stand on.

mod misbehaviours;
mod oauth;
mod webhooks;

use data_encoding::BASE64;

use crate::harness::provider::{ClientAuthentication, Simulator, Variant, follow, over_tls, pkce, plain};
use crate::harness::{Answer, Authority, RawRequest, TestFolder};

/// A client that knows everything, beside the simulator.
struct Client {
    simulator: Simulator,
    authority: Authority,
    body: bool,
    _folder: TestFolder,
}

impl Client {
    fn of(variant: Variant) -> Self {
        let folder = TestFolder::new();
        let authority = Authority::new(folder.path());
        let body = variant.client_authentication == ClientAuthentication::Body;
        Self { simulator: Simulator::start(&authority, variant), authority, body, _folder: folder }
    }

    /// An authorisation URL; `more` adds parameters, or replaces those that are there.
    fn authorization_url(&self, more: &[(&str, &str)]) -> String {
        let mut parameters = vec![
            ("response_type", "code"),
            ("client_id", self.simulator.client_id()),
            ("redirect_uri", "myapp://connected"),
            ("scope", "activity heartrate"),
            ("state", "the-state"),
        ];
        parameters.retain(|(name, _)| more.iter().all(|(other, _)| other != name));
        let parameters = parameters.iter().chain(more).filter(|(_, value)| !value.is_empty());
        let base_url = format!("{}/authorize", self.simulator.base_url());
        url::Url::parse_with_params(&base_url, parameters).unwrap().into()
    }

    /// Consent with this challenge, and its code.
    async fn code(&self, challenge: &str) -> String {
        let more = [("code_challenge", challenge), ("code_challenge_method", "S256")];
        let more = if challenge.is_empty() { &[][..] } else { &more };
        follow(&self.authority, &self.authorization_url(more)).await.unwrap().code.unwrap()
    }

    /// A post with who we are, by the provider's way.
    fn post(&self, path: &str, form: &[(&str, &str)]) -> RawRequest {
        let (id, secret) = (self.simulator.client_id(), self.simulator.client_secret());
        let mut form = form.to_vec();
        if self.body {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = RawRequest { body: body.into_bytes(), ..plain("POST", path) }
            .header("content-type", "application/x-www-form-urlencoded");
        if !self.body {
            let encoded = BASE64.encode(format!("{id}:{secret}").as_bytes());
            request = request.header("authorization", format!("Basic {encoded}"));
        }
        request
    }

    async fn try_send(&self, request: &RawRequest) -> std::io::Result<Answer> {
        over_tls(&self.authority, self.simulator.base_url(), request).await
    }

    async fn send(&self, request: &RawRequest) -> Answer {
        self.try_send(request).await.unwrap()
    }

    fn exchange(&self, code: &str, verifier: Option<&str>) -> RawRequest {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "myapp://connected")];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        self.post("/token", &form)
    }

    fn refresh(&self, token: &str) -> RawRequest {
        self.post("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// From consent to tokens, with PKCE: the access token and the refresh token.
    async fn connected(&self) -> (String, String) {
        let (verifier, challenge) = pkce();
        let answer = self.send(&self.exchange(&self.code(&challenge).await, Some(&verifier))).await;
        (token(&answer, "access_token"), token(&answer, "refresh_token"))
    }

    /// What the token opens: 200 or 401.
    async fn me(&self, access: &str) -> u16 {
        let request = plain("GET", "/me").header("authorization", format!("Bearer {access}"));
        self.send(&request).await.status
    }
}

fn token(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned()
}

fn error(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
}
