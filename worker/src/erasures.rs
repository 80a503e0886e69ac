//! Accounts are erased: step by step, each step an event, each as good twice as once.
//!
//! That an account is to be erased is written down before the worker's position moves past the event that asks for it
//! ([`task`]). Where an erasure stands is what the log says ([`aggregates::AccountErasure`]): whoever takes over after a kill reads that,
//! and does the next step ([`steps`]). A lease says which worker does it.

mod ledger;
mod steps;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aggregates::{AccountErasure, EventMetadata};
use events::{
    ErasureChange, ErasureEvent, Event, EventHeader, Log, LogAppender, NewEvent, erasure_step_event_id,
};
use export_store::ExportStore;
use jetstream::{Broker, KvBucket, LeaseError, Leases};
use jiff::SignedDuration;
use keys::{KeyClient, KeyErasureClient, Pseudonymizer, UserRef};
use schemas::{ErasureStatus, ErasureStep};
use tokio::time::sleep;

use crate::connections::store::{ConnectionStore, ConnectionStoreError};
use crate::in_flight::InFlight;
use crate::lease_renewal::{LEASE_TTL, run_to_completion};

pub use ledger::{ErasedUser, ErasureLedger, ErasureLedgerError};
use runtime::{Clock, spawn_critical};
use task::{ErasureTask, VersionedErasureTask};
pub(crate) use task::{ErasureTaskError, ErasureTaskStore};

/// Between two looks at what is to be erased.
const POLL_INTERVAL: Duration = Duration::from_millis(200);
/// Accounts in hand at the same time.
const ERASURES_IN_FLIGHT_MAX: usize = 8;
/// Before an erasure is tried again that could not go on.
const RETRY_INTERVAL: Duration = Duration::from_secs(5);
/// What was taken back in time is in the log so much later, at most: until then an erasure that had a grace period waits.
const CANCELLATION_DELAY_MAX: SignedDuration = SignedDuration::from_secs(15);

/// Why an erasure waits.
#[derive(Debug, thiserror::Error)]
enum ErasureStepError {
    /// Something can't be reached, or is not done yet. Try again.
    #[error("{0}")]
    NotYet(&'static str),
    /// What stands in the way does not go by itself.
    #[error("{0}")]
    Blocked(String),
}

impl From<ConnectionStoreError> for ErasureStepError {
    fn from(error: ConnectionStoreError) -> Self {
        match error {
            ConnectionStoreError::Unavailable => Self::NotYet("the connections can't be reached"),
            ConnectionStoreError::Erased | ConnectionStoreError::Damaged(_) => {
                Self::Blocked(error.to_string())
            }
        }
    }
}

/// What erasing takes.
pub(crate) struct ErasureWorker {
    pub(crate) broker: Broker,
    pub(crate) log: Log,
    pub(crate) appender: LogAppender,
    pub(crate) keys: KeyClient,
    pub(crate) key_eraser: KeyErasureClient,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) connections: ConnectionStore,
    pub(crate) leases: Leases,
    pub(crate) work_bucket: KvBucket,
    pub(crate) ledger: ErasureLedger,
    pub(crate) export_store: ExportStore,
    pub(crate) clock: Clock,
}

impl ErasureWorker {
    /// Erases for as long as the process runs.
    pub(crate) async fn run(self: Arc<Self>) {
        let in_hand = InFlight::with_limit(ERASURES_IN_FLIGHT_MAX);
        loop {
            self.broker.wait_connected().await;
            for standing in ErasureTaskStore::new(&self.work_bucket).all().await.unwrap_or_default() {
                let Some(held) = in_hand.try_acquire(standing.user).filter(|_| self.is_due(&standing.task))
                else {
                    continue;
                };
                let erasures = self.clone();
                spawn_critical("erasure run", async move {
                    erasures.run_under_lease(standing).await;
                    drop(held);
                });
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    fn is_due(&self, task: &ErasureTask) -> bool {
        let begins =
            if task.has_grace { task.due_at.saturating_add(CANCELLATION_DELAY_MAX) } else { Ok(task.due_at) };
        begins.is_ok_and(|begins| begins <= (self.clock)())
    }

    async fn run_under_lease(&self, standing: VersionedErasureTask) {
        let user = standing.user;
        let lease = match self.leases.acquire(&format!("erasure.{user}"), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held | LeaseError::Unavailable) => return,
        };
        // Two workers at one erasure do every step twice, which is as good as once.
        let erased = run_to_completion(lease, &AtomicBool::default(), self.erase(standing)).await;
        match erased {
            Ok(()) => {}
            Err(ErasureStepError::NotYet(why)) => tracing::debug!(%user, reason = why, "an erasure waits"),
            Err(error @ ErasureStepError::Blocked(_)) => {
                tracing::error!(
                    %user, error = &error as &dyn std::error::Error,
                    "INCIDENT: an erasure can't go on; it is tried again"
                );
                sleep(RETRY_INTERVAL).await;
            }
        }
    }

    /// Every step that is left.
    async fn erase(&self, mut standing: VersionedErasureTask) -> Result<(), ErasureStepError> {
        let (user, tasks) = (standing.user, ErasureTaskStore::new(&self.work_bucket));
        loop {
            let Some(account) = self.load_account(&user, &standing.task).await? else {
                return Err(ErasureStepError::NotYet("the log does not tell of it yet"));
            };
            match account.status {
                ErasureStatus::Cancelled | ErasureStatus::Erased => {
                    return tasks.finish(&standing).await.map_err(|_| ErasureStepError::NotYet("the tasks"));
                }
                ErasureStatus::Pending | ErasureStatus::Erasing => {}
            }
            match account.next_step() {
                Some(step) => {
                    if step == ErasureStep::AccountMarked && !standing.task.is_marked {
                        // From here on nothing is laid into this user's connections any more.
                        standing =
                            tasks.mark(standing).await.map_err(|_| ErasureStepError::NotYet("the tasks"))?;
                    }
                    let counts = self.run_step(&user, &account, step).await?;
                    let fact = ErasureChange::StepDone { step, counts };
                    self.append_event(&user, &account, step as u8, fact).await?;
                    tracing::info!(%user, step = step.as_str(), "a step of an erasure was done");
                }
                None => {
                    let fact = ErasureChange::Erased {
                        requested_at: account.requested_at,
                        counts: account.counts(),
                    };
                    self.append_event(&user, &account, ErasureStep::ALL.len() as u8, fact).await?;
                    tracing::info!(%user, "an account was erased");
                    metrics::counter!("syncwell_accounts_erased_total").increment(1);
                }
            }
        }
    }

    /// Where it stands, by the log.
    async fn load_account(
        &self,
        user: &UserRef,
        task: &ErasureTask,
    ) -> Result<Option<AccountErasure>, ErasureStepError> {
        let mut account = None;
        let mut pages = self.log.user_pages(*user, task.sequence, None);
        while let Some(events) = pages.next().await.map_err(|_| ErasureStepError::NotYet("the log"))? {
            for recorded in &events {
                let Ok(envelope) = recorded.envelope() else { continue };
                let head = envelope.header;
                let Ok(event) = Event::verify_erasure(&envelope, &self.pseudonyms) else { continue };
                let at = EventMetadata { event_id: head.id, sequence: recorded.sequence(), time: head.time };
                account = AccountErasure::fold(account, &event, at).0;
            }
        }
        Ok(account)
    }

    /// The same event again and again until the log has it.
    async fn append_event(
        &self,
        user: &UserRef,
        account: &AccountErasure,
        number: u8,
        fact: ErasureChange,
    ) -> Result<(), ErasureStepError> {
        let event = ErasureEvent { erasure_id: account.erasure_id, change: fact };
        let id = erasure_step_event_id(account.requested_at, &account.erasure_id, number);
        let head =
            EventHeader { id, kind: event.change.kind(), user: *user, time: (self.clock)(), key_id: None };
        let bytes = event.encode(&head, &self.pseudonyms);
        let event = NewEvent { id, user: *user, bytes, outcome_to: None };
        self.appender
            .append(event)
            .await
            .map_err(|_| ErasureStepError::NotYet("the log does not take it"))?;
        Ok(())
    }
}
