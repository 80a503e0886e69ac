//! Core NATS subscription.

use async_nats::Subscriber;
use bytes::Bytes;

/// What is heard on a subject.
pub struct Subscription(pub(crate) Subscriber);

/// One message heard.
pub struct ReceivedMessage {
    /// The subject it was sent to.
    pub subject: String,
    /// What it says.
    pub payload: Bytes,
    /// Where an answer is expected.
    pub reply_subject: Option<String>,
}

impl Subscription {
    /// What is heard, as a stream.
    pub fn into_stream(self) -> impl futures_util::Stream<Item = ReceivedMessage> {
        futures_util::stream::unfold(self, async |mut subscription| {
            let heard = subscription.next().await?;
            Some((heard, subscription))
        })
    }

    /// The next message; `None` when the subscription has ended.
    pub async fn next(&mut self) -> Option<ReceivedMessage> {
        let message = futures_util::StreamExt::next(&mut self.0).await?;
        Some(ReceivedMessage {
            subject: message.subject.to_string(),
            payload: message.payload,
            reply_subject: message.reply.map(|reply| reply.to_string()),
        })
    }
}
