//! A stream, as a role sees it.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::direct_get::{self, ReadError, ScanFrom};
use crate::message::{AppendError, NewMessage, StoredMessage};
use crate::ordered_consumer::{FollowError, OrderedConsumer};
use crate::stream_spec::{StreamSpec, VerifyStreamError};
use crate::{Broker, group_commit};

/// "stream not found", "consumer not found".
const ERR_STREAM_NOT_FOUND: u64 = 10_059;
/// How often a stream is asked that says that nothing is there where something is, and the time between.
const NOT_FOUND_ATTEMPTS_MAX: usize = 5;
const NOT_FOUND_RETRY_DELAY: Duration = Duration::from_millis(50);

/// A stream behind the imports of the role that is connected.
#[derive(Clone)]
pub struct Stream {
    broker: Broker,
    spec: &'static StreamSpec,
}

/// What the server says of a stream.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamInfo {
    /// The configuration, as the server has it.
    pub config: Value,
    /// When the stream was created: its identity.
    pub created: String,
    /// What it holds.
    pub state: StreamState,
    /// What time it was at the server.
    #[serde(default)]
    pub ts: Option<Timestamp>,
}

/// What a stream holds.
#[derive(Debug, Clone, Deserialize)]
pub struct StreamState {
    /// Messages that are there.
    pub messages: u64,
    /// The first sequence.
    pub first_seq: u64,
    /// The last sequence.
    pub last_seq: u64,
    /// Messages missing between them.
    #[serde(default)]
    pub num_deleted: u64,
    /// What the server knows that it lost.
    #[serde(default)]
    pub lost: Option<Value>,
}

impl Stream {
    pub(crate) fn new(broker: Broker, spec: &'static StreamSpec) -> Self {
        Self { broker, spec }
    }

    /// The connection.
    pub fn broker(&self) -> &Broker {
        &self.broker
    }

    /// What the server says of it; `None` where it does not exist.
    pub async fn info(&self) -> Result<Option<StreamInfo>, ReadError> {
        match self.api_request("STREAM.INFO", self.spec.name, &Value::Null).await {
            Ok(info) => serde_json::from_value(info).map(Some).map_err(|_| ReadError::Malformed),
            Err(ReadError::Refused { code: ERR_STREAM_NOT_FOUND, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Reads what the server says of it, and compares it with the specification.
    pub async fn verify(&self) -> Result<StreamInfo, VerifyStreamError> {
        let stream = self.spec.name;
        let info = self.info().await.map_err(|source| VerifyStreamError::Read { stream, source })?;
        let info = info.ok_or(VerifyStreamError::Missing(stream))?;
        self.spec.verify(&info)?;
        Ok(info)
    }

    /// Creates it. The owner's alone.
    pub async fn create(&self, config: &Value) -> Result<(), ReadError> {
        self.api_request("STREAM.CREATE", self.spec.name, config).await.map(drop)
    }

    /// Creates the durable consumer through which the role `reader` follows, if it is not there. The owner's alone: a
    /// role that may create consumers can send messages to where it has no rights.
    ///
    /// It is kept in a file: a durable kept in memory is gone after a restart of the broker, and its reader could not
    /// make it anew. Nothing is acknowledged; the reader knows its own position.
    pub async fn create_consumer(&self, reader: &str) -> Result<(), ReadError> {
        let request = json!({
            "stream_name": self.spec.name,
            "action": "create",
            "config": {
                "durable_name": reader,
                "name": reader,
                "ack_policy": "none",
                "deliver_policy": "all",
                "replay_policy": "instant",
                "max_waiting": 16,
                "num_replicas": 1,
            },
        });
        self.api_request("CONSUMER.CREATE", &format!("{}.{reader}", self.spec.name), &request).await.map(drop)
    }

    /// Follows the stream behind `position` through the durable consumer `reader`.
    pub async fn follow(&self, reader: &str, position: u64) -> Result<OrderedConsumer, FollowError> {
        let object = format!("{}.{reader}", self.spec.name);
        let reset = self.api_request("CONSUMER.RESET", &object, &json!({ "seq": position + 1 })).await;
        reset.map_err(|error| FollowError::Interrupted(Some(error)))?;
        let next_subject = self.api_subject("CONSUMER.MSG.NEXT", &object);
        OrderedConsumer::start(self.broker.clone(), next_subject, position).await
    }

    /// The message with this sequence. In a stream that does not end before it "not found" is asked about again.
    pub async fn get(&self, sequence: u64) -> Result<Option<StoredMessage>, ReadError> {
        let mut found = self.get_once(sequence).await?;
        for _ in 1..NOT_FOUND_ATTEMPTS_MAX {
            if found.is_some() || self.info().await?.is_none_or(|info| info.state.last_seq < sequence) {
                break;
            }
            sleep(NOT_FOUND_RETRY_DELAY).await;
            found = self.get_once(sequence).await?;
        }
        Ok(found)
    }

    async fn get_once(&self, sequence: u64) -> Result<Option<StoredMessage>, ReadError> {
        direct_get::get_one(
            &self.broker,
            self.direct_get_subject(),
            json!({ "seq": sequence }).to_string().into(),
        )
        .await
    }

    /// The last message with exactly this subject.
    pub async fn last_for_subject(&self, subject: &str) -> Result<Option<StoredMessage>, ReadError> {
        let request = json!({ "last_by_subj": subject }).to_string().into();
        direct_get::get_one(&self.broker, self.direct_get_subject(), request).await
    }

    /// The last message of every subject under `filter`, by sequence.
    pub async fn last_per_subject(&self, filter: &str) -> Result<Vec<StoredMessage>, ReadError> {
        self.last_per_subject_multi(&[filter]).await
    }

    /// The same for several filters. The server refuses an answer of more than 1,024 messages.
    pub async fn last_per_subject_multi(&self, filters: &[&str]) -> Result<Vec<StoredMessage>, ReadError> {
        direct_get::get_last_per_subject(&self.broker, self.direct_get_subject(), filters).await
    }

    /// Up to `messages_max` messages under `subject`, by sequence. Where it finds nothing, nothing is there: a server that
    /// fails at reading its store says "not found" as well, so its word is held against the last message there is.
    pub async fn scan(
        &self,
        from: ScanFrom,
        subject: &str,
        messages_max: usize,
    ) -> Result<Vec<StoredMessage>, ReadError> {
        for _ in 0..NOT_FOUND_ATTEMPTS_MAX {
            let found =
                direct_get::get_batch(&self.broker, self.direct_get_subject(), from, subject, messages_max)
                    .await?;
            if !found.is_empty() || !self.has_message_from(from, subject).await? {
                return Ok(found);
            }
            sleep(NOT_FOUND_RETRY_DELAY).await;
        }
        Err(ReadError::Unavailable)
    }

    async fn has_message_from(&self, from: ScanFrom, subject: &str) -> Result<bool, ReadError> {
        let last = self.last_for_subject(subject).await?;
        Ok(last.is_some_and(|last| match from {
            ScanFrom::Sequence(sequence) => last.sequence >= sequence,
            ScanFrom::Time(time) => last.stored_at >= time,
        }))
    }

    /// Appends all of these in this order right behind the sequence `last`, or none of them; at most 1,000. The stream
    /// is filled from a copy this way, and nothing else may be appended meanwhile.
    pub async fn append_after(&self, last: u64, drafts: &[NewMessage]) -> Result<(), AppendError> {
        group_commit::append_after(&self.broker, last, drafts).await
    }

    /// Deletes one message and has the server overwrite its bytes. The keeper's and the worker's: the log refuses it.
    pub async fn secure_delete(&self, sequence: u64) -> Result<(), ReadError> {
        self.api_request("STREAM.MSG.DELETE", self.spec.name, &json!({ "seq": sequence })).await.map(drop)
    }

    /// A call of the JetStream API.
    async fn api_request(&self, verb: &str, object: &str, request: &Value) -> Result<Value, ReadError> {
        let payload = if request.is_null() { Bytes::new() } else { request.to_string().into() };
        let answer = self.broker.request(self.api_subject(verb, object), payload).await?;
        let answer: Value = serde_json::from_slice(&answer).map_err(|_| ReadError::Malformed)?;
        match answer.get("error") {
            Some(error) => Err(ReadError::Refused {
                code: error["err_code"].as_u64().unwrap_or_default(),
                description: error["description"].as_str().unwrap_or_default().to_owned(),
            }),
            None => Ok(answer),
        }
    }

    fn api_subject(&self, verb: &str, object: &str) -> String {
        format!("{}.{verb}.{object}", self.spec.api_prefix)
    }

    fn direct_get_subject(&self) -> String {
        self.api_subject("DIRECT.GET", self.spec.name)
    }
}
