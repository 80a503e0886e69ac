//! Group commit: publishes few messages individually and many as an atomic batch, and finds out lost outcomes.
//!
//! [`plan`] decides, this module publishes.

mod plan;
mod pub_ack;
#[cfg(test)]
mod tests;

use std::time::Duration;

use async_nats::{HeaderMap, Request};
use futures_util::future::join_all;
use tokio::time::{sleep, timeout_at};
use uuid::Uuid;

use crate::limits::{BATCH_MESSAGES_MAX, COMMIT_ATTEMPT_TIMEOUT};
use crate::message::{AppendAck, AppendError, NewMessage, PendingAppend};
use crate::{Broker, RequestError};
use plan::{Attempt, CommitPlan, Publish, classify_attempt, send_result};
use pub_ack::{PublishOutcome, is_conflict};

/// Pause before another attempt at a message whose outcome is unknown.
const RETRY_INTERVAL: Duration = Duration::from_millis(50);

/// Appends all messages and answers each caller.
pub(crate) async fn commit_pending(broker: &Broker, pending: Vec<PendingAppend>) {
    let mut plan = CommitPlan::new(pending);
    while let Some(part) = plan.next() {
        match part {
            Publish::Batch(messages) => {
                let outcome =
                    publish_batch(broker, messages.iter().map(|pending| &pending.message), None).await;
                plan.batch_finished(messages, outcome);
            }
            Publish::Individual { messages, may_be_stored } => {
                commit_individually(broker, messages, may_be_stored).await;
            }
        }
    }
}

/// Publishes each message by itself, all in flight together.
async fn commit_individually(broker: &Broker, messages: Vec<PendingAppend>, may_be_stored: bool) {
    join_all(messages.into_iter().map(async |pending| {
        // At the deadline the last attempt may have stored the message.
        let commit = commit_one(broker, &pending.message, may_be_stored);
        let result = timeout_at(pending.deadline, commit).await.unwrap_or(Err(AppendError::Unknown));
        send_result(pending, result);
    }))
    .await;
}

/// Publishes one message, with the same id until its outcome is known.
async fn commit_one(
    broker: &Broker,
    message: &NewMessage,
    mut may_be_stored: bool,
) -> Result<AppendAck, AppendError> {
    loop {
        let outcome = request_ack(broker, message, message_headers(message)).await;
        match classify_attempt(outcome, may_be_stored) {
            Attempt::Finished(result) => return result,
            Attempt::Retry => may_be_stored = true,
        }
        // Not connected, or no server leads the stream yet: wait for the one, pause for the other.
        sleep(RETRY_INTERVAL).await;
        broker.wait_connected().await;
    }
}

/// Appends all messages in this order directly after the stream's sequence `last`, or none of them. If the answer is lost
/// ([`AppendError::Unknown`]), read the stream's state.
pub(crate) async fn append_after(
    broker: &Broker,
    last: u64,
    messages: &[NewMessage],
) -> Result<(), AppendError> {
    assert!((1..=BATCH_MESSAGES_MAX).contains(&messages.len()), "BUG: not the length of a batch");
    match publish_batch(broker, messages.iter(), Some(last)).await {
        PublishOutcome::Stored { last: stored, .. } if stored == last + messages.len() as u64 => Ok(()),
        PublishOutcome::Stored { .. } | PublishOutcome::Unknown => Err(AppendError::Unknown),
        PublishOutcome::Unavailable => Err(AppendError::Unavailable),
        PublishOutcome::Refused { code, .. } if is_conflict(code) => Err(AppendError::Conflict),
        PublishOutcome::Refused { code, description, .. } => Err(AppendError::Refused { code, description }),
    }
}

/// Publishes an atomic batch: only the last message is a request, and its answer is for all.
async fn publish_batch<'m>(
    broker: &Broker,
    messages: impl ExactSizeIterator<Item = &'m NewMessage>,
    expected_last: Option<u64>,
) -> PublishOutcome {
    if !broker.is_connected() {
        return PublishOutcome::Unavailable;
    }
    let batch_id = Uuid::now_v7().simple().to_string();
    let last = messages.len();
    for (number, message) in (1..).zip(messages) {
        let mut headers = message_headers(message);
        if let Some(expected) = expected_last.filter(|_| number == 1) {
            headers.insert("Nats-Expected-Last-Sequence", expected.to_string());
        }
        headers.insert("Nats-Batch-Id", batch_id.as_str());
        headers.insert("Nats-Batch-Sequence", number.to_string());
        if number == last {
            headers.insert("Nats-Batch-Commit", "1");
            return request_ack(broker, message, headers).await;
        }
        let sent = broker.publish_with_headers(&message.subject, headers, message.payload.clone()).await;
        if sent.is_err() {
            // Without its commit message the server drops the batch.
            return PublishOutcome::Unavailable;
        }
    }
    unreachable!("BUG: a batch has a last message");
}

fn message_headers(message: &NewMessage) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = &message.id {
        headers.insert("Nats-Msg-Id", id.as_str());
    }
    if let Some(expected) = &message.expected {
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.sequence.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", expected.subject_filter.as_str());
    }
    for (name, value) in &message.headers {
        headers.insert(*name, value.as_str());
    }
    headers
}

async fn request_ack(broker: &Broker, message: &NewMessage, headers: HeaderMap) -> PublishOutcome {
    let request = Request::new()
        .headers(headers)
        .payload(message.payload.clone())
        .timeout(Some(COMMIT_ATTEMPT_TIMEOUT));
    match broker.send_request(message.subject.clone(), request).await {
        Ok(message) => PublishOutcome::from_ack(&message.payload),
        Err(RequestError::Unavailable) => PublishOutcome::Unavailable,
        Err(RequestError::Unknown) => PublishOutcome::Unknown,
    }
}
