//! The change feed's source: what other systems are told, while at least one of them wants to know.
//!
//! The follower of the serving view tells before it writes a batch, so a kill in between repeats and loses nothing: a
//! change is named after its event, and whoever hears it twice can tell. What is built beside tells nothing, also where it
//! folds what still waits in the view that serves; nor does a rebuild that is made while no projector runs, of what came in
//! since one did. A repair tells nothing but of events that waited, each as if it were folded now; so an operator who has a
//! user tried again, or an event left out, leaves no gap. A view that is folded once more from the first event, since its
//! files were lost, tells again what the stream would still hold, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use events::{CHANGE_LIFETIME_DAYS, ChangeFeed, ChangeFeedAppender, ChangeNotification, ENDPOINTS_STREAM};
use jetstream::{AppendError, Broker, ReadError, Stream};
use jiff::{SignedDuration, Timestamp};
use runtime::Clock;
use tokio::sync::Mutex;
use tokio::time::sleep;

/// How often it is looked whether somebody wants to know.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Changes that are under way to the stream together: fewer than may wait there.
const PUBLISH_BATCH_MAX: usize = 1_000;
/// What is older would have left the stream by now.
const CHANGE_AGE_MAX: SignedDuration = SignedDuration::from_hours(24 * CHANGE_LIFETIME_DAYS.cast_signed());

/// Tells other systems what changed.
pub(crate) struct ChangePublisher {
    endpoints: Stream,
    changes: ChangeFeed,
    appender: ChangeFeedAppender,
    clock: Clock,
    has_endpoints: AtomicBool,
    /// Looks take turns, so that an old one never has the last word.
    poll_lock: Mutex<()>,
    /// Trouble is logged once until it is over.
    has_logged_failure: AtomicBool,
}

/// The stream of changes can't be reached. Try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the change feed can't be reached")]
pub(crate) struct ChangeStreamUnavailable;

impl ChangePublisher {
    pub(crate) fn new(broker: Broker, clock: Clock) -> Self {
        let changes = ChangeFeed::new(broker.clone());
        Self {
            endpoints: ENDPOINTS_STREAM.stream(broker),
            appender: changes.appender(),
            changes,
            clock,
            has_endpoints: AtomicBool::new(false),
            poll_lock: Mutex::new(()),
            has_logged_failure: AtomicBool::new(false),
        }
    }

    /// Looks whether anybody wants to know, and says so.
    pub(crate) async fn poll_endpoints(&self) -> Result<bool, ChangeStreamUnavailable> {
        let _turn = self.poll_lock.lock().await;
        let is_wanted = match self.endpoints.info().await {
            Ok(info) => info.is_some_and(|info| info.state.messages > 0),
            // A broker that has no word on it now, as while its servers elect a leader, has not said no.
            Err(ReadError::Unavailable | ReadError::Malformed | ReadError::Refused { .. }) => {
                return Err(ChangeStreamUnavailable);
            }
        };
        self.has_endpoints.store(is_wanted, Ordering::Relaxed);
        metrics::gauge!("syncwell_change_feed_has_endpoints").set(if is_wanted { 1.0 } else { 0.0 });
        Ok(is_wanted)
    }

    /// Goes on looking for as long as the process runs. While nobody answers, what was known holds.
    pub(crate) async fn watch_endpoints(self: Arc<Self>) {
        loop {
            sleep(POLL_INTERVAL).await;
            let _ = self.poll_endpoints().await;
        }
    }

    /// Whether anybody wants to know, as of the last look.
    pub(crate) fn has_endpoints(&self) -> bool {
        self.has_endpoints.load(Ordering::Relaxed)
    }

    /// Where anybody wants to know: since when events were received that are told.
    pub(crate) fn publish_since(&self) -> Option<Timestamp> {
        let since = || (self.clock)().saturating_sub(CHANGE_AGE_MAX).unwrap_or(Timestamp::MIN);
        self.has_endpoints().then(since)
    }

    /// Tells, and returns when that is on stable storage; or when the stream does not take it, which stops nobody.
    pub(crate) async fn publish(
        &self,
        changes: &[ChangeNotification],
    ) -> Result<(), ChangeStreamUnavailable> {
        for together in changes.chunks(PUBLISH_BATCH_MAX) {
            match self.appender.append(together).await {
                Ok(()) => {
                    self.has_logged_failure.store(false, Ordering::Relaxed);
                    metrics::counter!("syncwell_change_feed_published_total")
                        .increment(together.len() as u64);
                }
                Err(error @ (AppendError::Refused { .. } | AppendError::Conflict)) => {
                    self.record_lost(&error, together);
                }
                Err(error @ (AppendError::Unavailable | AppendError::Unknown)) => {
                    match self.changes.stream().info().await {
                        Ok(None) => self.record_lost(&error, together),
                        Ok(Some(_))
                        | Err(ReadError::Unavailable | ReadError::Malformed | ReadError::Refused { .. }) => {
                            return Err(ChangeStreamUnavailable);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn record_lost(&self, error: &AppendError, changes: &[ChangeNotification]) {
        self.log_failure_once(error);
        metrics::counter!("syncwell_change_feed_lost_total").increment(changes.len() as u64);
    }

    fn log_failure_once(&self, error: &(dyn std::error::Error + 'static)) {
        if !self.has_logged_failure.swap(true, Ordering::Relaxed) {
            tracing::error!(
                error,
                "the change feed does not take what is told; the view goes on without (`syncwell setup` makes what is missing)"
            );
        }
    }
}
