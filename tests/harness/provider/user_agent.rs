//! The phone's part: it opens the provider's page, and is told the code. And whatever else speaks to the provider by hand.

use std::io::{Error, ErrorKind};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;
use uuid::Uuid;

use super::grants::pkce_challenge;
use super::recorded_request::FormFields;
use crate::harness::raw_http::{RawRequest, RawResponse, parse_response};
use crate::harness::tls::CertificateAuthority;

/// What the app learns when the provider sends the user back to it.
#[derive(Debug, Clone)]
pub(crate) struct RedirectParams {
    /// Without its query.
    pub(crate) redirect_uri: String,
    pub(crate) code: Option<String>,
    pub(crate) state: Option<String>,
    pub(crate) iss: Option<String>,
    pub(crate) error: Option<String>,
}

/// Opens an authorisation URL as an app does, with a user who is signed in and says yes.
/// What is not a redirect is the provider's error page.
pub(crate) async fn open_authorization_url(
    authority: &CertificateAuthority,
    authorization_url: &str,
) -> Result<RedirectParams, RawResponse> {
    let url = Url::parse(authorization_url).unwrap();
    let base_url = url.origin().ascii_serialization();
    let path = &url[url::Position::BeforePath..];
    let answer = send_over_tls(authority, &base_url, &bare_request("GET", path)).await.unwrap();
    if answer.status != 302 {
        return Err(answer);
    }
    let location = Url::parse(&answer.headers["location"]).unwrap();
    let query = FormFields::parse(location.query().unwrap().as_bytes());
    let field = |name| query.get(name).map(str::to_owned);
    Ok(RedirectParams {
        redirect_uri: location.as_str().split('?').next().unwrap().to_owned(),
        code: field("code"),
        state: field("state"),
        iss: field("iss"),
        error: field("error"),
    })
}

/// A code verifier of the app's own, and its challenge.
pub(crate) fn new_pkce_pair() -> (String, String) {
    let verifier = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let challenge = pkce_challenge(&verifier);
    (verifier, challenge)
}

/// A request without headers or body.
pub(crate) fn bare_request(method: &'static str, path: &str) -> RawRequest {
    RawRequest { method, path: path.to_owned(), headers: [].into(), body: Vec::new() }
}

/// Sends a request, and reads an answer that is whole; the text of one that isn't is the error's.
pub(crate) async fn send_over_tls(
    authority: &CertificateAuthority,
    base_url: &str,
    request: &RawRequest,
) -> std::io::Result<RawResponse> {
    let mut stream = authority.connect(base_url, &rustls::version::TLS13).await?;
    stream.write_all(&[request.head(), request.body.clone()].concat()).await?;
    let mut answer = Vec::new();
    // An end without a word is an error here, and told below.
    let _ = stream.read_to_end(&mut answer).await;
    let text = String::from_utf8(answer).unwrap();
    if let Some((_, body)) = text.split_once("\r\n\r\n") {
        let answer = parse_response(&text);
        let length = answer.headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        if body.len() == length {
            return Ok(answer);
        }
    }
    Err(Error::new(ErrorKind::UnexpectedEof, text))
}
