//! Reads the log, and finds what is due. Several workers may: each reads all of the log, what it lays is laid once, and
//! a lease says who does a deed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{Envelope, Event, EventKind, Log, LogError, RecordedEvent};
use jiff::Timestamp;
use providers::Providers;
use stream::{Broker, Bucket, Commit, Leases, ScanFrom, spawn_vital};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use uuid::Uuid;
use vault::{KeyClient, KeyError, Pseudonyms, TokenSeal};

use crate::Clock;
use crate::book::{Book, BookError, PAGE_ENTRIES};
use crate::buckets::WorkBucket;
use crate::hands::{Hands, Hindrance};
use crate::laying::{At, Said, lay};
use crate::oauth::OAuthClient;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::position::Position;
use crate::record::RecordKey;

/// Between two looks at the log, and at the records.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// Between two attempts where something can't be reached.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// After this long a connection is looked at again that another worker had in hand, or that could not be worked on.
const AGAIN_SECONDS: i64 = 1;
/// Connections in hand at the same time.
const DEEDS_AT_ONCE_MAX: usize = 32;

/// Who this installation is at each provider, by the provider's name.
pub type OAuthClients = Arc<BTreeMap<String, OAuthClient>>;

/// What a worker is made of.
pub struct WorkerSettings {
    /// Gives the data keys.
    pub keys: KeyClient,
    /// The worker's own secret.
    pub seal: TokenSeal,
    /// Names users of providers, and PKCE verifiers.
    pub pseudonyms: Pseudonyms,
    /// The providers' tables.
    pub providers: Arc<Providers>,
    /// Who this installation is there.
    pub clients: OAuthClients,
    /// A private authority of providers.
    pub providers_ca: Option<PathBuf>,
    /// The time.
    pub clock: Clock,
}

/// A worker, at work for as long as the process runs.
pub struct Worker {
    caught_up: Arc<std::sync::atomic::AtomicBool>,
}

impl Worker {
    /// Starts. The broker may still be away.
    pub fn start(broker: Broker, settings: WorkerSettings) -> Result<Self, OutgoingError> {
        let log = Log::over(broker.clone());
        let book = Book {
            bucket: WorkBucket::Connections.open(broker.clone()),
            keys: settings.keys.clone(),
            seal: Arc::new(settings.seal),
        };
        let hands = Arc::new(Hands {
            book: book.clone(),
            leases: Leases::new(WorkBucket::Leases.open(broker.clone()), Uuid::new_v4().simple().to_string()),
            log: log.appender(Commit::Grouped),
            providers: settings.providers,
            clients: settings.clients,
            outgoing: Outgoing::new(settings.providers_ca.as_deref())?,
            pseudonyms: settings.pseudonyms,
            clock: settings.clock,
        });
        let caught_up = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let reading = Reading {
            log,
            book,
            keys: settings.keys,
            work: WorkBucket::Work.open(broker),
            clock: settings.clock,
            caught_up: caught_up.clone(),
        };
        spawn_vital("worker's reading", reading.follow());
        spawn_vital("worker's deeds", do_deeds(hands, caught_up.clone()));
        Ok(Self { caught_up })
    }

    /// Says why no work is done yet, or nothing.
    pub fn check(&self) -> Result<(), String> {
        if self.caught_up.load(std::sync::atomic::Ordering::Acquire) {
            Ok(())
        } else {
            Err("the worker has not read the log to its end yet".to_owned())
        }
    }

    /// What asks [`Worker::check`] for as long as it likes.
    pub fn ready(&self) -> Arc<dyn Fn() -> Result<(), String> + Send + Sync> {
        let worker = Self { caught_up: self.caught_up.clone() };
        Arc::new(move || worker.check())
    }
}

/// From the log into the records.
struct Reading {
    log: Log,
    book: Book,
    keys: KeyClient,
    work: Bucket,
    clock: Clock,
    caught_up: Arc<std::sync::atomic::AtomicBool>,
}

impl Reading {
    async fn follow(self) {
        loop {
            self.log.broker().connected().await;
            if let Err(error) = self.read().await {
                tracing::warn!(error = &error as &dyn std::error::Error, "the worker can't read the log now");
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// Reads on from where any worker was, until something can't be reached.
    async fn read(&self) -> Result<(), ReadingError> {
        let state = self.log.open().await?;
        let mut position = Position::load(&self.work, state.identity.as_str()).await?;
        loop {
            let events = self.log.scan(ScanFrom::Sequence(position.sequence() + 1), None).await?;
            if events.is_empty() {
                self.caught_up.store(true, std::sync::atomic::Ordering::Release);
                sleep(LOOK_INTERVAL).await;
                continue;
            }
            for event in &events {
                self.lay(event).await?;
                position.move_to(event.sequence().get());
            }
            position.save(&self.work).await;
        }
    }

    async fn lay(&self, recorded: &RecordedEvent) -> Result<(), ReadingError> {
        let Ok(head) = Envelope::read_head(recorded.bytes()) else { return Ok(()) };
        let Some(key_id) = head.key_id.filter(|_| is_about_a_connection(head.kind)) else { return Ok(()) };
        // What can't be opened is the projector's to tell of; here nothing comes of it.
        let data_key = match self.keys.get(&head.user, key_id).await {
            Ok(Some(data_key)) => data_key,
            Ok(None) | Err(KeyError::Erased | KeyError::Unwrap(_)) => return Ok(()),
            Err(KeyError::Unavailable) => return Err(ReadingError::Unavailable),
        };
        let opened = Envelope::read(recorded.bytes()).ok().filter(|_| recorded.is_filed_under(&head.user));
        let Some(event) = opened.and_then(|envelope| Event::open(envelope, &data_key).ok()) else {
            return Ok(());
        };
        let Some((connection, said)) = Said::of(&event) else { return Ok(()) };
        let key = RecordKey { user: head.user, connection };
        let at = At {
            sequence: recorded.sequence().get(),
            event_id: head.id,
            outcome_to: recorded.outcome_to().map(|to| to.to_string()),
            received: head.time,
            key_id,
            now: (self.clock)(),
        };
        match self.book.change(&key, |record| lay(record, &said, &at)).await {
            Ok(_) | Err(BookError::Erased) => Ok(()),
            Err(BookError::Unavailable) => Err(ReadingError::Unavailable),
            Err(error @ BookError::Damaged(_)) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    sequence = recorded.sequence().get(),
                    "INCIDENT: a connection's record can't be opened; the event was not laid into it"
                );
                Ok(())
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum ReadingError {
    #[error("the keys or the records can't be reached")]
    Unavailable,
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Read(#[from] stream::ReadError),
}

/// Told by the kind alone, so that nothing else is opened.
fn is_about_a_connection(kind: EventKind) -> bool {
    match kind {
        EventKind::ConnectionRequestedV1
        | EventKind::ConnectionAuthorizedV1
        | EventKind::ConnectionReauthRequestedV1
        | EventKind::ConnectionRevocationRequestedV1
        | EventKind::ConnectionActivatedV1
        | EventKind::ConnectionReauthNeededV1
        | EventKind::ConnectionRevokedV1 => true,
        EventKind::SummaryReceivedV1
        | EventKind::DeviceEnrolledV1
        | EventKind::DeviceRevokedV1
        | EventKind::DeviceReportedV1
        | EventKind::WebhookReceivedV1
        | EventKind::BreakGlassRequestedV1
        | EventKind::BreakGlassApprovedV1
        | EventKind::BreakGlassLookedUpV1
        | EventKind::BreakGlassRefusedV1
        | EventKind::AccessRecordedV1
        | EventKind::EventDiscardedV1 => false,
    }
}

/// Finds what is due, and has it done.
async fn do_deeds(hands: Arc<Hands>, caught_up: Arc<std::sync::atomic::AtomicBool>) {
    let mut agenda = Agenda::default();
    let in_hand: Arc<Mutex<BTreeSet<RecordKey>>> = Arc::default();
    let hindered: Arc<Mutex<Vec<(RecordKey, Timestamp)>>> = Arc::default();
    let places = Arc::new(Semaphore::new(DEEDS_AT_ONCE_MAX));
    loop {
        hands.book.bucket.stream().broker().connected().await;
        let looked = agenda.look(&hands.book).await;
        // Until all of the log is read, a record may be in want of what stands further on.
        if looked.is_err() || !caught_up.load(std::sync::atomic::Ordering::Acquire) {
            sleep(RETRY_INTERVAL).await;
            continue;
        }
        agenda.put_off(std::mem::take(&mut *lock(&hindered)));
        let now = (hands.clock)();
        for key in agenda.due(now) {
            if lock(&in_hand).contains(&key) {
                continue;
            }
            let Ok(place) = places.clone().try_acquire_owned() else { break };
            lock(&in_hand).insert(key);
            agenda.done(&key);
            let (hands, in_hand, hindered) = (hands.clone(), in_hand.clone(), hindered.clone());
            spawn_vital("a deed", async move {
                let worked = hands.work(&key).await;
                let now = (hands.clock)();
                let again = now.checked_add(jiff::SignedDuration::from_secs(AGAIN_SECONDS)).unwrap_or(now);
                match worked {
                    Ok(()) | Err(Hindrance::Book(BookError::Erased)) => {}
                    Err(Hindrance::Held | Hindrance::Unavailable) => lock(&hindered).push((key, again)),
                    Err(Hindrance::Book(error)) => tracing::error!(
                        error = &error as &dyn std::error::Error, connection = %key.connection,
                        "INCIDENT: a connection's record can't be opened; nothing is done with it"
                    ),
                }
                lock(&in_hand).remove(&key);
                drop(place);
            });
        }
        sleep(LOOK_INTERVAL).await;
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
    async fn look(&mut self, book: &Book) -> Result<(), stream::ReadError> {
        loop {
            let entries = book.bucket.behind(self.position, PAGE_ENTRIES).await?;
            let Some(last) = entries.last() else { return Ok(()) };
            self.position = last.revision;
            for entry in &entries {
                let Some((key, due)) = Book::due(entry) else { continue };
                let before = self.entries.insert(key, (entry.revision, due));
                if let Some((revision, _)) = before
                    && self.position > revision
                    && book.bucket.stream().get(revision).await?.is_some()
                {
                    book.destroy(revision).await;
                }
            }
        }
    }

    fn due(&self, now: Timestamp) -> Vec<RecordKey> {
        let due = self.entries.iter().filter(|(_, (_, due))| due.is_some_and(|due| due <= now));
        due.map(|(key, _)| *key).collect()
    }

    /// Nothing is due until the record is written again.
    fn done(&mut self, key: &RecordKey) {
        if let Some((_, due)) = self.entries.get_mut(key) {
            *due = None;
        }
    }

    fn put_off(&mut self, hindered: Vec<(RecordKey, Timestamp)>) {
        for (key, again) in hindered {
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
