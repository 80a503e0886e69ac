//! The provider simulator itself: what it lets pass and what it does wrong is what the tests of connections stand on.

mod faults;
mod oauth;
mod webhooks;

use data_encoding::BASE64;

use crate::harness::provider::{
    ClientAuthentication, ProviderProfile, ProviderSimulator, bare_request, new_pkce_pair,
    open_authorization_url, send_over_tls,
};
use crate::harness::{CertificateAuthority, RawRequest, RawResponse, TestFolder};

/// A client that knows everything, beside the simulator.
struct SimulatorClient {
    simulator: ProviderSimulator,
    authority: CertificateAuthority,
    sends_secret_in_body: bool,
    _folder: TestFolder,
}

impl SimulatorClient {
    fn new(variant: ProviderProfile) -> Self {
        let folder = TestFolder::new();
        let authority = CertificateAuthority::new(folder.path());
        let body = variant.client_authentication == ClientAuthentication::Body;
        Self {
            simulator: ProviderSimulator::start(&authority, variant),
            authority,
            sends_secret_in_body: body,
            _folder: folder,
        }
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
    async fn obtain_code(&self, challenge: &str) -> String {
        let more = [("code_challenge", challenge), ("code_challenge_method", "S256")];
        let more = if challenge.is_empty() { &[][..] } else { &more };
        open_authorization_url(&self.authority, &self.authorization_url(more)).await.unwrap().code.unwrap()
    }

    /// A post with who we are, by the provider's way.
    fn post_request(&self, path: &str, form: &[(&str, &str)]) -> RawRequest {
        let (id, secret) = (self.simulator.client_id(), self.simulator.client_secret());
        let mut form = form.to_vec();
        if self.sends_secret_in_body {
            form.extend([("client_id", id), ("client_secret", secret)]);
        }
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request = RawRequest { body: body.into_bytes(), ..bare_request("POST", path) }
            .header("content-type", "application/x-www-form-urlencoded");
        if !self.sends_secret_in_body {
            let encoded = BASE64.encode(format!("{id}:{secret}").as_bytes());
            request = request.header("authorization", format!("Basic {encoded}"));
        }
        request
    }

    async fn try_send(&self, request: &RawRequest) -> std::io::Result<RawResponse> {
        send_over_tls(&self.authority, self.simulator.base_url(), request).await
    }

    async fn send(&self, request: &RawRequest) -> RawResponse {
        self.try_send(request).await.unwrap()
    }

    fn exchange_request(&self, code: &str, verifier: Option<&str>) -> RawRequest {
        let mut form =
            vec![("grant_type", "authorization_code"), ("code", code), ("redirect_uri", "myapp://connected")];
        form.extend(verifier.map(|verifier| ("code_verifier", verifier)));
        self.post_request("/token", &form)
    }

    fn refresh_request(&self, token: &str) -> RawRequest {
        self.post_request("/token", &[("grant_type", "refresh_token"), ("refresh_token", token)])
    }

    /// From consent to tokens, with PKCE: the access token and the refresh token.
    async fn obtain_tokens(&self) -> (String, String) {
        let (verifier, challenge) = new_pkce_pair();
        let answer =
            self.send(&self.exchange_request(&self.obtain_code(&challenge).await, Some(&verifier))).await;
        (token_field(&answer, "access_token"), token_field(&answer, "refresh_token"))
    }

    /// What the token opens: 200 or 401.
    async fn me_status(&self, access: &str) -> u16 {
        let request = bare_request("GET", "/me").header("authorization", format!("Bearer {access}"));
        self.send(&request).await.status
    }
}

fn token_field(answer: &RawResponse, name: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer:?}")).to_owned()
}

fn oauth_error(answer: &RawResponse) -> (u16, String) {
    (answer.status, answer.json()["error"].as_str().unwrap().to_owned())
}
