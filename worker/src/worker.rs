//! A worker, put together. Several may run: each reads all of the log ([`crate::reading`]), and a lease says who does a deed
//! ([`crate::agenda`], [`crate::hands`]).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::Log;
use export_store::Objects;
use jetstream::{Broker, CommitMode, Leases, spawn_critical};
use keys::{KeyClient, KeyErasureClient, Pseudonymizer, TokenSealer};
use providers::Providers;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::Clock;
use crate::agenda::do_deeds;
use crate::book::Book;
use crate::buckets::WorkBucket;
use crate::erasures::{Erasures, Ledger};
use crate::exporting::{Exporting, ProgressBoard};
use crate::feed::{Feed, FeedSettings};
use crate::hands::Hands;
use crate::oauth::OAuthClient;
use crate::outgoing::{Outgoing, OutgoingError};
use crate::reading::Reading;

/// Who this installation is at each provider, by the provider's name.
pub type OAuthClients = Arc<BTreeMap<String, OAuthClient>>;

/// What a worker is made of.
pub struct WorkerSettings {
    /// Gives the data keys.
    pub keys: KeyClient,
    /// The worker's own secret.
    pub seal: TokenSealer,
    /// Names users of providers, and PKCE verifiers.
    pub pseudonyms: Pseudonymizer,
    /// The providers' tables.
    pub providers: Arc<Providers>,
    /// Who this installation is there.
    pub clients: OAuthClients,
    /// A private authority of providers.
    pub providers_ca: Option<PathBuf>,
    /// Where exports are kept.
    pub objects: Objects,
    /// Where it is written down who was erased.
    pub ledger: Ledger,
    /// How changes are delivered.
    pub feed: FeedSettings,
    /// The time.
    pub clock: Clock,
}

/// A worker, at work for as long as the process runs.
pub struct Worker {
    caught_up: Arc<AtomicBool>,
}

impl Worker {
    /// Starts. The broker may still be away.
    pub fn start(broker: Broker, settings: WorkerSettings) -> Result<Self, OutgoingError> {
        let seal = Arc::new(settings.seal);
        let log = Log::over(broker.clone());
        let book = Book {
            bucket: WorkBucket::Connections.open(broker.clone()),
            keys: settings.keys.clone(),
            seal: seal.clone(),
        };
        Feed::start(
            broker.clone(),
            settings.feed,
            settings.keys.clone(),
            seal,
            settings.pseudonyms.clone(),
            settings.clock,
        )?;
        let erasures = Arc::new(Erasures {
            broker: broker.clone(),
            log: log.clone(),
            appender: log.appender(CommitMode::Grouped),
            keys: settings.keys.clone(),
            eraser: KeyErasureClient::new(broker.clone()),
            pseudonyms: settings.pseudonyms.clone(),
            book: book.clone(),
            leases: Leases::new(WorkBucket::Leases.open(broker.clone()), Uuid::new_v4().simple().to_string()),
            work: WorkBucket::Work.open(broker.clone()),
            ledger: settings.ledger,
            objects: settings.objects.clone(),
            clock: settings.clock,
        });
        let exporting = Arc::new(Exporting {
            broker: broker.clone(),
            log: log.clone(),
            appender: log.appender(CommitMode::Grouped),
            keys: settings.keys.clone(),
            pseudonyms: settings.pseudonyms.clone(),
            leases: Leases::new(WorkBucket::Leases.open(broker.clone()), Uuid::new_v4().simple().to_string()),
            work: WorkBucket::Work.open(broker.clone()),
            objects: settings.objects,
            board: ProgressBoard::default(),
            clock: settings.clock,
        });
        let pseudonyms = settings.pseudonyms.clone();
        let hands = Arc::new(Hands {
            book: book.clone(),
            leases: Leases::new(WorkBucket::Leases.open(broker.clone()), Uuid::new_v4().simple().to_string()),
            log: log.appender(CommitMode::Grouped),
            providers: settings.providers,
            clients: settings.clients,
            outgoing: Outgoing::new(settings.providers_ca.as_deref())?,
            pseudonyms: settings.pseudonyms,
            clock: settings.clock,
        });
        let caught_up = Arc::new(AtomicBool::new(false));
        let laid = Arc::new(Notify::new());
        let reading = Reading {
            log,
            book,
            keys: settings.keys,
            work: WorkBucket::Work.open(broker),
            pseudonyms,
            clock: settings.clock,
            caught_up: caught_up.clone(),
            laid: laid.clone(),
        };
        spawn_critical("worker's reading", reading.follow());
        spawn_critical("worker's exports", exporting.work());
        spawn_critical("worker's erasures", erasures.work());
        spawn_critical("worker's deeds", do_deeds(hands, caught_up.clone(), laid));
        Ok(Self { caught_up })
    }

    /// Says why no work is done yet, or nothing.
    pub fn check(&self) -> Result<(), String> {
        if self.caught_up.load(Ordering::Acquire) {
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
