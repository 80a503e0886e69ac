//! The ways in which providers revoke.

use http::{Method, Request, header};
use providers::{ClientAuthentication, RevocationEndpoint, RevocationMethod};

use super::error::TokenRequestError;
use super::{ProviderTokenClient, with_bearer_token};
use crate::connections::record::Tokens;
use crate::http_client::HttpRequestError;

/// What a provider made of being asked to revoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RevocationOutcome {
    /// The tokens are good nowhere any more.
    Revoked,
    /// The provider has no way to revoke.
    Unsupported,
    /// The access token, which was to ask for its own end, is good no more.
    AccessTokenInvalid,
}

impl ProviderTokenClient<'_> {
    /// Revokes at the provider.
    pub(crate) async fn revoke_tokens(
        &self,
        tokens: &Tokens,
    ) -> Result<RevocationOutcome, TokenRequestError> {
        let Some(revocation) = &self.oauth.revocation else { return Ok(RevocationOutcome::Unsupported) };
        if revocation.method != RevocationMethod::PostToken {
            return self.revoke_token(revocation, tokens, &tokens.access).await;
        }
        // RFC 7009, section 2.1: revoking the refresh token should take the access tokens along. Not every provider's
        // does, and one that may have been rotated since is not the provider's any more.
        let mut answer = RevocationOutcome::Revoked;
        for token in tokens.refresh.iter().chain([&tokens.access]) {
            answer = self.revoke_token(revocation, tokens, token).await?;
        }
        Ok(answer)
    }

    async fn revoke_token(
        &self,
        revocation: &RevocationEndpoint,
        tokens: &Tokens,
        token: &str,
    ) -> Result<RevocationOutcome, TokenRequestError> {
        let url = revocation
            .url(tokens.provider_user.as_deref())
            .map_err(|error| TokenRequestError::Misconfigured(error.to_string()))?;
        let form = |pairs: &[(&str, &str)]| {
            url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
        };
        let post = Request::builder().method(Method::POST);
        let form_type = (header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = match revocation.method {
            RevocationMethod::PostToken => {
                let mut pairs = vec![("token", token)];
                let authentication =
                    revocation.client_authentication.unwrap_or(self.oauth.client_authentication);
                let secret = self.oauth_client.client_secret.as_ref().map(|secret| secret.as_str());
                let mut request = post.uri(url.as_str()).header(form_type.0, form_type.1);
                match (authentication, secret) {
                    (ClientAuthentication::Basic, Some(secret)) => {
                        request = request.header(
                            header::AUTHORIZATION,
                            basic_authorization(&self.oauth_client.client_id, secret),
                        );
                    }
                    (ClientAuthentication::None, _) => {}
                    (ClientAuthentication::Body, _) | (ClientAuthentication::Basic, None) => {
                        pairs.push(("client_id", &self.oauth_client.client_id));
                        pairs.extend(secret.map(|secret| ("client_secret", secret)));
                    }
                }
                request.body(form(&pairs))
            }
            RevocationMethod::PostForm => {
                post.uri(url.as_str()).header(form_type.0, form_type.1).body(form(&[("access_token", token)]))
            }
            RevocationMethod::PostQuery => {
                let mut url = url.clone();
                url.query_pairs_mut().append_pair("access_token", token);
                post.uri(url.as_str()).body(Vec::new())
            }
            RevocationMethod::DeleteBearer => {
                with_bearer_token(Request::builder().method(Method::DELETE).uri(url.as_str()), token)
                    .body(Vec::new())
            }
        };
        let request =
            request.map_err(|_| TokenRequestError::Misconfigured("no request can be made".to_owned()))?;
        let answer = match self.http.send(request, &self.oauth.hosts()).await {
            Ok(answer) => answer,
            Err(HttpRequestError::NotSent) => return Err(TokenRequestError::Unavailable),
            Err(HttpRequestError::OutcomeUnknown(why)) => return Err(TokenRequestError::OutcomeUnknown(why)),
        };
        match answer.status().as_u16() {
            200..300 => Ok(RevocationOutcome::Revoked),
            429 => Err(TokenRequestError::Unavailable),
            // It does not know the token (any more): as good as revoked.
            400 if revocation.method == RevocationMethod::PostToken
                && !is_invalid_token_error(answer.body()) =>
            {
                Err(TokenRequestError::Refused("status 400".to_owned()))
            }
            400 | 404 | 410 => Ok(RevocationOutcome::Revoked),
            401 if revocation.method != RevocationMethod::PostToken => {
                Ok(RevocationOutcome::AccessTokenInvalid)
            }
            status @ 401..500 => Err(TokenRequestError::Refused(format!("status {status}"))),
            _ => Err(TokenRequestError::OutcomeUnknown("the provider answered with an error of its own")),
        }
    }
}

/// By RFC 7009 a token that is not known is answered with 200; some say so with an error. Any other error is about who
/// asked, and says nothing of the token.
fn is_invalid_token_error(body: &[u8]) -> bool {
    let answer: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    let error = answer.as_ref().and_then(|answer| answer.get("error")).and_then(|error| error.as_str());
    matches!(error, Some("invalid_token" | "invalid_grant"))
}

fn basic_authorization(id: &str, secret: &str) -> String {
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encode(id), encode(secret));
    format!("Basic {}", data_encoding::BASE64.encode(pair.as_bytes()))
}
