//! Requests that leave for a provider or a receiver, and what is known when they fail.
//!
//! Over https only, to the hosts that are allowed, without following redirects (one could lead anywhere), within a time and
//! up to a size. What matters most of a failure is whether the other side may have acted.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// Bytes of an answer.
const RESPONSE_BYTES_MAX: usize = 64 * 1024;

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum HttpClientError {
    /// The authority's certificates can't be read.
    #[error("{} can't be read", .0.display())]
    CaFile(std::path::PathBuf, #[source] std::io::Error),
    /// They are no certificates, or TLS can't be used.
    #[error("requests can't be made")]
    Client(#[source] reqwest::Error),
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpRequestError {
    /// It never left: the other side has not acted.
    #[error("the request did not leave")]
    NotSent,
    /// It may have left, and what came of it is not known.
    #[error("what came of the request is not known: {0}")]
    OutcomeUnknown(&'static str),
}

/// Makes requests.
#[derive(Clone)]
pub(crate) struct HttpClient {
    client: Client,
}

impl HttpClient {
    /// `ca_file`: a private authority to trust beside the system's.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, HttpClientError> {
        let builder = client_builder(ca_file)?.https_only(true).timeout(REQUEST_TIMEOUT);
        Ok(Self { client: builder.build().map_err(HttpClientError::Client)? })
    }

    /// Sends a request to one of these hosts (`host` or `host:port`), and reads all of the answer.
    pub(crate) async fn send(
        &self,
        request: http::Request<Vec<u8>>,
        hosts: &BTreeSet<String>,
    ) -> Result<http::Response<Vec<u8>>, HttpRequestError> {
        let request = reqwest::Request::try_from(request).map_err(|_| HttpRequestError::NotSent)?;
        let url = request.url();
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        if !hosts.contains(&host) {
            tracing::error!(host, "a request to a host that the provider's table does not name was not made");
            return Err(HttpRequestError::NotSent);
        }
        let mut answer = self.client.execute(request).await.map_err(|error| classify_error(&error))?;
        let mut builder = http::Response::builder().status(answer.status());
        for (name, value) in answer.headers() {
            builder = builder.header(name, value);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| classify_error(&error))? {
            if body.len() + chunk.len() > RESPONSE_BYTES_MAX {
                return Err(HttpRequestError::OutcomeUnknown("the answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        builder.body(body).map_err(|_| HttpRequestError::OutcomeUnknown("the answer is not HTTP"))
    }
}

/// What every client of this crate is like: it follows no redirects and asks no proxies.
pub(crate) fn client_builder(ca_file: Option<&Path>) -> Result<ClientBuilder, HttpClientError> {
    let builder = Client::builder()
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .pool_max_idle_per_host(4)
        .user_agent(concat!("syncwell/", env!("CARGO_PKG_VERSION")));
    let Some(path) = ca_file else { return Ok(builder) };
    let pem = std::fs::read(path).map_err(|error| HttpClientError::CaFile(path.to_owned(), error))?;
    let certificates = Certificate::from_pem_bundle(&pem).map_err(HttpClientError::Client)?;
    Ok(builder.tls_certs_merge(certificates))
}

fn classify_error(error: &reqwest::Error) -> HttpRequestError {
    if error.is_connect() || error.is_builder() {
        HttpRequestError::NotSent
    } else if error.is_timeout() {
        HttpRequestError::OutcomeUnknown("no answer in time")
    } else {
        HttpRequestError::OutcomeUnknown("the connection broke")
    }
}
