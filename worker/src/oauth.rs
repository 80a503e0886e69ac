//! A provider's token endpoint and its revocation, as its table has them. The flow itself is the oauth2 crate's; this file
//! evens out where providers leave the standard, and judges what a failure means.

mod answers;
mod revoking;

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use http::{Method, Request, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{BasicClient, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, PkceCodeVerifier, RedirectUrl,
    RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use providers::{ClientAuthentication, OAuth, Pkce};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::Clock;
use crate::outgoing::{Outgoing, RequestFailure};
use crate::record::Exchange;
use answers::{evened, judged};

pub(crate) use revoking::Answer;

/// Who this installation is at a provider.
#[derive(Clone)]
pub struct OAuthClient {
    /// The client's id.
    pub client_id: String,
    /// Its secret.
    pub client_secret: Option<Zeroizing<String>>,
}

/// What a provider answered a token request with.
pub(crate) struct Granted {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
    pub(crate) access_until: Option<Timestamp>,
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) provider_user: Option<String>,
}

/// Why a token request gave no tokens.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TokenFailure {
    /// The provider refuses the code or the refresh token, for good.
    #[error("the provider refuses: {0}")]
    Refused(String),
    /// The provider refuses who asks, or how: this installation's settings are wrong, and no token is used up.
    #[error("the provider refuses this installation: {0}")]
    Misconfigured(String),
    /// The provider has not acted; later it may.
    #[error("the provider is not to be had now")]
    NotNow,
    /// What came of it is not known.
    #[error("what came of the request is not known: {0}")]
    Unknown(&'static str),
}

/// One provider, to be asked.
pub(crate) struct Asking<'p> {
    pub(crate) oauth: &'p OAuth,
    pub(crate) client: &'p OAuthClient,
    pub(crate) outgoing: &'p Outgoing,
    pub(crate) clock: Clock,
}

type Failed = RequestTokenError<Answered, oauth2::basic::BasicErrorResponse>;

/// A failure on the way, before the answer is read as OAuth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
struct Answered(TokenFailure);

/// What the oauth2 crate makes its requests through; the provider's user, where the answer names one, stays behind.
struct Line<'a> {
    asking: &'a Asking<'a>,
    user: Mutex<Option<String>>,
}

impl<'c> AsyncHttpClient<'c> for Line<'_> {
    type Error = Answered;
    type Future = Pin<Box<dyn Future<Output = Result<oauth2::HttpResponse, Answered>> + Send + 'c>>;

    fn call(&'c self, request: oauth2::HttpRequest) -> Self::Future {
        Box::pin(self.asking.send(request, &self.user))
    }
}

impl Asking<'_> {
    /// Exchanges a code (RFC 6749, section 4.1.3).
    pub(crate) async fn exchange(
        &self,
        exchange: &Exchange,
        redirect_uri: &str,
        own_verifier: Zeroizing<String>,
    ) -> Result<Granted, TokenFailure> {
        let redirect = RedirectUrl::new(redirect_uri.to_owned())
            .map_err(|_| TokenFailure::Misconfigured("the redirect URI is no URL".to_owned()))?;
        let client = self.client()?;
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
        let line = Line { asking: self, user: Mutex::new(None) };
        let answer = request.request_async(&line).await;
        self.granted(answer, line.user)
    }

    /// Refreshes (RFC 6749, section 6).
    pub(crate) async fn refresh(&self, refresh: &str) -> Result<Granted, TokenFailure> {
        let client = self.client()?;
        let token = RefreshToken::new(refresh.to_owned());
        let mut request = client.exchange_refresh_token(&token);
        if let Some(scope) = &self.oauth.refresh_scope {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &self.oauth.token_parameters {
            request = request.add_extra_param(name.as_str(), value.as_str());
        }
        let line = Line { asking: self, user: Mutex::new(None) };
        let answer = request.request_async(&line).await;
        self.granted(answer, line.user)
    }

    fn client(
        &self,
    ) -> Result<
        BasicClient<
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointNotSet,
            oauth2::EndpointSet,
        >,
        TokenFailure,
    > {
        let url = TokenUrl::new(self.oauth.token_url.to_string())
            .map_err(|_| TokenFailure::Misconfigured("the token URL is no URL".to_owned()))?;
        let mut client = BasicClient::new(ClientId::new(self.client.client_id.clone()));
        if let Some(secret) = &self.client.client_secret {
            client = client.set_client_secret(ClientSecret::new((**secret).clone()));
        }
        let authentication = match self.oauth.client_authentication {
            ClientAuthentication::Basic => AuthType::BasicAuth,
            ClientAuthentication::Body | ClientAuthentication::None => AuthType::RequestBody,
        };
        Ok(client.set_token_uri(url).set_auth_type(authentication))
    }

    /// One request of the oauth2 crate's, its answer made what the standard says.
    async fn send(
        &self,
        request: oauth2::HttpRequest,
        user: &Mutex<Option<String>>,
    ) -> Result<oauth2::HttpResponse, Answered> {
        let answer = self.outgoing.send(request, &self.oauth.hosts()).await.map_err(|failure| {
            Answered(match failure {
                RequestFailure::NotSent => TokenFailure::NotNow,
                RequestFailure::Unknown(why) => TokenFailure::Unknown(why),
            })
        })?;
        let status = answer.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(Answered(TokenFailure::NotNow));
        }
        if status.is_server_error() || status.is_redirection() || status.is_informational() {
            // Behind a gateway that gave up, the provider may have acted all the same.
            return Err(Answered(TokenFailure::Unknown("the provider answered with an error of its own")));
        }
        let read: Option<Value> = serde_json::from_slice(answer.body()).ok();
        let Some(read) = read else {
            return Err(Answered(match status.as_u16() {
                400 | 401 => TokenFailure::Refused(format!("status {status}")),
                400.. => TokenFailure::Misconfigured(format!("status {status}")),
                _ => TokenFailure::Unknown("the answer is not JSON"),
            }));
        };
        let even = evened(read, self.oauth).map_err(Answered)?;
        if !status.is_success() && even.get("error").is_none_or(|error| !error.is_string()) {
            return Err(Answered(match status.as_u16() {
                400 | 401 => TokenFailure::Refused(format!("status {status}")),
                _ => TokenFailure::Misconfigured(format!("status {status}")),
            }));
        }
        if status.is_success() {
            let found = self.oauth.user.as_ref().and_then(|pointer| pointer.user(&even));
            *user.lock().unwrap_or_else(PoisonError::into_inner) = found;
        }
        let body = serde_json::to_vec(&even).unwrap_or_else(|_| unreachable!("BUG: JSON is JSON"));
        let status = if status.is_success() { StatusCode::OK } else { status };
        let even = http::Response::builder().status(status).header(header::CONTENT_TYPE, "application/json");
        even.body(body).map_err(|_| Answered(TokenFailure::Unknown("the answer can't be read")))
    }

    fn granted(
        &self,
        answer: Result<BasicTokenResponse, Failed>,
        user: Mutex<Option<String>>,
    ) -> Result<Granted, TokenFailure> {
        let granted = answer.map_err(judged)?;
        let named = user.into_inner().unwrap_or_else(PoisonError::into_inner);
        let access = granted.access_token().secret().clone();
        let life = granted.expires_in().map(|life| life.as_secs()).or(self.oauth.access_seconds);
        // What a provider calls the end of time is no time.
        let life = life.filter(|seconds| *seconds > 0).and_then(|seconds| i64::try_from(seconds).ok());
        let life = life.map(SignedDuration::from_secs);
        let now = (self.clock)();
        Ok(Granted {
            refresh: granted.refresh_token().map(|token| token.secret().clone()),
            access_until: life.and_then(|life| now.checked_add(life).ok()),
            scopes: granted.scopes().map(|scopes| scopes.iter().map(|scope| scope.to_string()).collect()),
            provider_user: named,
            access,
        })
    }

    /// Asks whose token it is. Not knowing keeps nobody from being connected.
    pub(crate) async fn identity(&self, access: &str) -> Option<String> {
        let identity = self.oauth.identity.as_ref()?;
        let request = bearer(Request::builder().method(Method::GET).uri(identity.url.as_str()), access)
            .body(Vec::new())
            .ok()?;
        let answer = self.outgoing.send(request, &self.oauth.hosts()).await.ok()?;
        let read: Value =
            serde_json::from_slice(answer.body()).ok().filter(|_| answer.status().is_success())?;
        identity.user.user(&read)
    }
}

fn bearer(request: http::request::Builder, access: &str) -> http::request::Builder {
    request.header(header::AUTHORIZATION, format!("Bearer {access}"))
}
