//! The connection to the broker.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_nats::client::RequestErrorKind;
use async_nats::{Client, ConnectOptions, Event, HeaderMap, Message, Request};
use bytes::Bytes;
use tokio::sync::watch;

use crate::Subscription;
use crate::limits::{RECONNECT_DELAY_MAX, REQUEST_TIMEOUT, SUBSCRIPTION_MESSAGES_MAX};

/// Where the broker is and who is calling.
#[derive(Clone)]
pub struct BrokerAddress {
    /// For instance `nats://127.0.0.1:4222`.
    pub url: String,
    /// The role's nkey seed. Prints as `[redacted]`.
    pub seed: String,
    /// PEM certificates of a private authority that the broker's certificate is from. Naming one demands TLS, as a URL
    /// with `tls://` does.
    pub ca_file: Option<PathBuf>,
    /// The role's name. Replies come to `_INBOX_<role>.>`, the only inbox that the broker lets this role hear.
    pub role: &'static str,
}

impl fmt::Debug for BrokerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BrokerAddress")
            .field("url", &self.url)
            .field("seed", &"[redacted]")
            .field("ca_file", &self.ca_file)
            .field("role", &self.role)
            .finish()
    }
}

/// The broker refuses the address or the credentials, or can't be reached.
#[derive(Debug, thiserror::Error)]
#[error("the broker at {url} can't be reached as {role}")]
pub struct ConnectError {
    url: String,
    role: &'static str,
    #[source]
    source: async_nats::ConnectError,
}

/// Why a request got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It never left: not connected, or nobody serves the subject.
    #[error("nobody answers on this subject")]
    Unavailable,
    /// It left, and what became of it is not known.
    #[error("no answer came in time")]
    Unknown,
}

/// A connection that mends itself. Clones share it.
#[derive(Clone)]
pub struct Broker {
    client: Client,
    connected: watch::Receiver<bool>,
    address: Arc<BrokerAddress>,
}

impl Broker {
    /// Connects, and fails where that does not work at once. A command's way: a person waits for the answer.
    pub async fn connect(address: BrokerAddress) -> Result<Self, ConnectError> {
        let broker = Self::connect_with(address, false).await?;
        // The word of it comes a moment after the connection itself.
        broker.wait_connected().await;
        Ok(broker)
    }

    /// Returns at once and connects in the background for as long as it takes. A service's way.
    pub async fn connect_in_background(address: BrokerAddress) -> Result<Self, ConnectError> {
        Self::connect_with(address, true).await
    }

    async fn connect_with(address: BrokerAddress, in_background: bool) -> Result<Self, ConnectError> {
        let (sender, connected) = watch::channel(false);
        let role = address.role;
        let mut options = ConnectOptions::with_nkey(address.seed.trim().to_owned())
            .name(format!("syncwell {role}"))
            .custom_inbox_prefix(format!("_INBOX_{role}"))
            .subscription_capacity(SUBSCRIPTION_MESSAGES_MAX)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .connection_timeout(REQUEST_TIMEOUT)
            .reconnect_delay_callback(|attempts| {
                Duration::from_millis(20).saturating_mul(1 << attempts.min(16)).min(RECONNECT_DELAY_MAX)
            })
            .event_callback(move |event| {
                let sender = sender.clone();
                async move { record_connection_event(&event, role, &sender) }
            });
        if let Some(ca_file) = &address.ca_file {
            options = options.add_root_certificates(ca_file.clone());
        }
        // Other servers of a cluster are learnt of without a scheme: they must speak TLS too, or not be spoken to.
        options = if address.ca_file.is_some() || address.url.starts_with("tls://") {
            options.require_tls(true)
        } else {
            options.ignore_discovered_servers()
        };
        if in_background {
            options = options.retry_on_initial_connect();
        }
        match options.connect(&address.url).await {
            Ok(client) => Ok(Self { client, connected, address: Arc::new(address) }),
            Err(source) => Err(ConnectError { url: address.url, role, source }),
        }
    }

    /// Whether there is a connection now.
    pub fn is_connected(&self) -> bool {
        *self.connected.borrow()
    }

    /// Returns when there is a connection.
    pub async fn wait_connected(&self) {
        // The sender lives in the client's callback, and so as long as `self`.
        let _ = self.connected.clone().wait_for(|connected| *connected).await;
    }

    /// Returns when the connection is lost.
    pub async fn wait_disconnected(&self) {
        let _ = self.connected.clone().wait_for(|connected| !connected).await;
    }

    /// The role that this connection has.
    pub fn role(&self) -> &'static str {
        self.address.role
    }

    /// Sends without waiting for anything.
    pub async fn publish(&self, subject: String, payload: Bytes) -> Result<(), RequestError> {
        self.client.publish(subject, payload).await.map_err(|_| RequestError::Unavailable)
    }

    /// Asks and waits for one answer, at most as long as [`REQUEST_TIMEOUT`].
    pub async fn request(&self, subject: String, payload: Bytes) -> Result<Bytes, RequestError> {
        let request = Request::new().payload(payload).timeout(Some(REQUEST_TIMEOUT));
        self.send_request(subject, request).await.map(|message| message.payload)
    }

    /// Hears a subject; with a `queue`, shares it with the others of that queue.
    pub async fn subscribe(&self, subject: &str, queue: Option<&str>) -> Result<Subscription, RequestError> {
        let subscriber = match queue {
            Some(queue) => self.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await,
            None => self.client.subscribe(subject.to_owned()).await,
        };
        Ok(Subscription(subscriber.map_err(|_| RequestError::Unavailable)?))
    }

    /// Returns when everything published so far has been written to the broker.
    pub async fn flush(&self) -> Result<(), RequestError> {
        self.client.flush().await.map_err(|_| RequestError::Unavailable)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) async fn publish_with_headers(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<(), RequestError> {
        let sent = self.client.publish_with_headers(subject.to_owned(), headers, payload).await;
        sent.map_err(|_| RequestError::Unavailable)
    }

    /// One request, given up early when the connection breaks: async-nats would wait for its time-out.
    pub(crate) async fn send_request(
        &self,
        subject: String,
        request: Request,
    ) -> Result<Message, RequestError> {
        if !self.is_connected() {
            return Err(RequestError::Unavailable);
        }
        tokio::select! {
            answer = self.client.send_request(subject, request) => answer.map_err(|error| match error.kind() {
                RequestErrorKind::NoResponders | RequestErrorKind::InvalidSubject | RequestErrorKind::MaxPayloadExceeded => {
                    RequestError::Unavailable
                }
                RequestErrorKind::TimedOut | RequestErrorKind::Other => RequestError::Unknown,
            }),
            () = self.wait_disconnected() => Err(RequestError::Unknown),
        }
    }
}

/// Tells the watchers, and the log where it matters to an operator.
fn record_connection_event(event: &Event, role: &str, connected: &watch::Sender<bool>) {
    match event {
        Event::Connected => {
            tracing::info!(role, "connected to the broker");
            connected.send_replace(true);
        }
        Event::Disconnected => {
            tracing::warn!(role, "lost the broker; connecting again");
            connected.send_replace(false);
        }
        Event::Closed => {
            connected.send_replace(false);
        }
        Event::SlowConsumer(_) | Event::ServerError(_) | Event::ClientError(_) => {
            tracing::warn!(role, %event, "the broker complains");
        }
        Event::LameDuckMode | Event::Draining => tracing::info!(role, %event, "the broker is going away"),
    }
}
