//! A provider's token endpoint and its revocation, as its table has them. The flow itself is the oauth2 crate's; this file
//! evens out where providers leave the standard, and judges what a failure means.

mod error;
mod revocation;
mod token_response;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use http::{Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl,
    RefreshToken, Scope, TokenResponse, TokenUrl,
};
use providers::{ClientAuthentication, OAuthSettings, Pkce};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::connections::record::PendingExchange;
use crate::http_client::{HttpClient, HttpRequestError};
use runtime::Clock;
use token_response::{classify_error, normalize_response};

use error::{TokenEndpointError, TokenTransportError};

pub(crate) use error::TokenRequestError;
pub(crate) use revocation::RevocationOutcome;

/// Who this installation is at a provider.
#[derive(Clone)]
pub struct OAuthClient {
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Zeroizing<String>>,
}

/// OAuth clients of this installation, by the name of the provider.
pub type OAuthClients = Arc<BTreeMap<String, OAuthClient>>;

/// What a provider answered a token request with.
pub(crate) struct GrantedTokens {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) access_until: Option<Timestamp>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) provider_user: Option<String>,
}

/// One provider, to be asked.
pub(crate) struct ProviderTokenClient<'p> {
    pub(crate) oauth: &'p OAuthSettings,
    pub(crate) oauth_client: &'p OAuthClient,
    pub(crate) http: &'p HttpClient,
    pub(crate) clock: Clock,
}

/// What the oauth2 crate makes its requests through; the provider's user, where the answer names one, stays behind.
struct HttpAdapter<'a> {
    provider_client: &'a ProviderTokenClient<'a>,
    provider_user: Mutex<Option<String>>,
}

impl<'c> AsyncHttpClient<'c> for HttpAdapter<'_> {
    type Error = TokenTransportError;
    type Future =
        Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, TokenTransportError>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.provider_client.send_token_request(request, &self.provider_user))
    }
}

impl ProviderTokenClient<'_> {
    /// Exchanges a code (RFC 6749, section 4.1.3).
    pub(crate) async fn exchange_code(
        &self,
        exchange: &PendingExchange,
        redirect_uri: &str,
        own_verifier: Zeroizing<String>,
    ) -> Result<GrantedTokens, TokenRequestError> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|_| TokenRequestError::Misconfigured("the redirect URI is no URL".to_owned()))?;
        let client = self.build_oauth2_client()?;
        let mut request = client
            .exchange_code(AuthorizationCode::new(exchange.code.clone()))
            .set_redirect_uri(std::borrow::Cow::Owned(redirect));
        // A provider that knows no PKCE is not sent any of it.
        if self.oauth.pkce != Pkce::Unsupported {
            let verifier = exchange.code_verifier.clone().unwrap_or_else(|| (*own_verifier).clone());
            request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier));
        }
        for (name, value) in &self.oauth.token_parameters {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let line = HttpAdapter { provider_client: self, provider_user: Mutex::new(None) };
        let answer = request.request_async(&line).await;
        self.parse_token_response(answer, line.provider_user)
    }

    /// Refreshes (RFC 6749, section 6).
    pub(crate) async fn refresh(&self, refresh: &str) -> Result<GrantedTokens, TokenRequestError> {
        let client = self.build_oauth2_client()?;
        let token = RefreshToken::new(refresh.to_owned());
        let mut request = client.exchange_refresh_token(&token);
        if let Some(scope) = &self.oauth.refresh_scope {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &self.oauth.token_parameters {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let line = HttpAdapter { provider_client: self, provider_user: Mutex::new(None) };
        let answer = request.request_async(&line).await;
        self.parse_token_response(answer, line.provider_user)
    }

    fn build_oauth2_client(
        &self,
    ) -> Result<
        BasicClient<
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointSet,
        >,
        TokenRequestError,
    > {
        let url = TokenUrl::new(self.oauth.token_url.to_string())
            .map_err(|_| TokenRequestError::Misconfigured("the token URL is no URL".to_owned()))?;
        let mut client = BasicClient::new(ClientId::new(self.oauth_client.client_id.clone()));
        if let Some(secret) = &self.oauth_client.client_secret {
            client = client.set_client_secret(ClientSecret::new((**secret).clone()));
        }
        let authentication = match self.oauth.client_authentication {
            ClientAuthentication::Basic => AuthType::BasicAuth,
            ClientAuthentication::Body | ClientAuthentication::None => AuthType::RequestBody,
        };
        Ok(client.set_token_uri(url).set_auth_type(authentication))
    }

    /// One request of the oauth2 crate's, its answer made what the standard says.
    async fn send_token_request(
        &self,
        request: oauth2::HttpRequest,
        user: &Mutex<Option<String>>,
    ) -> Result<oauth2::HttpResponse, TokenTransportError> {
        let answer = self.http.send(request, &self.oauth.hosts()).await.map_err(|failure| {
            TokenTransportError(match failure {
                HttpRequestError::NotSent => TokenRequestError::Unavailable,
                HttpRequestError::OutcomeUnknown(why) => TokenRequestError::OutcomeUnknown(why),
            })
        })?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(TokenTransportError(TokenRequestError::Unavailable));
        }
        if status.is_server_error() || status.is_redirection() || status.is_informational() {
            // Behind a gateway that gave up, the provider may have acted all the same.
            return Err(TokenTransportError(TokenRequestError::OutcomeUnknown(
                "the provider answered with an error of its own",
            )));
        }
        let read: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let Some(read) = read else {
            return Err(TokenTransportError(match status.as_u16() {
                400 | 401 => TokenRequestError::Refused(format!("status {status}")),
                400.. => TokenRequestError::Misconfigured(format!("status {status}")),
                _ => TokenRequestError::OutcomeUnknown("the answer is not JSON"),
            }));
        };
        let even = normalize_response(read, self.oauth).map_err(TokenTransportError)?;
        if !status.is_success() && even.get("error").is_none_or(|error| !error.is_string()) {
            return Err(TokenTransportError(match status.as_u16() {
                400 | 401 => TokenRequestError::Refused(format!("status {status}")),
                _ => TokenRequestError::Misconfigured(format!("status {status}")),
            }));
        }
        if status.is_success() {
            let found = self.oauth.user_pointer.as_ref().and_then(|pointer| pointer.resolve_user_id(&even));
            *user.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        let body = serde_json::to_vec(&even).unwrap_or_else(|_| unreachable!("BUG: JSON is JSON"));
        let status = if status.is_success() { StatusCode::OK } else { status };
        let even = http::Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        even.body(body)
            .map_err(|_| TokenTransportError(TokenRequestError::OutcomeUnknown("the answer can't be read")))
    }

    fn parse_token_response(
        &self,
        answer: Result<BasicTokenResponse, TokenEndpointError>,
        user: Mutex<Option<String>>,
    ) -> Result<GrantedTokens, TokenRequestError> {
        let granted = answer.map_err(classify_error)?;
        let named = user.into_inner().unwrap_or_else(PoisonError::into_inner);
        let access = granted.access_token().secret().clone();
        let life = granted.expires_in().map(|life| life.as_secs()).or(self.oauth.access_seconds);
        // What a provider calls the end of time is no time.
        let life = life.filter(|seconds| *seconds > 0).and_then(|seconds| i64::try_from(seconds).ok());
        let life = life.map(SignedDuration::from_secs);
        let now = (self.clock)();
        Ok(GrantedTokens {
            refresh: granted.refresh_token().map(|token| token.secret().clone()),
            access_until: life.and_then(|life| now.checked_add(life).ok()),
            scopes: granted.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            provider_user: named,
            access,
        })
    }

    /// Asks whose token it is. Not knowing keeps nobody from being connected.
    pub(crate) async fn fetch_provider_user(&self, access: &str) -> Option<String> {
        let identity = self.oauth.identity_endpoint.as_ref()?;
        let request =
            with_bearer_token(Request::builder().method(Method::GET).uri(identity.url.as_str()), access)
                .body(Vec::new())
                .ok()?;
        let answer = self.http.send(request, &self.oauth.hosts()).await.ok()?;
        let read: Value =
            serde_json::from_slice(answer.body()).ok().filter(|_| answer.status().is_success())?;
        identity.user_pointer.resolve_user_id(&read)
    }
}

fn with_bearer_token(request: http::request::Builder, access: &str) -> http::request::Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {access}"))
}
