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
use providers::standard::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use reqwest::{Client, Response};
use tokio::time::timeout;
use url::Url;

use super::address::Scheme;
use super::endpoint::Secrets;
use super::message::Message;
use super::schedule::retry_after;
use super::target::{TargetError, Targets, target_error};
use crate::outgoing::{OutgoingError, client};

/// How long a receiver may take to answer.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_secs(15);
/// How much is read of an answer, and for how long, so that the connection can be used again.
const ANSWER_BYTES_MAX: usize = 4 * 1_024;
const ANSWER_READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends messages.
pub(super) struct Posting {
    targets: Targets,
    https: Client,
    http: Client,
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Attempt {
    /// A 2xx.
    Delivered(StatusCode),
    /// 410: the receiver wants nothing any more.
    Gone,
    /// Anything else.
    Failed { why: Failure, retry_after: Option<SignedDuration> },
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// The receiver answered something else than 2xx.
    Status(StatusCode),
    /// It may not be sent to.
    Target(TargetError),
    Unreachable,
    NoAnswer,
    Broken,
    /// It was not sent: what it is about could be opened at an earlier attempt, and can't be now.
    Unopened,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) if status.is_redirection() => {
                write!(f, "answered {}, and redirects are not followed", status.as_u16())
            }
            Self::Status(status) => write!(f, "answered {}", status.as_u16()),
            Self::Target(error) => error.fmt(f),
            Self::Unreachable => f.write_str("no connection, or not over TLS"),
            Self::NoAnswer => f.write_str("no answer in time"),
            Self::Broken => f.write_str("the connection broke before an answer"),
            Self::Unopened => f.write_str("not sent: the key of what it is about is missing"),
        }
    }
}

impl Posting {
    /// `ca_file`: a private authority to trust beside the system's.
    pub(super) fn new(targets: Targets, ca_file: Option<&Path>) -> Result<Self, OutgoingError> {
        let https = client(ca_file)?.https_only(true).dns_resolver(targets.resolver(Scheme::Https));
        let http = client(ca_file)?.dns_resolver(targets.resolver(Scheme::Http));
        let (https, http) = (https.build(), http.build());
        Ok(Self {
            targets,
            https: https.map_err(OutgoingError::Client)?,
            http: http.map_err(OutgoingError::Client)?,
        })
    }

    pub(super) fn targets(&self) -> &Targets {
        &self.targets
    }

    /// Signs a message for now and sends it.
    pub(super) async fn post(
        &self,
        url: &Url,
        message: &Message,
        secrets: &Secrets,
        now: Timestamp,
        patience: Duration,
    ) -> Attempt {
        let failed = |why| Attempt::Failed { why, retry_after: None };
        let client = match self.targets.judge(url) {
            Ok(Scheme::Https) => &self.https,
            Ok(Scheme::Http) => &self.http,
            Err(error) => return failed(Failure::Target(error)),
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
            Ok(answer) => judge(answer, now).await,
            Err(error) => failed(classify(&error)),
        }
    }
}

async fn judge(answer: Response, now: Timestamp) -> Attempt {
    let status = answer.status();
    let asked = answer.headers().get(RETRY_AFTER).and_then(|asked| retry_after(asked.to_str().ok()?, now));
    // What it says beside its status is of no interest.
    let _ = timeout(ANSWER_READ_TIMEOUT, throw_away(answer)).await;
    if status.is_success() {
        Attempt::Delivered(status)
    } else if status == StatusCode::GONE {
        Attempt::Gone
    } else {
        Attempt::Failed { why: Failure::Status(status), retry_after: asked }
    }
}

async fn throw_away(mut answer: Response) {
    let mut left = ANSWER_BYTES_MAX;
    while let Ok(Some(chunk)) = answer.chunk().await {
        match left.checked_sub(chunk.len()) {
            Some(less) => left = less,
            None => return,
        }
    }
}

fn classify(error: &reqwest::Error) -> Failure {
    if let Some(error) = target_error(error) {
        Failure::Target(error)
    } else if error.is_connect() || error.is_builder() {
        Failure::Unreachable
    } else if error.is_timeout() {
        Failure::NoAnswer
    } else {
        Failure::Broken
    }
}

#[cfg(test)]
mod tests;
