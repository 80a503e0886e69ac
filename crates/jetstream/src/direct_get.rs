//! Reading without a consumer: direct gets, singly and in batches (ADR-31). Stateless, so anybody may at any time.

use async_nats::{Message, Request};
use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::limits::REQUEST_TIMEOUT;
use crate::message::{StoredMessage, header_text};
use crate::{Broker, RequestError};

/// Why a stream can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Nobody answers, or not in time.
    #[error("the stream can't be reached")]
    Unavailable,
    /// The server's answer is no.
    #[error("the server refused: {description} ({code})")]
    Refused {
        /// The server's error code.
        code: u64,
        /// The server's words.
        description: String,
    },
    /// The answer is not in the form that this version knows.
    #[error("the server's answer can't be read")]
    Malformed,
}

impl From<RequestError> for ReadError {
    fn from(_: RequestError) -> Self {
        Self::Unavailable
    }
}

/// Where a scan begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScanFrom {
    /// At this sequence or the next that fits.
    Sequence(u64),
    /// At the first message stored at this time or later.
    Time(Timestamp),
}

/// A batch of direct gets: up to `batch` messages under `subject`.
pub(crate) async fn get_batch(
    broker: &Broker,
    api: String,
    from: ScanFrom,
    subject: &str,
    batch: usize,
) -> Result<Vec<StoredMessage>, ReadError> {
    let mut request = json!({ "batch": batch, "next_by_subj": subject });
    match from {
        ScanFrom::Sequence(sequence) => request["seq"] = sequence.into(),
        ScanFrom::Time(time) => request["start_time"] = time.to_string().into(),
    }
    get_many(broker, api, &request).await
}

/// The last message of every subject under the filters, by sequence.
pub(crate) async fn get_last_per_subject(
    broker: &Broker,
    api: String,
    filters: &[&str],
) -> Result<Vec<StoredMessage>, ReadError> {
    get_many(broker, api, &json!({ "multi_last": filters })).await
}

/// One message, by what the request says of it.
pub(crate) async fn get_one(
    broker: &Broker,
    api: String,
    request: Bytes,
) -> Result<Option<StoredMessage>, ReadError> {
    let message =
        broker.send_request(api, Request::new().payload(request).timeout(Some(REQUEST_TIMEOUT))).await?;
    match parse_reply(message)? {
        DirectGetReply::Message(stored) => Ok(Some(stored)),
        DirectGetReply::End => Ok(None),
    }
}

async fn get_many(broker: &Broker, api: String, request: &Value) -> Result<Vec<StoredMessage>, ReadError> {
    if !broker.is_connected() {
        return Err(ReadError::Unavailable);
    }
    let client = broker.client();
    let inbox = client.new_inbox();
    let mut answers = client.subscribe(inbox.clone()).await.map_err(|_| ReadError::Unavailable)?;
    let request = request.to_string().into();
    client.publish_with_reply(api, inbox, request).await.map_err(|_| ReadError::Unavailable)?;
    let mut found = Vec::new();
    loop {
        let answer = tokio::select! {
            answer = timeout(REQUEST_TIMEOUT, answers.next()) => answer,
            () = broker.wait_disconnected() => return Err(ReadError::Unavailable),
        };
        let Ok(Some(message)) = answer else { return Err(ReadError::Unavailable) };
        match parse_reply(message)? {
            DirectGetReply::Message(stored) => found.push(stored),
            DirectGetReply::End => return Ok(found),
        }
    }
}

enum DirectGetReply {
    Message(StoredMessage),
    /// No more, or none at all.
    End,
}

fn parse_reply(message: Message) -> Result<DirectGetReply, ReadError> {
    match message.status.map(|status| status.as_u16()) {
        None => {}
        Some(204 | 404) => return Ok(DirectGetReply::End),
        Some(503) => return Err(ReadError::Unavailable),
        Some(code) => {
            let description = message.description.unwrap_or_default();
            return Err(ReadError::Refused { code: code.into(), description });
        }
    }
    let headers = message.headers.ok_or(ReadError::Malformed)?;
    let stored = (|| {
        let sequence = header_text(&headers, "Nats-Sequence")?.parse().ok()?;
        let subject = header_text(&headers, "Nats-Subject")?.to_owned();
        let stored_at = header_text(&headers, "Nats-Time-Stamp")?.parse().ok()?;
        Some((sequence, subject, stored_at))
    })();
    let (sequence, subject, stored_at) = stored.ok_or(ReadError::Malformed)?;
    Ok(DirectGetReply::Message(StoredMessage {
        sequence,
        subject,
        stored_at,
        payload: message.payload,
        headers,
    }))
}
