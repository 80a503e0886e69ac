//! One HTTP/1.1 connection, made anew when it breaks; over TLS where the URL says so, trusting whom the system trusts
//! (`SSL_CERT_FILE` names others).

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// How long one request may take, answer included. A post waits up to 10 seconds for its outcome.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(20);
/// The largest answer that is read, in bytes.
const RESPONSE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The request got no answer. It may have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The base URL is not `http://host:port` or `https://host:port`.
    #[error("the base URL must be http://host:port or https://host:port")]
    InvalidBaseUrl,
    /// No connection.
    #[error("no connection")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection broke")]
    ConnectionLost(#[source] hyper::Error),
    /// The answer broke off, or is too large.
    #[error("the answer can't be read")]
    UnreadableResponse,
    /// No answer in time.
    #[error("no answer within {} s", REQUEST_TIMEOUT.as_secs())]
    Timeout,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// A connection to one server, used by one task.
pub struct HttpConnection {
    authority: String,
    /// Whose certificate the server must have; none speaks in clear.
    tls_server_name: Option<ServerName<'static>>,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl HttpConnection {
    /// To the server of this base URL; connects when it is first used.
    pub fn new(base_url: &str) -> Result<Self, TransportError> {
        let uri: Uri = base_url.parse().map_err(|_| TransportError::InvalidBaseUrl)?;
        let is_bare = matches!(uri.path(), "" | "/");
        let authority = uri.authority().filter(|_| is_bare).ok_or(TransportError::InvalidBaseUrl)?;
        let host = authority.host();
        let (name, default_port) = match uri.scheme_str() {
            Some("http") => (None, 80),
            Some("https") => {
                let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                (Some(ServerName::try_from(name).map_err(|_| TransportError::InvalidBaseUrl)?), 443)
            }
            _ => return Err(TransportError::InvalidBaseUrl),
        };
        let port = authority.port_u16().unwrap_or(default_port);
        Ok(Self { authority: format!("{host}:{port}"), tls_server_name: name, sender: None })
    }

    /// Sends one request and waits for its answer.
    pub async fn send(
        &mut self,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<HttpResponse, TransportError> {
        let request = request
            .header(http::header::HOST, &self.authority)
            .body(Full::new(body))
            .map_err(|_| TransportError::InvalidBaseUrl)?;
        let result =
            timeout(REQUEST_TIMEOUT, self.exchange(request)).await.unwrap_or(Err(TransportError::Timeout));
        if result.is_err() {
            self.sender = None;
        }
        result
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<HttpResponse, TransportError> {
        let mut sender = match self.sender.take() {
            Some(sender) if !sender.is_closed() => sender,
            _ => connect(&self.authority, self.tls_server_name.clone()).await?,
        };
        sender.ready().await.map_err(TransportError::ConnectionLost)?;
        let answer = sender.send_request(request).await.map_err(TransportError::ConnectionLost)?;
        let (parts, body) = answer.into_parts();
        let body = Limited::new(body, RESPONSE_BYTES_MAX)
            .collect()
            .await
            .map_err(|_| TransportError::UnreadableResponse)?;
        self.sender = Some(sender);
        Ok(HttpResponse { status: parts.status, headers: parts.headers, body: body.to_bytes() })
    }
}

async fn connect(
    authority: &str,
    name: Option<ServerName<'static>>,
) -> Result<SendRequest<Full<Bytes>>, TransportError> {
    let stream = TcpStream::connect(authority).await.map_err(TransportError::Connect)?;
    stream.set_nodelay(true).map_err(TransportError::Connect)?;
    match name {
        None => http1_handshake(stream).await,
        Some(name) => {
            let connector = TlsConnector::from(tls_config());
            http1_handshake(connector.connect(name, stream).await.map_err(TransportError::Connect)?).await
        }
    }
}

async fn http1_handshake(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> Result<SendRequest<Full<Bytes>>, TransportError> {
    let (sender, connection) =
        handshake(TokioIo::new(stream)).await.map_err(TransportError::ConnectionLost)?;
    // Ends with the sender; what breaks it is told to the sender too.
    tokio::spawn(connection);
    Ok(sender)
}

/// Read once per process.
fn tls_config() -> Arc<ClientConfig> {
    static TLS_CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let read = || {
        let mut roots = RootCertStore::empty();
        // One that can't be read is trusted by nobody.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap_or_else(|_| unreachable!("BUG: the provider knows TLS 1.2 and 1.3"))
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    };
    TLS_CONFIG.get_or_init(read).clone()
}
