//! Delivers to one endpoint, for as long as its lease is held.
//!
//! A round takes some messages that are due again and some changes behind the cursor, sends them together, and writes down
//! what came of each before the cursor moves on: what was not taken becomes an entry, and holds up nobody.

mod send;

use std::sync::Arc;
use std::time::Duration;

use events::ChangeNotification;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::context::WebhookContext;
use super::cursor::DeliveryCursor;
use super::endpoint::{DisabledReason, Endpoint, EndpointSecrets};
use super::error::WebhookStoreUnavailable;
use super::retry_entry::RetryEntry;
use super::retry_queue::RetryQueue;
use super::retry_schedule::RETRY_WINDOW;
use super::throttle::Throttle;

/// Messages under way to one endpoint: what a kill may repeat.
const IN_FLIGHT_MAX: usize = 16;
/// Of these at most so many that were tried before.
const RETRIES_IN_FLIGHT_MAX: usize = 8;
/// While so many messages of an endpoint wait to be tried again, no new ones are begun.
const WAITING_MAX: usize = 10_000;
/// More messages of an endpoint are not kept parked: it is disabled.
const PARKED_MAX: usize = 10_000;
/// Messages that are parked together.
const PARK_BATCH_MAX: usize = 100;
/// Between two looks at the changes where there was none.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at the endpoint itself and at its entries, which others write rarely.
const ENDPOINT_POLL_INTERVAL: Duration = Duration::from_secs(1);

/// What comes after a round.
enum RoundOutcome {
    Continue,
    Wait(Duration),
    /// The endpoint is removed or disabled.
    Stop,
}

/// A message that is to be sent.
struct DeliveryItem {
    /// The change's sequence in the stream of changes.
    sequence: u64,
    entry: RetryEntry,
    /// Whether it was tried before, and so stands in the bucket.
    is_retry: bool,
}

pub(super) struct EndpointDelivery {
    context: Arc<WebhookContext>,
    endpoint: Endpoint,
    secrets: EndpointSecrets,
    cursor: DeliveryCursor,
    retry_queue: RetryQueue,
    throttle: Throttle,
    checked_at: Option<Instant>,
}

impl EndpointDelivery {
    pub(super) async fn load(
        means: Arc<WebhookContext>,
        endpoint: Endpoint,
        secrets: EndpointSecrets,
    ) -> Result<Self, WebhookStoreUnavailable> {
        let cursor =
            DeliveryCursor::load(means.work_bucket.clone(), means.changes.clone(), &endpoint).await?;
        let entries = RetryQueue::new(means.work_bucket.clone(), endpoint.id);
        let pace = Throttle::new(means.schedule.throttle_pause());
        Ok(Self {
            context: means,
            endpoint,
            secrets,
            cursor,
            retry_queue: entries,
            throttle: pace,
            checked_at: None,
        })
    }

    /// Goes on until the endpoint wants no more or something can't be reached.
    pub(super) async fn run(mut self) -> Result<(), WebhookStoreUnavailable> {
        loop {
            match self.run_round().await? {
                RoundOutcome::Continue => {}
                RoundOutcome::Wait(wait) => sleep(wait).await,
                RoundOutcome::Stop => return Ok(()),
            }
        }
    }

    async fn run_round(&mut self) -> Result<RoundOutcome, WebhookStoreUnavailable> {
        let now = (self.context.clock)();
        if self.checked_at.is_none_or(|at| at.elapsed() >= ENDPOINT_POLL_INTERVAL) {
            let standing = self.context.endpoints.get(self.endpoint.id).await?;
            if standing.is_none_or(|endpoint| endpoint.disabled.is_some()) {
                return Ok(RoundOutcome::Stop);
            }
            self.retry_queue.reload().await?;
            self.checked_at = Some(Instant::now());
            self.update_gauges();
        }
        if self.retry_queue.parked_count() >= PARKED_MAX {
            self.disable(DisabledReason::TooManyParked, now).await?;
            return Ok(RoundOutcome::Stop);
        }
        self.cursor.fetch_page().await?;
        if self.is_backlogged() && self.park_overdue(now).await? > 0 {
            return Ok(RoundOutcome::Continue);
        }
        if let Some(wait) = self.throttle.remaining_pause(Instant::now()) {
            return Ok(RoundOutcome::Wait(wait.min(POLL_INTERVAL)));
        }
        let (items, settled) = self.next_batch(now).await?;
        if items.is_empty() {
            self.cursor.settle_up_to(settled);
            self.cursor.save(false).await?;
            return Ok(if settled > 0 { RoundOutcome::Continue } else { RoundOutcome::Wait(POLL_INTERVAL) });
        }
        let is_gone = self.send_batch(items, now).await?;
        self.cursor.settle_up_to(settled);
        self.cursor.save(true).await?;
        if is_gone {
            self.disable(DisabledReason::Gone, now).await?;
            return Ok(RoundOutcome::Stop);
        }
        Ok(RoundOutcome::Continue)
    }

    /// Whether messages pile up.
    fn is_backlogged(&self) -> bool {
        self.throttle.is_throttled() || self.retry_queue.waiting_count() >= WAITING_MAX
    }

    /// What this round sends, and up to where the cursor is settled by that.
    async fn next_batch(
        &mut self,
        now: Timestamp,
    ) -> Result<(Vec<DeliveryItem>, u64), WebhookStoreUnavailable> {
        let (room, retries) =
            if self.throttle.is_throttled() { (1, 1) } else { (IN_FLIGHT_MAX, RETRIES_IN_FLIGHT_MAX) };
        let mut items = Vec::new();
        for sequence in self.retry_queue.due_changes(now, retries) {
            if let Some(entry) = self.retry_queue.read(sequence).await? {
                items.push(DeliveryItem { sequence, entry, is_retry: true });
            }
        }
        let mut settled = 0;
        while items.len() < room && self.retry_queue.waiting_count() < WAITING_MAX {
            let Some((sequence, change)) = self.cursor.pop() else { break };
            settled = sequence;
            if let Some(change) = change.filter(|change| self.should_send(sequence, change)) {
                items.push(DeliveryItem {
                    sequence,
                    entry: RetryEntry::new(change, now, false),
                    is_retry: false,
                });
            }
        }
        Ok((items, settled))
    }

    /// Whether a change is to be sent that the cursor comes to.
    fn should_send(&self, sequence: u64, change: &ChangeNotification) -> bool {
        self.endpoint.is_subscribed_to(change.kind) && !self.retry_queue.contains(sequence)
    }

    /// Of a receiver that takes nothing: parks what was tried for three days, and what is so old without having been tried,
    /// before it leaves the stream.
    async fn park_overdue(&mut self, now: Timestamp) -> Result<usize, WebhookStoreUnavailable> {
        let mut parked = Vec::new();
        for sequence in self.retry_queue.overdue_changes(now, PARK_BATCH_MAX) {
            if let Some(entry) = self.retry_queue.read(sequence).await? {
                parked.push((sequence, entry.into_parked(now)));
            }
        }
        let begin = now.saturating_sub(RETRY_WINDOW).unwrap_or(Timestamp::MIN);
        let mut settled = 0;
        while parked.len() < PARK_BATCH_MAX
            && self.cursor.peek().is_some_and(|(_, change)| change.as_ref().is_none_or(|c| c.time <= begin))
            && let Some((sequence, change)) = self.cursor.pop()
        {
            settled = sequence;
            if let Some(change) = change.filter(|change| self.should_send(sequence, change)) {
                parked.push((sequence, RetryEntry::new(change, now, false).into_parked(now)));
            }
        }
        let number = parked.len();
        self.retry_queue.write(parked).await?;
        self.cursor.settle_up_to(settled);
        self.cursor.save(settled > 0).await?;
        self.record_parked(number);
        Ok(number + usize::from(settled > 0))
    }

    async fn disable(&self, reason: DisabledReason, now: Timestamp) -> Result<(), WebhookStoreUnavailable> {
        tracing::error!(
            endpoint = %self.endpoint.id, host = self.endpoint.host(), ?reason,
            "an endpoint is disabled: nothing is delivered to it any more"
        );
        self.context.endpoints.disable(self.endpoint.id, reason, now).await
    }

    fn record_parked(&self, messages: usize) {
        if messages > 0 {
            tracing::warn!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(), messages,
                "messages are parked: `syncwell webhooks parked list` tells which"
            );
            metrics::counter!("syncwell_feed_deliveries_total", "result" => "parked")
                .increment(messages as u64);
            self.update_gauges();
        }
    }

    fn update_gauges(&self) {
        let endpoint = self.endpoint.id.to_string();
        metrics::gauge!("syncwell_feed_parked", "endpoint" => endpoint.clone())
            .set(self.retry_queue.parked_count() as f64);
        metrics::gauge!("syncwell_feed_waiting", "endpoint" => endpoint)
            .set(self.retry_queue.waiting_count() as f64);
    }
}

impl Drop for EndpointDelivery {
    /// Whoever delivers next tells the numbers.
    fn drop(&mut self) {
        let endpoint = self.endpoint.id.to_string();
        metrics::gauge!("syncwell_feed_parked", "endpoint" => endpoint.clone()).set(0.0);
        metrics::gauge!("syncwell_feed_waiting", "endpoint" => endpoint).set(0.0);
    }
}
