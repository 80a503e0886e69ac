//! A worker, put together. Several may run: each reads all of the log ([`crate::log_consumer`]), and a lease says who does a deed
//! ([`crate::connections::scheduler`], [`crate::connections::executor`]).

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::Log;
use export_store::ExportStore;
use jetstream::{Broker, CommitMode};
use keys::{KeyClient, KeyErasureClient, Pseudonymizer, TokenSealer};
use providers::ProviderRegistry;
use runtime::{Clock, spawn_critical};
use tokio::sync::Notify;

use crate::connections::executor::ConnectionExecutor;
use crate::connections::oauth::OAuthClients;
use crate::connections::scheduler::run_scheduler;
use crate::connections::store::ConnectionStore;
use crate::erasures::{ErasureLedger, ErasureWorker};
use crate::exports::{ExportProgressServer, ExportWorker};
use crate::http_client::{HttpClient, HttpClientError};
use crate::kv_buckets::Buckets;
use crate::log_consumer::LogConsumer;
use crate::webhooks::{self, WebhookSettings};

/// What a worker is made of.
pub struct WorkerSettings {
    /// Gives the data keys.
    pub keys: KeyClient,
    /// The worker's own secret.
    pub seal: TokenSealer,
    /// Names users of providers, and PKCE verifiers.
    pub pseudonyms: Pseudonymizer,
    /// The providers' tables.
    pub providers: Arc<ProviderRegistry>,
    /// Who this installation is there.
    pub oauth_clients: OAuthClients,
    /// A private authority of providers.
    pub providers_ca: Option<PathBuf>,
    /// Where exports are kept.
    pub export_store: ExportStore,
    /// Where it is written down who was erased.
    pub erasure_ledger: ErasureLedger,
    /// How changes are delivered.
    pub webhooks: WebhookSettings,
    /// The time.
    pub clock: Clock,
}

/// A worker, at work for as long as the process runs.
pub struct Worker {
    caught_up: Arc<AtomicBool>,
}

impl Worker {
    /// Starts. The broker may still be away.
    pub fn start(broker: Broker, settings: WorkerSettings) -> Result<Self, HttpClientError> {
        let seal = Arc::new(settings.seal);
        let log = Log::new(broker.clone());
        // Group commit needs one committer per stream, so every job shares these.
        let buckets = Buckets::open(&broker);
        let appender = log.appender(CommitMode::Grouped);
        let book = ConnectionStore {
            bucket: buckets.connections.clone(),
            keys: settings.keys.clone(),
            seal: seal.clone(),
        };
        webhooks::start(
            broker.clone(),
            &buckets,
            settings.webhooks,
            settings.keys.clone(),
            seal,
            settings.pseudonyms.clone(),
            settings.clock,
        )?;
        let erasures = Arc::new(ErasureWorker {
            broker: broker.clone(),
            log: log.clone(),
            appender: appender.clone(),
            keys: settings.keys.clone(),
            key_eraser: KeyErasureClient::new(broker.clone()),
            pseudonyms: settings.pseudonyms.clone(),
            connections: book.clone(),
            leases: buckets.leases.clone(),
            work_bucket: buckets.work.clone(),
            ledger: settings.erasure_ledger,
            export_store: settings.export_store.clone(),
            clock: settings.clock,
        });
        let exporting = Arc::new(ExportWorker {
            broker: broker.clone(),
            log: log.clone(),
            appender: appender.clone(),
            keys: settings.keys.clone(),
            pseudonyms: settings.pseudonyms.clone(),
            leases: buckets.leases.clone(),
            work_bucket: buckets.work.clone(),
            export_store: settings.export_store,
            progress: ExportProgressServer::default(),
            clock: settings.clock,
        });
        let pseudonyms = settings.pseudonyms.clone();
        let hands = Arc::new(ConnectionExecutor {
            connections: book.clone(),
            leases: buckets.leases.clone(),
            log_appender: appender,
            providers: settings.providers,
            oauth_clients: settings.oauth_clients,
            http: HttpClient::new(settings.providers_ca.as_deref())?,
            pseudonyms: settings.pseudonyms,
            clock: settings.clock,
        });
        let caught_up = Arc::new(AtomicBool::new(false));
        let laid = Arc::new(Notify::new());
        let reading = LogConsumer {
            log,
            connections: book,
            keys: settings.keys,
            work_bucket: buckets.work,
            pseudonyms,
            clock: settings.clock,
            caught_up: caught_up.clone(),
            records_changed: laid.clone(),
        };
        spawn_critical("worker log consumer", reading.run());
        spawn_critical("worker exports", exporting.run());
        spawn_critical("worker erasures", erasures.run());
        spawn_critical("connection scheduler", run_scheduler(hands, caught_up.clone(), laid));
        Ok(Self { caught_up })
    }

    /// Says why no work is done yet, or nothing.
    pub fn check_ready(&self) -> Result<(), String> {
        if self.caught_up.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err("the worker has not read the log to its end yet".to_owned())
        }
    }

    /// What asks [`Worker::check_ready`] for as long as it likes.
    pub fn readiness_check(&self) -> Arc<dyn Fn() -> Result<(), String> + Send + Sync> {
        let worker = Self { caught_up: self.caught_up.clone() };
        Arc::new(move || worker.check_ready())
    }
}
