//! Reading in order, and noticing every hole.
//!
//! The library's ordered consumers can begin again at sequence 1 when they mend themselves, and its plain pull stream
//! does not notice a gap. So this is a loop of our own: pull from a durable consumer that was set back to the position,
//! demand that both of the server's counters move by one, and on any doubt end, so that the caller begins again from
//! its own position.

use std::time::Duration;

use async_nats::Subscriber;
use futures_util::StreamExt;
use futures_util::stream::ReadyChunks;
use serde_json::json;
use tokio::time::timeout;

use crate::Broker;
use crate::delivery_metadata::DeliveryMetadata;
use crate::direct_get::ReadError;
use crate::message::StoredMessage;

/// Messages of one pull, well below the capacity of a subscription.
const PULL_MESSAGES_MAX: u64 = 5_000;
/// How long one pull stays open. Below the import's `response_threshold` (60 s): past it messages would be lost.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// How often the server shows that it is there while there is nothing to deliver.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Silence after which the pull is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(12);

/// Why following ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FollowError {
    /// The connection or the pull broke. Begin again from the position.
    #[error("the stream can't be followed for the moment")]
    Interrupted(#[source] Option<ReadError>),
    /// The stream has a hole. It has no legal ones.
    #[error("the stream has a hole: sequence {expected} is missing, {found} follows")]
    Gap {
        /// What should have come.
        expected: u64,
        /// What came.
        found: u64,
    },
}

impl FollowError {
    const INTERRUPTED: Self = Self::Interrupted(None);
}

/// A stream being followed.
pub struct OrderedConsumer {
    broker: Broker,
    next_subject: String,
    inbox: String,
    messages: ReadyChunks<Subscriber>,
    /// Messages that the open pull may still bring.
    pull_remaining: u64,
    last_stream_sequence: u64,
    last_consumer_sequence: u64,
}

impl OrderedConsumer {
    /// Starts to pull messages after `position` through a consumer that was just reset to it. Pull requests go to
    /// `next_subject`.
    pub(crate) async fn start(
        broker: Broker,
        next_subject: String,
        position: u64,
    ) -> Result<Self, FollowError> {
        // A new inbox: a pull that was still open may send what it had to the old one.
        let client = broker.client();
        let inbox = client.new_inbox();
        let subscriber = client.subscribe(inbox.clone()).await.map_err(|_| FollowError::INTERRUPTED)?;
        Ok(Self {
            broker,
            next_subject,
            inbox,
            messages: subscriber.ready_chunks(PULL_MESSAGES_MAX as usize),
            pull_remaining: 0,
            last_stream_sequence: position,
            last_consumer_sequence: 0,
        })
    }

    /// The next messages, at least one: whatever has arrived by now.
    pub async fn next_batch(&mut self) -> Result<Vec<StoredMessage>, FollowError> {
        loop {
            if self.pull_remaining == 0 {
                self.pull().await?;
            }
            let arrived = tokio::select! {
                arrived = timeout(SILENCE_MAX, self.messages.next()) => arrived,
                () = self.broker.wait_disconnected() => return Err(FollowError::INTERRUPTED),
            };
            let Ok(Some(arrived)) = arrived else { return Err(FollowError::INTERRUPTED) };
            let mut messages = Vec::with_capacity(arrived.len());
            for message in arrived {
                match message.status.map(|status| status.as_u16()) {
                    None => messages.push(self.check_order(message)?),
                    // A heartbeat.
                    Some(100) => {}
                    // The pull has ended: nothing came for a while, or the batch is complete.
                    Some(404 | 408) => self.pull_remaining = 0,
                    Some(_) => return Err(FollowError::INTERRUPTED),
                }
            }
            if !messages.is_empty() {
                return Ok(messages);
            }
        }
    }

    async fn pull(&mut self) -> Result<(), FollowError> {
        let request = json!({
            "batch": PULL_MESSAGES_MAX,
            "expires": PULL_EXPIRES.as_nanos() as u64,
            "idle_heartbeat": HEARTBEAT.as_nanos() as u64,
        });
        let sent = self.broker.client().publish_with_reply(
            self.next_subject.clone(),
            self.inbox.clone(),
            request.to_string().into(),
        );
        sent.await.map_err(|_| FollowError::INTERRUPTED)?;
        self.pull_remaining = PULL_MESSAGES_MAX;
        Ok(())
    }

    fn check_order(&mut self, message: async_nats::Message) -> Result<StoredMessage, FollowError> {
        let delivery = DeliveryMetadata::from_message(&message)
            .ok_or(FollowError::Interrupted(Some(ReadError::Malformed)))?;
        if delivery.consumer_sequence != self.last_consumer_sequence + 1 {
            // Lost on the way, not in the stream.
            return Err(FollowError::INTERRUPTED);
        }
        let expected = self.last_stream_sequence + 1;
        if delivery.stream_sequence != expected {
            return Err(FollowError::Gap { expected, found: delivery.stream_sequence });
        }
        self.last_consumer_sequence += 1;
        self.last_stream_sequence += 1;
        self.pull_remaining = self.pull_remaining.saturating_sub(1);
        Ok(StoredMessage {
            sequence: delivery.stream_sequence,
            subject: message.subject.to_string(),
            stored_at: delivery.stored_at,
            payload: message.payload,
            headers: message.headers.unwrap_or_default(),
        })
    }
}
