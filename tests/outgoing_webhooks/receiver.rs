//! A receiver of webhooks, of the tests' own: HTTPS, writes down what it is sent, and answers well or badly. It runs on a
//! thread of its own, as a test waits for commands that wait for it.

use std::collections::BTreeMap;
use std::io::Error;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Instant;

use axum::body::{Body, to_bytes};
use data_encoding::BASE64;
use hmac::{Hmac, KeyInit, Mac};
use http::header::{LOCATION, RETRY_AFTER};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::harness::{CertificateAuthority, wait_until};

const REQUEST_BYTES_MAX: usize = 1 << 20;

/// What came, whole.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedDelivery {
    pub(crate) received_at: Instant,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl ReceivedDelivery {
    pub(crate) fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    pub(crate) fn date(&self) -> String {
        self.json()["data"]["date"].as_str().unwrap_or_default().to_owned()
    }

    /// By the specification's own words, and with nothing of SyncWell's.
    pub(crate) fn is_signed_with(&self, secret: &str) -> bool {
        let key = BASE64.decode(secret.strip_prefix("whsec_").unwrap().as_bytes()).unwrap();
        assert_eq!(key.len(), 32);
        let timestamp = &self.headers["webhook-timestamp"];
        let age = crate::harness::now().as_second() - timestamp.parse::<i64>().unwrap();
        assert!((0..300).contains(&age), "{timestamp}");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
        mac.update(format!("{}.{timestamp}.{}", self.id(), self.body).as_bytes());
        let expected = format!("v1,{}", BASE64.encode(&mac.finalize().into_bytes()));
        self.headers["webhook-signature"].split(' ').any(|signature| signature == expected)
    }
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub(crate) enum ReceiverResponse {
    Status(u16),
    RetryAfter { retry_after_seconds: u64 },
    Redirect(String),
    CloseConnection,
}

type RespondFn = Box<dyn FnMut(&ReceivedDelivery) -> ReceiverResponse + Send>;

struct ReceiverState {
    deliveries: Mutex<Vec<ReceivedDelivery>>,
    respond: Mutex<RespondFn>,
}

pub(crate) struct ReceiverServer {
    base_url: String,
    state: Arc<ReceiverState>,
    shutdown: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl ReceiverServer {
    /// On a free port of this machine, with a certificate of this authority; takes everything.
    pub(crate) fn start(authority: &CertificateAuthority, folder: &Path) -> Self {
        crate::harness::enforce_time_limit();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let base_url = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let state = Arc::new(ReceiverState {
            deliveries: Mutex::default(),
            respond: Mutex::new(Box::new(|_| ReceiverResponse::Status(204))),
        });
        let acceptor = TlsAcceptor::from(authority.server_config(folder));
        let (end, ended) = oneshot::channel();
        let known = state.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::from_std(listener).unwrap();
                tokio::select! {
                    () = serve(listener, acceptor, known) => {}
                    _ = ended => {}
                }
            });
        });
        Self { base_url, state, shutdown: Some(end), thread: Some(thread) }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// From now on answers so.
    pub(crate) fn respond_with(
        &self,
        judge: impl FnMut(&ReceivedDelivery) -> ReceiverResponse + Send + 'static,
    ) {
        *self.state.respond.lock().unwrap() = Box::new(judge);
    }

    pub(crate) fn deliveries(&self) -> Vec<ReceivedDelivery> {
        self.state.deliveries.lock().unwrap().clone()
    }

    /// Waits until so many deliveries fit, and returns those.
    pub(crate) async fn wait_for_deliveries(
        &self,
        number: usize,
        fits: impl Fn(&ReceivedDelivery) -> bool,
    ) -> Vec<ReceivedDelivery> {
        wait_until(&format!("{number} deliveries have come"), async || {
            let found: Vec<_> = self.deliveries().into_iter().filter(|delivery| fits(delivery)).collect();
            (found.len() >= number).then_some(found)
        })
        .await
    }
}

impl Drop for ReceiverServer {
    fn drop(&mut self) {
        let _ = self.shutdown.take().unwrap().send(());
        self.thread.take().unwrap().join().unwrap();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, state: Arc<ReceiverState>) {
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, state) = (acceptor.clone(), state.clone());
        tokio::spawn(async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let service = service_fn(|request| handle_request(state.clone(), request));
            // A connection that is closed without an answer is an error here, and what the test wants.
            let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

async fn handle_request(
    state: Arc<ReceiverState>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Error> {
    let (parts, body) = request.into_parts();
    let body = to_bytes(Body::new(body), REQUEST_BYTES_MAX).await.map_err(Error::other)?;
    let text = |value: &http::HeaderValue| value.to_str().unwrap().to_owned();
    let delivery = ReceivedDelivery {
        received_at: Instant::now(),
        path: parts.uri.to_string(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    assert_eq!(parts.method, "POST");
    let answer = state.respond.lock().unwrap()(&delivery);
    state.deliveries.lock().unwrap().push(delivery);
    let builder = Response::builder();
    let builder = match answer {
        ReceiverResponse::Status(status) => builder.status(status),
        ReceiverResponse::RetryAfter { retry_after_seconds } => {
            builder.status(503).header(RETRY_AFTER, retry_after_seconds)
        }
        ReceiverResponse::Redirect(to) => builder.status(307).header(LOCATION, to),
        ReceiverResponse::CloseConnection => return Err(Error::other("closed, as was asked for")),
    };
    Ok(builder.body(Body::empty()).unwrap())
}
