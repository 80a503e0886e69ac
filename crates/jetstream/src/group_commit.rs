//! One commit: a few messages singly, many as an atomic batch, and what to do when the answer is no, or none.

use std::collections::HashSet;

use async_nats::{HeaderMap, Request};
use bytes::Bytes;
use futures_util::future::join_all;
use serde::Deserialize;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use crate::limits::{BATCH_MESSAGES_MAX, COMMIT_ATTEMPT_TIMEOUT, INDIVIDUAL_COMMIT_MESSAGES_MAX};
use crate::message::{AppendAck, AppendError, NewMessage, PendingAppend};
use crate::{Broker, RequestError};

/// "wrong last sequence" of a message, and the same within a batch.
const ERR_WRONG_LAST_SEQUENCE: [u64; 2] = [10_071, 10_164];

/// Appends all, and answers every one who waits.
pub(crate) async fn commit_pending(broker: &Broker, waiting: Vec<PendingAppend>) {
    let (first, repeated) = split_repeated_ids(waiting);
    // A batch with one duplicate is refused whole, without naming it. Halving finds the duplicate in a few commits;
    // sending all its members singly would cost an fsync each.
    let mut parts = vec![first];
    while let Some(mut part) = parts.pop() {
        part.retain(|waiting| !waiting.reply.is_closed());
        if part.len() <= INDIVIDUAL_COMMIT_MESSAGES_MAX {
            commit_individually(broker, part, false).await;
            continue;
        }
        match commit_batch(broker, &part).await {
            PublishOutcome::Stored { last, count } if count == part.len() as u64 => {
                for (waiting, sequence) in part.into_iter().zip(last + 1 - count..) {
                    send_result(waiting, Ok(AppendAck { sequence, is_duplicate: false }));
                }
            }
            PublishOutcome::Refused { .. } => {
                let half = part.split_off(part.len() / 2);
                parts.extend([half, part]);
            }
            PublishOutcome::Unavailable => {
                part.into_iter().for_each(|waiting| send_result(waiting, Err(AppendError::Unavailable)))
            }
            // Nothing was heard, or not what a whole batch is answered with: each by itself will tell.
            PublishOutcome::Stored { .. } | PublishOutcome::Unknown => {
                commit_individually(broker, part, true).await
            }
        }
    }
    commit_individually(broker, repeated, false).await;
}

/// Sets aside every message whose id an earlier one has: together they would spoil the batch.
fn split_repeated_ids(waiting: Vec<PendingAppend>) -> (Vec<PendingAppend>, Vec<PendingAppend>) {
    let mut seen = HashSet::new();
    waiting.into_iter().partition(|waiting| match &waiting.message.id {
        Some(id) => seen.insert(id.clone()),
        None => true,
    })
}

/// Each message by itself, all in flight together.
async fn commit_individually(broker: &Broker, waiting: Vec<PendingAppend>, after_unknown: bool) {
    join_all(waiting.into_iter().map(async |waiting| {
        let result = commit_one(broker, &waiting.message, waiting.deadline, after_unknown).await;
        send_result(waiting, result);
    }))
    .await;
}

/// One message, again and again with the same id while its outcome is unknown.
async fn commit_one(
    broker: &Broker,
    draft: &NewMessage,
    deadline: Instant,
    mut after_unknown: bool,
) -> Result<AppendAck, AppendError> {
    loop {
        let attempt = match timeout_at(deadline, request_ack(broker, draft, message_headers(draft))).await {
            Ok(attempt) => attempt,
            Err(_) => return Err(AppendError::Unknown),
        };
        match attempt {
            // The earlier attempt of our own was stored: to the one who waits this is no duplicate.
            PublishOutcome::Stored { last, .. } => {
                return Ok(AppendAck { sequence: last, is_duplicate: false });
            }
            PublishOutcome::Refused { duplicate_of: Some(sequence), .. } => {
                return Ok(AppendAck { sequence, is_duplicate: !after_unknown });
            }
            PublishOutcome::Refused { code, .. } if ERR_WRONG_LAST_SEQUENCE.contains(&code) => {
                return Err(if after_unknown { AppendError::Unknown } else { AppendError::Conflict });
            }
            // An earlier attempt may have been stored all the same.
            PublishOutcome::Refused { .. } if after_unknown => return Err(AppendError::Unknown),
            PublishOutcome::Refused { code, description, .. } => {
                return Err(AppendError::Refused { code, description });
            }
            PublishOutcome::Unavailable if !after_unknown => return Err(AppendError::Unavailable),
            PublishOutcome::Unavailable | PublishOutcome::Unknown => {
                after_unknown = true;
                // Not connected, or the stream is not served yet: wait for one, pause for the other.
                let pause = async {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    broker.wait_connected().await;
                };
                if timeout_at(deadline, pause).await.is_err() {
                    return Err(AppendError::Unknown);
                }
            }
        }
    }
}

/// The messages as one atomic batch.
async fn commit_batch(broker: &Broker, part: &[PendingAppend]) -> PublishOutcome {
    send_batch(broker, part.iter().map(|waiting| &waiting.message), None).await
}

/// All of these in this order right behind the stream's sequence `last`, or none of them. An answer that is lost says
/// nothing: the stream's own state will tell.
pub(crate) async fn append_after(
    broker: &Broker,
    last: u64,
    drafts: &[NewMessage],
) -> Result<(), AppendError> {
    assert!((1..=BATCH_MESSAGES_MAX).contains(&drafts.len()), "BUG: not the length of a batch");
    match send_batch(broker, drafts.iter(), Some(last)).await {
        PublishOutcome::Stored { last: stored, .. } if stored == last + drafts.len() as u64 => Ok(()),
        PublishOutcome::Stored { .. } | PublishOutcome::Unknown => Err(AppendError::Unknown),
        PublishOutcome::Unavailable => Err(AppendError::Unavailable),
        PublishOutcome::Refused { code, .. } if ERR_WRONG_LAST_SEQUENCE.contains(&code) => {
            Err(AppendError::Conflict)
        }
        PublishOutcome::Refused { code, description, .. } => Err(AppendError::Refused { code, description }),
    }
}

/// An atomic batch: only the last message is a request, and its answer stands for all.
async fn send_batch<'d>(
    broker: &Broker,
    drafts: impl ExactSizeIterator<Item = &'d NewMessage>,
    expected_last: Option<u64>,
) -> PublishOutcome {
    if !broker.is_connected() {
        return PublishOutcome::Unavailable;
    }
    let batch_id = Uuid::now_v7().simple().to_string();
    let last = drafts.len();
    for (number, draft) in (1..).zip(drafts) {
        let mut headers = message_headers(draft);
        if let Some(expected) = expected_last.filter(|_| number == 1) {
            headers.insert("Nats-Expected-Last-Sequence", expected.to_string());
        }
        headers.insert("Nats-Batch-Id", batch_id.as_str());
        headers.insert("Nats-Batch-Sequence", number.to_string());
        if number == last {
            headers.insert("Nats-Batch-Commit", "1");
            return request_ack(broker, draft, headers).await;
        }
        let sent = broker.publish_with_headers(&draft.subject, headers, draft.payload.clone()).await;
        if sent.is_err() {
            // Without its commit message the server drops the batch.
            return PublishOutcome::Unavailable;
        }
    }
    unreachable!("BUG: a batch has a last message");
}

fn message_headers(draft: &NewMessage) -> HeaderMap {
    let mut headers = HeaderMap::new();
    if let Some(id) = &draft.id {
        headers.insert("Nats-Msg-Id", id.as_str());
    }
    if let Some(expected) = &draft.expected {
        headers.insert("Nats-Expected-Last-Subject-Sequence", expected.sequence.to_string());
        headers.insert("Nats-Expected-Last-Subject-Sequence-Subject", expected.subject_filter.as_str());
    }
    for (name, value) in &draft.headers {
        headers.insert(*name, value.as_str());
    }
    headers
}

/// What the stream said.
enum PublishOutcome {
    Stored {
        last: u64,
        count: u64,
    },
    /// Nothing was stored, by this attempt.
    Refused {
        code: u64,
        description: String,
        duplicate_of: Option<u64>,
    },
    Unavailable,
    Unknown,
}

async fn request_ack(broker: &Broker, draft: &NewMessage, headers: HeaderMap) -> PublishOutcome {
    let request =
        Request::new().headers(headers).payload(draft.payload.clone()).timeout(Some(COMMIT_ATTEMPT_TIMEOUT));
    match broker.send_request(draft.subject.clone(), request).await {
        Ok(message) => parse_ack(&message.payload),
        Err(RequestError::Unavailable) => PublishOutcome::Unavailable,
        Err(RequestError::Unknown) => PublishOutcome::Unknown,
    }
}

/// The acknowledgement, as the server writes it.
#[derive(Deserialize)]
struct PubAck {
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
    /// Members of a batch.
    #[serde(default)]
    count: u64,
    error: Option<PubAckError>,
}

#[derive(Deserialize)]
struct PubAckError {
    #[serde(default)]
    err_code: u64,
    #[serde(default)]
    description: String,
}

fn parse_ack(payload: &Bytes) -> PublishOutcome {
    match serde_json::from_slice::<PubAck>(payload) {
        Ok(PubAck { error: Some(error), .. }) => PublishOutcome::Refused {
            code: error.err_code,
            description: error.description,
            duplicate_of: None,
        },
        Ok(PubAck { seq, duplicate: true, .. }) if seq > 0 => {
            PublishOutcome::Refused { code: 0, description: "duplicate".to_owned(), duplicate_of: Some(seq) }
        }
        Ok(PubAck { seq, count, .. }) if seq > 0 => PublishOutcome::Stored { last: seq, count },
        Ok(_) | Err(_) => PublishOutcome::Unknown,
    }
}

fn send_result(waiting: PendingAppend, result: Result<AppendAck, AppendError>) {
    // The one who waited may have gone; the message stays what it is.
    let _ = waiting.reply.send(result);
}
