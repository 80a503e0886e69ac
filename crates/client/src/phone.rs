//! A phone with its credentials.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, header};
use schemas::{Accepted, Problem, Retry};

use crate::backoff::Backoff;
use crate::credentials::Credentials;
use crate::http_connection::{HttpConnection, HttpResponse, TransportError};
use crate::signing::{PhoneSigningKey, SignedPost, sign};

/// What became of a post.
#[derive(Debug)]
pub enum PostResult {
    /// On stable storage.
    Accepted(Accepted),
    /// Refused, and the same bytes will be refused again.
    Refused(Problem),
}

/// A post whose outcome is not known after all attempts.
#[derive(Debug, thiserror::Error)]
pub enum PostError {
    /// No answer.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The server asked to try again, more often than we do.
    #[error("the server still asks to try again: {} ({})", .0.title, .0.detail)]
    RetriesExhausted(Box<Problem>),
    /// An answer that is none of the contract's.
    #[error("the answer, status {0}, is not one of the contract's")]
    UnexpectedResponse(u16),
}

/// A phone: one user, one connection.
pub struct Phone {
    credentials: Credentials,
    key: PhoneSigningKey,
    connection: HttpConnection,
}

impl Phone {
    /// From its credentials.
    pub fn new(credentials: Credentials) -> Result<Self, PostError> {
        let key =
            PhoneSigningKey::from_hex(&credentials.signing_key_hex).ok_or(TransportError::InvalidBaseUrl)?;
        let connection = HttpConnection::new(&credentials.base_url)?;
        Ok(Self { credentials, key, connection })
    }

    /// Signs a body; `timestamp` is unix seconds, unix milliseconds or RFC 3339.
    pub fn sign(&self, timestamp: impl Into<String>, body: impl Into<Bytes>) -> SignedPost {
        sign(&self.key, timestamp, body)
    }

    /// Sends the same bytes until there is an answer that settles it, or no attempt is left.
    pub async fn post(&mut self, post: &SignedPost, mut backoff: Backoff) -> Result<PostResult, PostError> {
        loop {
            let (error, retry_after) = match self.post_once(post).await {
                Ok(reply) => match parse_response(&reply) {
                    Ok(posted) => return Ok(posted),
                    Err(error) => (error, retry_after(&reply)),
                },
                Err(error) => (error.into(), None),
            };
            match backoff.next_delay(retry_after) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// Sends once and returns whatever comes back.
    pub async fn post_once(&mut self, post: &SignedPost) -> Result<HttpResponse, TransportError> {
        let request = Request::post("/v1/summaries")
            .header(header::AUTHORIZATION, format!("Bearer {}", self.credentials.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header("x-sync-timestamp", &post.timestamp)
            .header("x-sync-signature", &post.signature)
            .header("x-sync-key-id", &self.credentials.key_id);
        self.connection.send(request, post.body.clone()).await
    }

    /// Reads something of one's own.
    pub async fn get(&mut self, path: &str) -> Result<HttpResponse, TransportError> {
        let request =
            Request::get(path).header(header::AUTHORIZATION, format!("Bearer {}", self.credentials.token));
        self.connection.send(request, Bytes::new()).await
    }
}

fn parse_response(reply: &HttpResponse) -> Result<PostResult, PostError> {
    let unexpected = || PostError::UnexpectedResponse(reply.status.as_u16());
    if reply.status.is_success() {
        return serde_json::from_slice(&reply.body).map(PostResult::Accepted).map_err(|_| unexpected());
    }
    let problem: Problem = serde_json::from_slice(&reply.body).map_err(|_| unexpected())?;
    if problem.retry == Retry::SameBytes {
        Err(PostError::RetriesExhausted(Box::new(problem)))
    } else {
        Ok(PostResult::Refused(problem))
    }
}

fn retry_after(reply: &HttpResponse) -> Option<Duration> {
    reply.headers.get(header::RETRY_AFTER)?.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
