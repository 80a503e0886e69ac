//! The HTTP server: a bounded number of connections, time limits, and an end without broken answers.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::{PeerAddress, ServerTls};

/// How long requests under way may take to end when the server is told to.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a connection that is refused may linger, so that the refusal arrives.
const REJECT_TIMEOUT: Duration = Duration::from_secs(1);
/// Refused connections that linger at the same time; past it they are closed as soon as they were told.
const REJECTIONS_IN_FLIGHT_MAX: usize = 256;
/// Pause after the system had no file left for a connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(50);
/// Bytes of a request's head, and the buffer that each connection has.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Files that the process needs for other things than connections.
const FILES_RESERVED: u64 = 128;

/// The server's bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpServerSettings {
    /// Open connections, idle ones too.
    pub connections_max: usize,
    /// How long a request's head may take to arrive, and so how long a connection may be idle.
    pub head_timeout: Duration,
}

/// Serves until `stop` completes, then lets requests under way end.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    settings: HttpServerSettings,
    tls: Option<Arc<ServerTls>>,
    stop: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(settings.connections_max));
    let refusing = Arc::new(Semaphore::new(REJECTIONS_IN_FLIGHT_MAX));
    let graceful = GracefulShutdown::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                back_off_after_accept_error(&error).await;
                continue;
            }
        };
        // Answers are small and whole: nothing is gained by waiting for more.
        let _ = stream.set_nodelay(true);
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            metrics::counter!("syncwell_http_connections_rejected_total").increment(1);
            // Whoever is gone already needs no refusal; what is in clear is none to a client that speaks TLS.
            if tls.is_none()
                && let Ok(stream) = reject_connection(stream)
                && let Ok(permit) = refusing.clone().try_acquire_owned()
            {
                tokio::spawn(async move {
                    let _ = timeout(REJECT_TIMEOUT, drain(stream)).await;
                    drop(permit);
                });
            }
            continue;
        };
        let connection =
            ServerConnection { peer, router: router.clone(), settings, watcher: graceful.watcher() };
        let tls = tls.as_ref().map(|tls| tls.acceptor());
        tokio::spawn(async move {
            metrics::gauge!("syncwell_http_connections").increment(1);
            match tls {
                None => connection.serve(stream).await,
                // Apart, so that a connection without TLS has no room for it.
                Some(acceptor) => Box::pin(connection.serve_tls(acceptor, stream)).await,
            }
            metrics::gauge!("syncwell_http_connections").decrement(1);
            drop(slot);
        });
    }
    drop(listener);
    if timeout(DRAIN_TIMEOUT, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests were still under way when the server stopped");
    }
}

/// What one connection needs.
struct ServerConnection {
    peer: std::net::SocketAddr,
    router: Router,
    settings: HttpServerSettings,
    watcher: Watcher,
}

impl ServerConnection {
    async fn serve_tls(self, acceptor: TlsAcceptor, stream: TcpStream) {
        match timeout(self.settings.head_timeout, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => self.serve(stream).await,
            Ok(Err(_)) | Err(_) => {
                metrics::counter!("syncwell_tls_handshake_failures_total").increment(1);
            }
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + 'static) {
        let Self { peer, router, settings, watcher } = self;
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(PeerAddress(peer));
            router.clone().oneshot(request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(settings.head_timeout)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        // A connection that breaks is the client's matter.
        let _ = watcher.watch(connection).await;
    }
}

/// Errors of accept are about one connection, or about files running out: neither ends the server.
async fn back_off_after_accept_error(error: &io::Error) {
    let is_of_one_connection = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused
    );
    if !is_of_one_connection {
        tracing::warn!(%error, "a connection could not be accepted");
        sleep(ACCEPT_BACKOFF).await;
    }
}

/// Says why, at once: a few hundred bytes always fit a new connection's buffer, so nobody waits for it. The body is
/// fixed: there is no request yet, and so no correlation id but zero.
fn reject_connection(stream: TcpStream) -> io::Result<TcpStream> {
    const BODY: &str = concat!(
        r#"{"type":"urn:syncwell:problem:too_many_connections","title":"Too many connections","status":503,"#,
        r#""detail":"All connections are taken. Try again later.","code":"too_many_connections","#,
        r#""correlation_id":"00000000000000000000000000000000","retry":"same_bytes"}"#
    );
    let head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\ncontent-length: {}\r\n\
         retry-after: 5\r\nx-correlation-id: 00000000000000000000000000000000\r\nconnection: close\r\n\r\n",
        BODY.len()
    );
    let mut stream = stream.into_std()?;
    stream.write_all(&[head.as_bytes(), BODY.as_bytes()].concat())?;
    stream.shutdown(std::net::Shutdown::Write)?;
    TcpStream::from_std(stream)
}

/// Closing with unread bytes would reset the connection, and take the refusal back.
async fn drain(mut stream: TcpStream) -> io::Result<()> {
    let mut unread = [0; 1_024];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

/// Lets the process open as many files as it may, and says how many connections that allows.
pub fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // macOS has a ceiling of its own below an unlimited hard limit.
    let wanted = limit.maximum.unwrap_or(u64::MAX).min(65_536);
    let raised = Rlimit { current: Some(wanted), maximum: limit.maximum };
    let files = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => wanted,
        Err(_) => limit.current.unwrap_or(wanted),
    };
    usize::try_from(files.saturating_sub(FILES_RESERVED)).unwrap_or(usize::MAX)
}
