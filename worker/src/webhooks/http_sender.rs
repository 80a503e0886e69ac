//! Sends one message to one receiver, once, and says what came of it.
//!
//! No redirect is followed (one could lead anywhere), no proxy is asked, and nothing of what is answered is kept but the
//! status.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use http::StatusCode;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use jiff::{SignedDuration, Timestamp};
use providers::standard_webhooks::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::Url;

use super::allowed_ips::Scheme;
use super::endpoint::EndpointSecrets;
use super::message::WebhookMessage;
use super::retry_schedule::parse_retry_after;
use super::ssrf_guard::{SsrfGuard, TargetUrlError, find_target_error};
use crate::http_client::{HttpClientError, client_builder};

/// How long a receiver may take to answer.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(15);
/// How much is read of an answer, and for how long, so that the connection can be used again.
const DRAINED_BYTES_MAX: usize = 4 * 1_024;
const DRAIN_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends messages.
pub(super) struct HttpSender {
    ssrf_guard: SsrfGuard,
    https: Client,
    http: Client,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryAttempt {
    /// A 2xx.
    Delivered(StatusCode),
    /// 410: the receiver wants nothing any more.
    Gone,
    /// Anything else.
    Failed { failure: DeliveryFailure, retry_after: Option<SignedDuration> },
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeliveryFailure {
    /// The receiver answered something else than 2xx.
    Status(StatusCode),
    /// It may not be sent to.
    TargetRefused(TargetUrlError),
    Unreachable,
    TimedOut,
    ConnectionBroken,
    /// It was not sent: what it is about could be opened at an earlier attempt, and can't be now.
    KeyMissing,
}

impl fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) if status.is_redirection() => {
                write!(f, "answered {}, and redirects are not followed", status.as_u16())
            }
            Self::Status(status) => write!(f, "answered {}", status.as_u16()),
            Self::TargetRefused(error) => error.fmt(f),
            Self::Unreachable => f.write_str("no connection, or not over TLS"),
            Self::TimedOut => f.write_str("no answer in time"),
            Self::ConnectionBroken => f.write_str("the connection broke before an answer"),
            Self::KeyMissing => f.write_str("not sent: the key of what it is about is missing"),
        }
    }
}

impl HttpSender {
    /// `ca_file`: a private authority to trust beside the system's.
    pub(super) fn new(targets: SsrfGuard, ca_file: Option<&Path>) -> Result<Self, HttpClientError> {
        let https = client_builder(ca_file)?.https_only(true).dns_resolver(targets.resolver(Scheme::Https));
        let http = client_builder(ca_file)?.dns_resolver(targets.resolver(Scheme::Http));
        let (https, http) = (https.build(), http.build());
        Ok(Self {
            ssrf_guard: targets,
            https: https.map_err(HttpClientError::Client)?,
            http: http.map_err(HttpClientError::Client)?,
        })
    }

    pub(super) fn ssrf_guard(&self) -> &SsrfGuard {
        &self.ssrf_guard
    }

    /// Signs a message for now and sends it.
    pub(super) async fn post(
        &self,
        url: &Url,
        message: &WebhookMessage,
        secrets: &EndpointSecrets,
        now: Timestamp,
        patience: Duration,
    ) -> DeliveryAttempt {
        let failed = |why| DeliveryAttempt::Failed { failure: why, retry_after: None };
        let client = match self.ssrf_guard.check_url(url) {
            Ok(Scheme::Https) => &self.https,
            Ok(Scheme::Http) => &self.http,
            Err(error) => return failed(DeliveryFailure::TargetRefused(error)),
        };
        let signature = secrets.signing.sign(&message.id, now.as_second(), &message.body);
        let signature =
            signature.unwrap_or_else(|_| unreachable!("BUG: our own ids and times can be signed"));
        let request = client
            .post(url.clone())
            .timeout(patience)
            .header(CONTENT_TYPE, "application/json")
            .header(ID_HEADER, &message.id)
            .header(TIMESTAMP_HEADER, now.as_second())
            .header(SIGNATURE_HEADER, signature)
            .body(message.body.clone());
        match request.send().await {
            Ok(answer) => classify_response(answer, now).await,
            Err(error) => failed(classify_error(&error)),
        }
    }
}

async fn classify_response(answer: Response, now: Timestamp) -> DeliveryAttempt {
    let status = answer.status();
    let asked =
        answer.headers().get(RETRY_AFTER).and_then(|asked| parse_retry_after(asked.to_str().ok()?, now));
    // What it says beside its status is of no interest.
    let _ = timeout(DRAIN_TIMEOUT, drain_body(answer)).await;
    if status.is_success() {
        DeliveryAttempt::Delivered(status)
    } else if status == StatusCode::GONE {
        DeliveryAttempt::Gone
    } else {
        DeliveryAttempt::Failed { failure: DeliveryFailure::Status(status), retry_after: asked }
    }
}

async fn drain_body(mut answer: Response) {
    let mut left = DRAINED_BYTES_MAX;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

fn classify_error(error: &reqwest::Error) -> DeliveryFailure {
    if let Some(error) = find_target_error(error) {
        DeliveryFailure::TargetRefused(error)
    } else if error.is_connect() || error.is_builder() {
        DeliveryFailure::Unreachable
    } else if error.is_timeout() {
        DeliveryFailure::TimedOut
    } else {
        DeliveryFailure::ConnectionBroken
    }
}

#[cfg(test)]
mod tests;
