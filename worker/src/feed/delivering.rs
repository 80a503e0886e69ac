//! Delivers to one endpoint, for as long as its lease is held.
//!
//! A round takes some messages that are due again and some changes behind the cursor, sends them together, and writes down
//! what came of each before the cursor moves on: what was not taken becomes an entry, and holds up nobody.

mod sending;

use std::sync::Arc;
use std::time::Duration;

use events::Change;
use jiff::Timestamp;
use tokio::time::{Instant, sleep};

use super::cursor::Cursor;
use super::endpoint::{DisabledReason, Endpoint, Secrets};
use super::entries::Entries;
use super::entry::Entry;
use super::pace::Pace;
use super::schedule::TRIED_MAX;
use super::{Means, Unavailable};

/// Messages under way to one endpoint: what a kill may repeat.
const IN_FLIGHT_MAX: usize = 16;
/// Of these at most so many that were tried before.
const RETRIES_IN_FLIGHT_MAX: usize = 8;
/// While so many messages of an endpoint wait to be tried again, no new ones are begun.
const WAITING_MAX: usize = 10_000;
/// More messages of an endpoint are not kept parked: it is disabled.
const PARKED_MAX: usize = 10_000;
/// Messages that are parked together.
const PARKED_TOGETHER_MAX: usize = 100;
/// Between two looks at the changes where there was none.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Between two looks at the endpoint itself and at its entries, which others write rarely.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What comes after a round.
enum Next {
    Round,
    Wait(Duration),
    /// The endpoint is removed or disabled.
    End,
}

/// A message that is to be sent.
struct Item {
    /// The change's sequence in the stream of changes.
    sequence: u64,
    entry: Entry,
    /// Whether it was tried before, and so stands in the bucket.
    is_retry: bool,
}

pub(super) struct Delivering {
    means: Arc<Means>,
    endpoint: Endpoint,
    secrets: Secrets,
    cursor: Cursor,
    entries: Entries,
    pace: Pace,
    checked_at: Option<Instant>,
}

impl Delivering {
    pub(super) async fn load(
        means: Arc<Means>,
        endpoint: Endpoint,
        secrets: Secrets,
    ) -> Result<Self, Unavailable> {
        let cursor = Cursor::load(means.work.clone(), means.changes.clone(), &endpoint).await?;
        let entries = Entries::of(means.work.clone(), endpoint.id);
        let pace = Pace::new(means.schedule.held_pause());
        Ok(Self { means, endpoint, secrets, cursor, entries, pace, checked_at: None })
    }

    /// Goes on until the endpoint wants no more or something can't be reached.
    pub(super) async fn run(mut self) -> Result<(), Unavailable> {
        loop {
            match self.round().await? {
                Next::Round => {}
                Next::Wait(wait) => sleep(wait).await,
                Next::End => return Ok(()),
            }
        }
    }

    async fn round(&mut self) -> Result<Next, Unavailable> {
        let now = (self.means.clock)();
        if self.checked_at.is_none_or(|at| at.elapsed() >= CHECK_INTERVAL) {
            let standing = self.means.registry.get(self.endpoint.id).await?;
            if standing.is_none_or(|endpoint| endpoint.disabled.is_some()) {
                return Ok(Next::End);
            }
            self.entries.look().await?;
            self.checked_at = Some(Instant::now());
            self.measure();
        }
        if self.entries.parked() >= PARKED_MAX {
            self.disable(DisabledReason::TooManyParked, now).await?;
            return Ok(Next::End);
        }
        self.cursor.fill().await?;
        if self.is_stuck() && self.park_overdue(now).await? > 0 {
            return Ok(Next::Round);
        }
        if let Some(wait) = self.pace.wait(Instant::now()) {
            return Ok(Next::Wait(wait.min(LOOK_INTERVAL)));
        }
        let (items, settled) = self.take(now).await?;
        if items.is_empty() {
            self.cursor.settle(settled);
            self.cursor.save(false).await?;
            return Ok(if settled > 0 { Next::Round } else { Next::Wait(LOOK_INTERVAL) });
        }
        let is_gone = self.deliver(items, now).await?;
        self.cursor.settle(settled);
        self.cursor.save(true).await?;
        if is_gone {
            self.disable(DisabledReason::Gone, now).await?;
            return Ok(Next::End);
        }
        Ok(Next::Round)
    }

    /// Whether messages pile up.
    fn is_stuck(&self) -> bool {
        self.pace.is_held() || self.entries.waiting() >= WAITING_MAX
    }

    /// What this round sends, and up to where the cursor is settled by that.
    async fn take(&mut self, now: Timestamp) -> Result<(Vec<Item>, u64), Unavailable> {
        let (room, retries) =
            if self.pace.is_held() { (1, 1) } else { (IN_FLIGHT_MAX, RETRIES_IN_FLIGHT_MAX) };
        let mut items = Vec::new();
        for sequence in self.entries.due(now, retries) {
            if let Some(entry) = self.entries.read(sequence).await? {
                items.push(Item { sequence, entry, is_retry: true });
            }
        }
        let mut settled = 0;
        while items.len() < room && self.entries.waiting() < WAITING_MAX {
            let Some((sequence, change)) = self.cursor.take() else { break };
            settled = sequence;
            if let Some(change) = change.filter(|change| self.is_new(sequence, change)) {
                items.push(Item { sequence, entry: Entry::new(change, now, false), is_retry: false });
            }
        }
        Ok((items, settled))
    }

    /// Whether a change is to be sent that the cursor comes to.
    fn is_new(&self, sequence: u64, change: &Change) -> bool {
        self.endpoint.wants(change.kind) && !self.entries.contains(sequence)
    }

    /// Of a receiver that takes nothing: parks what was tried for three days, and what is so old without having been tried,
    /// before it leaves the stream.
    async fn park_overdue(&mut self, now: Timestamp) -> Result<usize, Unavailable> {
        let mut parked = Vec::new();
        for sequence in self.entries.overdue(now, PARKED_TOGETHER_MAX) {
            if let Some(entry) = self.entries.read(sequence).await? {
                parked.push((sequence, entry.parked(now)));
            }
        }
        let begin = now.saturating_sub(TRIED_MAX).unwrap_or(Timestamp::MIN);
        let mut settled = 0;
        while parked.len() < PARKED_TOGETHER_MAX
            && self.cursor.peek().is_some_and(|(_, change)| change.as_ref().is_none_or(|c| c.time <= begin))
            && let Some((sequence, change)) = self.cursor.take()
        {
            settled = sequence;
            if let Some(change) = change.filter(|change| self.is_new(sequence, change)) {
                parked.push((sequence, Entry::new(change, now, false).parked(now)));
            }
        }
        let number = parked.len();
        self.entries.write(parked).await?;
        self.cursor.settle(settled);
        self.cursor.save(settled > 0).await?;
        self.note_parked(number);
        Ok(number + usize::from(settled > 0))
    }

    async fn disable(&self, reason: DisabledReason, now: Timestamp) -> Result<(), Unavailable> {
        tracing::error!(
            endpoint = %self.endpoint.id, host = self.endpoint.host(), ?reason,
            "an endpoint is disabled: nothing is delivered to it any more"
        );
        self.means.registry.disable(self.endpoint.id, reason, now).await
    }

    fn note_parked(&self, messages: usize) {
        if messages > 0 {
            tracing::warn!(
                endpoint = %self.endpoint.id, host = self.endpoint.host(), messages,
                "messages are parked: `syncwell webhooks parked list` tells which"
            );
            metrics::counter!("syncwell_feed_deliveries_total", "result" => "parked")
                .increment(messages as u64);
            self.measure();
        }
    }

    fn measure(&self) {
        let endpoint = self.endpoint.id.to_string();
        metrics::gauge!("syncwell_feed_parked", "endpoint" => endpoint.clone())
            .set(self.entries.parked() as f64);
        metrics::gauge!("syncwell_feed_waiting", "endpoint" => endpoint).set(self.entries.waiting() as f64);
    }
}

impl Drop for Delivering {
    /// Whoever delivers next tells the numbers.
    fn drop(&mut self) {
        let endpoint = self.endpoint.id.to_string();
        metrics::gauge!("syncwell_feed_parked", "endpoint" => endpoint.clone()).set(0.0);
        metrics::gauge!("syncwell_feed_waiting", "endpoint" => endpoint).set(0.0);
    }
}
