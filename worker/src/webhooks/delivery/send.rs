//! One round's messages: opened, sent together, and what came of each written down.

use events::{ChangeKind, ChangeTarget};
use futures_util::future::{join_all, try_join_all};
use jiff::Timestamp;
use keys::KeyError;
use tokio::time::Instant;

use super::{DeliveryItem, EndpointDelivery};
use crate::webhooks::context::random_bytes;
use crate::webhooks::error::WebhookStoreUnavailable;
use crate::webhooks::http_sender::{DeliveryAttempt, DeliveryFailure, RESPONSE_TIMEOUT};
use crate::webhooks::message::WebhookMessage;

/// What is sent of an item.
enum PreparedMessage {
    /// `bare`: without what it is about.
    Message { message: WebhookMessage, bare: bool },
    /// Nothing now: it was sent with what it is about, and the key of that is missing.
    KeyMissing,
    /// Nothing: the account is no more.
    Skipped,
}

impl EndpointDelivery {
    /// Sends, and writes down what came of it. Says whether the receiver wants nothing any more.
    pub(super) async fn send_batch(
        &mut self,
        items: Vec<DeliveryItem>,
        now: Timestamp,
    ) -> Result<bool, WebhookStoreUnavailable> {
        // Before anything is sent: whatever can't be opened now is not sent now, and nothing is sent twice for it.
        let keys =
            items.iter().filter_map(|item| Some((item.entry.change.user()?, item.entry.change.key_id()?)));
        self.context.keys.prefetch(keys).await;
        let opened = try_join_all(items.iter().map(|item| self.prepare(item))).await?;
        let attempts = join_all(opened.iter().map(|opened| self.send(opened))).await;
        let (mut done, mut kept) = (Vec::new(), Vec::new());
        let (mut delivered, mut failed, mut parked, mut is_gone) = (0, 0, 0, false);
        for ((item, opened), attempt) in items.into_iter().zip(opened).zip(attempts) {
            let bare = item.entry.bare || matches!(opened, PreparedMessage::Message { bare: true, .. });
            let mut entry = item.entry;
            entry.bare = bare;
            let entry = match attempt {
                None | Some(DeliveryAttempt::Delivered(_)) => {
                    delivered += usize::from(attempt.is_some());
                    count_delivery(if attempt.is_some() { "delivered" } else { "skipped" });
                    done.extend(item.is_retry.then_some(item.sequence));
                    continue;
                }
                Some(DeliveryAttempt::Gone) => {
                    is_gone = true;
                    entry.after_gone(now)
                }
                Some(DeliveryAttempt::Failed { failure: why, retry_after }) => {
                    let now = (self.context.clock)();
                    entry.after_failure(
                        why.to_string(),
                        retry_after,
                        &self.context.schedule,
                        now,
                        random_bytes()[0],
                    )
                }
            };
            failed += 1;
            count_delivery("failed");
            parked += usize::from(entry.state.is_parked());
            tracing::debug!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(), event_id = %entry.change.event_id,
                attempts = entry.attempts, reason = entry.last, "a receiver did not take a message"
            );
            kept.push((item.sequence, entry));
        }
        self.retry_queue.write(kept).await?;
        self.retry_queue.remove(&done).await?;
        self.record_parked(parked);
        if self.throttle.record(delivered, failed, Instant::now()) {
            tracing::warn!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(),
                "a receiver takes nothing; it is asked one at a time until it does"
            );
        }
        Ok(is_gone)
    }

    async fn prepare(&self, item: &DeliveryItem) -> Result<PreparedMessage, WebhookStoreUnavailable> {
        let change = &item.entry.change;
        let Some(user) = change.user() else { return Ok(PreparedMessage::Skipped) };
        let subject = match (change.kind, change.key_id()) {
            (ChangeKind::AccountErased, _) | (_, None) => None,
            (
                ChangeKind::SummaryChanged | ChangeKind::ConnectionNeedsReauth | ChangeKind::ExportReady,
                Some(id),
            ) => match self.context.keys.get(&user, id).await {
                Ok(key) => key.and_then(|key| change.open_target(&key)),
                Err(KeyError::Erased) => return Ok(PreparedMessage::Skipped),
                Err(KeyError::Unwrap(_)) => None,
                Err(KeyError::Unavailable) => return Err(WebhookStoreUnavailable),
            },
        };
        // Every attempt has the same body: what was sent without it once stays so, and the other way round.
        let subject = subject.filter(|_| !item.entry.bare);
        let bare = subject.is_none() && change.kind != ChangeKind::AccountErased;
        if bare && !item.entry.bare && item.entry.attempts > 0 {
            return Ok(PreparedMessage::KeyMissing);
        }
        let subject: Option<&ChangeTarget> = subject.as_ref();
        let message =
            WebhookMessage::from_change(change, &user, subject, &self.secrets, &self.context.link_base);
        Ok(PreparedMessage::Message { message, bare })
    }

    async fn send(&self, opened: &PreparedMessage) -> Option<DeliveryAttempt> {
        match opened {
            PreparedMessage::Message { message, .. } => {
                let (url, now) = (&self.endpoint.url, (self.context.clock)());
                Some(self.context.sender.post(url, message, &self.secrets, now, RESPONSE_TIMEOUT).await)
            }
            PreparedMessage::KeyMissing => {
                Some(DeliveryAttempt::Failed { failure: DeliveryFailure::KeyMissing, retry_after: None })
            }
            PreparedMessage::Skipped => None,
        }
    }
}

fn count_delivery(result: &'static str) {
    metrics::counter!("syncwell_feed_deliveries_total", "result" => result).increment(1);
}
