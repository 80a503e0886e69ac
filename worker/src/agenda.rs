//! What is due when, and having it done.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jetstream::spawn_critical;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::book::{Book, BookError, PAGE_ENTRIES};
use crate::hands::{Hands, Hindrance};
use crate::in_hand::InHand;
use crate::record::RecordKey;

/// Between two looks at the records.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts where something can't be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After this long a connection is looked at again that another worker had in hand, or that could not be worked on.
const AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// Connections in hand at the same time.
const DEEDS_AT_ONCE_MAX: usize = 32;

/// Finds what is due, and has it done.
pub(crate) async fn do_deeds(hands: Arc<Hands>, caught_up: Arc<AtomicBool>, laid: Arc<Notify>) {
    let mut agenda = Agenda::default();
    let in_hand = InHand::up_to(DEEDS_AT_ONCE_MAX);
    let again: Arc<Mutex<Vec<(RecordKey, Timestamp)>>> = Arc::default();
    loop {
        hands.book.bucket.stream().broker().wait_connected().await;
        let looked = agenda.look(&hands.book).await;
        // Until all of the log is read, a record may be in want of what stands further on.
        if looked.is_err() || !caught_up.load(Ordering::Acquire) {
            sleep(RETRY_INTERVAL).await;
            continue;
        }
        agenda.come_back(std::mem::take(&mut *lock(&again)));
        let now = (hands.clock)();
        for key in agenda.due(now) {
            let Some(held) = in_hand.take(key) else { continue };
            agenda.done(&key);
            let (hands, again) = (hands.clone(), again.clone());
            spawn_critical("a deed", async move {
                let worked = hands.work(&key).await;
                let now = (hands.clock)();
                match worked {
                    Ok(due) => lock(&again).extend(due.map(|due| (key, due))),
                    Err(Hindrance::Book(BookError::Erased)) => {}
                    Err(Hindrance::Held | Hindrance::Unavailable) => {
                        lock(&again).push((key, now.checked_add(AGAIN).unwrap_or(now)));
                    }
                    Err(Hindrance::Book(error)) => tracing::error!(
                        error = &error as &dyn std::error::Error, connection = %key.connection,
                        "INCIDENT: a connection's record can't be opened; nothing is done with it"
                    ),
                }
                drop(held);
            });
        }
        // Another worker may have laid something, and time goes by: both are looked after now and then.
        let _ = timeout(LOOK_INTERVAL, laid.notified()).await;
    }
}

/// What is due when, as far as the bucket tells without opening anything.
#[derive(Default)]
struct Agenda {
    position: u64,
    /// The write under each key, and when something is due with it.
    entries: HashMap<RecordKey, (u64, Option<Timestamp>)>,
}

impl Agenda {
    /// Takes in what was written since. Of two writes under one key the older should be gone: a worker was ended between
    /// the two, and what it left is destroyed here.
    async fn look(&mut self, book: &Book) -> Result<(), jetstream::ReadError> {
        loop {
            let entries = book.bucket.entries_after(self.position, PAGE_ENTRIES).await?;
            if entries.is_empty() {
                return Ok(());
            }
            for entry in &entries {
                if let Some((key, due)) = Book::due(entry) {
                    if let Some((before, _)) = self.entries.get(&key) {
                        book.see_destroyed(*before).await?;
                    }
                    self.entries.insert(key, (entry.revision, due));
                }
                // One by one: where it can't go on, it goes on from here.
                self.position = entry.revision;
            }
        }
    }

    fn due(&self, now: Timestamp) -> Vec<RecordKey> {
        let due =
            self.entries.iter().filter_map(|(key, (_, due))| Some((due.filter(|due| *due <= now)?, *key)));
        let mut due: Vec<_> = due.collect();
        // Who has waited longest is first.
        due.sort_unstable();
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// It is in hand: nothing is due until that tells when, or the record is written again.
    fn done(&mut self, key: &RecordKey) {
        if let Some((_, due)) = self.entries.get_mut(key) {
            *due = None;
        }
    }

    /// Looks at connections again, at the latest then.
    fn come_back(&mut self, again: Vec<(RecordKey, Timestamp)>) {
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
