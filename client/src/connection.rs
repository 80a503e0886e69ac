//! One HTTP/1.1 connection, made anew when it breaks.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long one request may take, answer included. A post waits up to 10 seconds for its outcome.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The request got no answer. It may have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The base URL is not `http://host:port`.
    #[error("the base URL must be http://host:port")]
    Url,
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] hyper::Error),
    /// The answer broke off, or is too large.
    #[error("the answer can't be read")]
    Answer,
    /// No answer in time.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Silent,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A connection to one server, used by one task.
pub struct Connection {
    authority: String,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// To the server of this base URL; connects when it is first used.
    pub fn to(base_url: &str) -> Result<Self, TransportError> {
        let uri: Uri = base_url.parse().map_err(|_| TransportError::Url)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let authority = uri.authority().filter(|_| plain).ok_or(TransportError::Url)?;
        let port = authority.port_u16().unwrap_or(80);
        Ok(Self { authority: format!("{}:{port}", authority.host()), sender: None })
    }

    /// Sends one request and waits for its answer.
    pub async fn send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Reply, TransportError> {
        let request = request
            .header(http::header::HOST, &self.authority)
            .body(Full::new(body))
            .map_err(|_| TransportError::Url)?;
        let result =
            timeout(REQUEST_TIMEOUT, self.exchange(request)).await.unwrap_or(Err(TransportError::Silent));
        if result.is_err() {
            self.sender = None;
        }
        result
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Reply, TransportError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => connect(&self.authority).await?,
        };
        sender.ready().await.map_err(TransportError::Broken)?;
        let answer = sender.send_request(request).await.map_err(TransportError::Broken)?;
        let (parts, body) = answer.into_parts();
        let body =
            Limited::new(body, ANSWER_BYTES_MAX).collect().await.map_err(|_| TransportError::Answer)?;
        self.sender = Some(sender);
        Ok(Reply { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

async fn connect(authority: &str) -> Result<SendRequest<Full<Bytes>>, TransportError> {
    let stream = TcpStream::connect(authority).await.map_err(TransportError::Connect)?;
    stream.set_nodelay(true).map_err(TransportError::Connect)?;
    let (sender, connection) = handshake(TokioIo::new(stream)).await.map_err(TransportError::Broken)?;
    // Ends with the sender; what breaks it is told to the sender too.
    tokio::spawn(connection);
    Ok(sender)
}
