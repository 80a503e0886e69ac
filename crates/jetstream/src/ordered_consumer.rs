//! Reads a stream in order and detects every gap.
//!
//! The library's ordered consumers can restart at sequence 1 when they recover, and its plain pull stream does not
//! detect a gap. This consumer pulls from a durable consumer that was reset to the position and requires that both of
//! the server's counters move by one ([`delivery_order`]). On any doubt it ends, and the caller restarts from its own
//! position.

mod delivery_order;
mod error;

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
use delivery_order::DeliveryOrder;

pub use error::FollowError;

/// Messages of one pull, well below the capacity of a subscription.
const PULL_MESSAGES_MAX: u64 = 5_000;
/// How long one pull stays open. Below the import's `response_threshold` (60 s): past it messages would be lost.
const PULL_EXPIRES: Duration = Duration::from_secs(30);
/// How often the server shows that it is there while there is nothing to deliver.
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Silence after which the pull is taken for dead.
const SILENCE_MAX: Duration = Duration::from_secs(12);

/// A stream being followed.
pub struct OrderedConsumer {
    broker: Broker,
    next_subject: String,
    inbox: String,
    messages: ReadyChunks<Subscriber>,
    order: DeliveryOrder,
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
            order: DeliveryOrder::after(position),
        })
    }

    /// The next messages, at least one: whatever has arrived by now.
    pub async fn next_batch(&mut self) -> Result<Vec<StoredMessage>, FollowError> {
        loop {
            if self.order.needs_pull() {
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
                    None => messages.push(self.accept_message(message)?),
                    Some(code) => self.order.accept_status(code)?,
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
        self.order.record_pull(PULL_MESSAGES_MAX);
        Ok(())
    }

    fn accept_message(&mut self, message: async_nats::Message) -> Result<StoredMessage, FollowError> {
        let delivery = DeliveryMetadata::from_message(&message)
            .ok_or(FollowError::Interrupted(Some(ReadError::Malformed)))?;
        self.order.accept_message(delivery)?;
        Ok(StoredMessage {
            sequence: delivery.stream_sequence,
            subject: message.subject.to_string(),
            stored_at: delivery.stored_at,
            payload: message.payload,
            headers: message.headers.unwrap_or_default(),
        })
    }
}
