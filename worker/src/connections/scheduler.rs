//! What is due when, and having it done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runtime::spawn_critical;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::connections::executor::{ConnectionExecutor, ExecutorError};
use crate::connections::record::ConnectionRecordKey;
use crate::connections::store::{ConnectionStore, ConnectionStoreError, PAGE_ENTRIES_MAX};
use crate::in_flight::InFlight;

/// Between two looks at the records.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts where something can't be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After this long a connection is looked at again that another worker had in hand, or that could not be worked on.
const RECHECK_DELAY: SignedDuration = SignedDuration::from_secs(1);
/// Connections in hand at the same time.
const CONNECTIONS_IN_FLIGHT_MAX: usize = 32;

/// Finds what is due, and has it done.
pub(crate) async fn run_scheduler(
    hands: Arc<ConnectionExecutor>,
    caught_up: Arc<AtomicBool>,
    laid: Arc<Notify>,
) {
    let mut agenda = ActionSchedule::default();
    let in_hand = InFlight::with_limit(CONNECTIONS_IN_FLIGHT_MAX);
    let again: Arc<Mutex<Vec<(ConnectionRecordKey, Timestamp)>>> = Arc::default();
    loop {
        hands.connections.bucket.stream().broker().wait_connected().await;
        let looked = agenda.reload(&hands.connections).await;
        // Until all of the log is read, a record may be in want of what stands further on.
        if looked.is_err() || !caught_up.load(Ordering::Acquire) {
            sleep(RETRY_INTERVAL).await;
            continue;
        }
        agenda.reschedule(std::mem::take(&mut *lock(&again)));
        let now = (hands.clock)();
        for key in agenda.due_keys(now) {
            let Some(held) = in_hand.try_acquire(key) else { continue };
            agenda.mark_in_flight(&key);
            let (hands, again) = (hands.clone(), again.clone());
            spawn_critical("connection action", async move {
                let worked = hands.run_due_actions(&key).await;
                let now = (hands.clock)();
                match worked {
                    Ok(due) => lock(&again).extend(due.map(|due| (key, due))),
                    Err(ExecutorError::Store(ConnectionStoreError::Erased)) => {}
                    Err(ExecutorError::LeaseHeld | ExecutorError::Unavailable) => {
                        lock(&again).push((key, now.checked_add(RECHECK_DELAY).unwrap_or(now)));
                    }
                    Err(ExecutorError::Store(error)) => tracing::error!(
                        error = &error as &dyn std::error::Error, connection = %key.connection,
                        "INCIDENT: a connection's record can't be opened; nothing is done with it"
                    ),
                }
                drop(held);
            });
        }
        // Another worker may have laid something, and time goes by: both are looked after now and then.
        let _ = timeout(POLL_INTERVAL, laid.notified()).await;
    }
}

/// What is due when, as far as the bucket tells without opening anything.
#[derive(Default)]
struct ActionSchedule {
    position: u64,
    /// The write under each key, and when something is due with it.
    entries: HashMap<ConnectionRecordKey, (u64, Option<Timestamp>)>,
}

impl ActionSchedule {
    /// Takes in what was written since. Of two writes under one key the older should be gone: a worker was ended between
    /// the two, and what it left is destroyed here.
    async fn reload(&mut self, book: &ConnectionStore) -> Result<(), jetstream::ReadError> {
        loop {
            let entries = book.bucket.entries_after(self.position, PAGE_ENTRIES_MAX).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                if let Some((key, due)) = ConnectionStore::parse_due_time(entry) {
                    if let Some((before, _)) = self.entries.get(&key) {
                        book.ensure_destroyed(*before).await?;
                    }
                    self.entries.insert(key, (entry.revision, due));
                }
                // One by one: where it can't go on, it goes on from here.
                self.position = entry.revision;
            }
        }
    }

    fn due_keys(&self, now: Timestamp) -> Vec<ConnectionRecordKey> {
        let due =
            self.entries.iter().filter_map(|(key, (_, due))| Some((due.filter(|due| *due <= now)?, *key)));
        let mut due: Vec<_> = due.collect();
        // Who has waited longest is first.
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// It is in hand: nothing is due until that tells when, or the record is written again.
    fn mark_in_flight(&mut self, key: &ConnectionRecordKey) {
        if let Some((_, due)) = self.entries.get_mut(key) {
            *due = None;
        }
    }

    /// Looks at connections again, at the latest then.
    fn reschedule(&mut self, again: Vec<(ConnectionRecordKey, Timestamp)>) {
        for (key, again) in again {
            if let Some((_, due)) = self.entries.get_mut(&key) {
                *due = Some(due.map_or(again, |due| due.min(again)));
            }
        }
    }
}

/// Nothing that holds the lock can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
