//! Accounts are erased: step by step, each step an event, each as good twice as once.
//!
//! That an account is to be erased is written down before the worker's position moves past the event that asks for it
//! ([`task`]). Where an erasure stands is what the log says ([`folds::Account`]): whoever takes over after a kill reads that,
//! and does the next step ([`steps`]). A lease says which worker does it.

mod ledger;
mod steps;
mod task;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use events::{Envelope, ErasureEvent, ErasureFact, Event, Head, Log, LogAppender, NewEvent, erasure_step_id};
use folds::{Account, SaidAt};
use jiff::SignedDuration;
use objects::Objects;
use schemas::{ErasureStatus, ErasureStep};
use stream::{Broker, Bucket, LeaseError, Leases, ScanFrom, spawn_vital};
use tokio::sync::Semaphore;
use tokio::time::sleep;
use vault::{KeyClient, KeyEraser, Pseudonyms, UserRef};

use crate::Clock;
use crate::book::{Book, BookError};

pub use ledger::{ErasedUser, Ledger, LedgerError};
use task::{Standing, Task};
pub(crate) use task::{TaskError, Tasks};

/// Between two looks at what is to be erased.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Accounts in hand at the same time.
const ACCOUNTS_AT_ONCE_MAX: usize = 8;
/// How long a lease lasts that nobody renews: so long an erasure waits whose worker was killed.
const LEASE_TTL: Duration = Duration::from_secs(10);
const LEASE_RENEWAL: Duration = Duration::from_secs(3);
/// What was taken back in time is in the log so much later, at most: until then an erasure that had a grace period waits.
const CANCEL_SLACK: SignedDuration = SignedDuration::from_secs(15);

/// Why an erasure waits.
#[derive(Debug, thiserror::Error)]
enum Hindrance {
    /// Something can't be reached, or is not done yet. Try again.
    #[error("{0}")]
    NotYet(&'static str),
    /// What stands in the way does not go by itself.
    #[error("{0}")]
    Stuck(String),
}

impl From<BookError> for Hindrance {
    fn from(error: BookError) -> Self {
        match error {
            BookError::Unavailable => Self::NotYet("the connections can't be reached"),
            BookError::Erased | BookError::Damaged(_) => Self::Stuck(error.to_string()),
        }
    }
}

/// What erasing takes.
pub(crate) struct Erasures {
    pub(crate) broker: Broker,
    pub(crate) log: Log,
    pub(crate) appender: LogAppender,
    pub(crate) keys: KeyClient,
    pub(crate) eraser: KeyEraser,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) book: Book,
    pub(crate) leases: Leases,
    pub(crate) work: Bucket,
    pub(crate) ledger: Ledger,
    pub(crate) objects: Objects,
    pub(crate) clock: Clock,
}

impl Erasures {
    /// Erases for as long as the process runs.
    pub(crate) async fn work(self: Arc<Self>) {
        let places = Arc::new(Semaphore::new(ACCOUNTS_AT_ONCE_MAX));
        let in_hand: Arc<Mutex<BTreeSet<UserRef>>> = Arc::default();
        loop {
            self.broker.connected().await;
            for standing in Tasks::over(&self.work).all().await.unwrap_or_default() {
                let user = standing.user;
                if lock(&in_hand).contains(&user) || !self.is_due(&standing.task) {
                    continue;
                }
                let Ok(place) = places.clone().try_acquire_owned() else { break };
                lock(&in_hand).insert(user);
                let (erasures, in_hand) = (self.clone(), in_hand.clone());
                spawn_vital("an erasure", async move {
                    erasures.under_lease(standing).await;
                    lock(&in_hand).remove(&user);
                    drop(place);
                });
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    fn is_due(&self, task: &Task) -> bool {
        let begins = if task.has_grace { task.due_at.saturating_add(CANCEL_SLACK) } else { Ok(task.due_at) };
        begins.is_ok_and(|begins| begins <= (self.clock)())
    }

    async fn under_lease(&self, standing: Standing) {
        let user = standing.user;
        let mut lease = match self.leases.take(&format!("erasure.{user}"), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held | LeaseError::Unavailable) => return,
        };
        let renewing = async {
            loop {
                sleep(LEASE_RENEWAL).await;
                // Two workers at one erasure do every step twice, which is as good as once.
                let _ = lease.renew().await;
            }
        };
        let erased = tokio::select! {
            erased = self.erase(standing) => erased,
            () = renewing => unreachable!("BUG: a lease is renewed for as long as there is work"),
        };
        match erased {
            Ok(()) => {}
            Err(Hindrance::NotYet(why)) => tracing::debug!(%user, why, "an erasure waits"),
            Err(error @ Hindrance::Stuck(_)) => tracing::error!(
                %user, error = &error as &dyn std::error::Error,
                "INCIDENT: an erasure can't go on; it is tried again"
            ),
        }
        lease.release().await;
    }

    /// Every step that is left.
    async fn erase(&self, mut standing: Standing) -> Result<(), Hindrance> {
        let (user, tasks) = (standing.user, Tasks::over(&self.work));
        loop {
            let Some(account) = self.account(&user, &standing.task).await? else {
                return Err(Hindrance::NotYet("the log does not tell of it yet"));
            };
            match account.status {
                ErasureStatus::Cancelled | ErasureStatus::Erased => {
                    return tasks.finish(&standing).await.map_err(|_| Hindrance::NotYet("the tasks"));
                }
                ErasureStatus::Pending | ErasureStatus::Erasing => {}
            }
            match account.next_step() {
                Some(step) => {
                    if step == ErasureStep::AccountMarked && !standing.task.is_marked {
                        // From here on nothing is laid into this user's connections any more.
                        standing = tasks.mark(standing).await.map_err(|_| Hindrance::NotYet("the tasks"))?;
                    }
                    let counts = self.step(&user, &account, step).await?;
                    let fact = ErasureFact::StepDone { step, counts };
                    self.tell(&user, &account, step as u8, fact).await?;
                    tracing::info!(%user, step = step.as_str(), "a step of an erasure was done");
                }
                None => {
                    let fact =
                        ErasureFact::Erased { requested_at: account.requested_at, counts: account.counts() };
                    self.tell(&user, &account, ErasureStep::ALL.len() as u8, fact).await?;
                    tracing::info!(%user, "an account was erased");
                    metrics::counter!("syncwell_accounts_erased_total").increment(1);
                }
            }
        }
    }

    /// Where it stands, by the log.
    async fn account(&self, user: &UserRef, task: &Task) -> Result<Option<Account>, Hindrance> {
        let mut account = None;
        let mut from = ScanFrom::Sequence(task.sequence);
        loop {
            let events = self.log.scan(from, Some(user)).await.map_err(|_| Hindrance::NotYet("the log"))?;
            let Some(last) = events.last() else { return Ok(account) };
            from = ScanFrom::Sequence(last.sequence().get() + 1);
            for recorded in &events {
                let Ok(envelope) = Envelope::read(recorded.bytes()) else { continue };
                let head = envelope.head.clone();
                let Ok(event) = Event::vouched_erasure(&envelope, &self.pseudonyms) else { continue };
                let at = SaidAt { event_id: head.id, sequence: recorded.sequence(), time: head.time };
                account = Account::fold(account, &event, at).0;
            }
        }
    }

    /// The same event again and again until the log has it.
    async fn tell(
        &self,
        user: &UserRef,
        account: &Account,
        number: u8,
        fact: ErasureFact,
    ) -> Result<(), Hindrance> {
        let event = ErasureEvent { erasure_id: account.erasure_id, fact };
        let id = erasure_step_id(account.requested_at, &account.erasure_id, number);
        let head = Head { id, kind: event.fact.kind(), user: *user, time: (self.clock)(), key_id: None };
        let bytes = event.store(&head, &self.pseudonyms);
        let event = NewEvent { id, user: *user, bytes, outcome_to: None };
        self.appender.append(event).await.map_err(|_| Hindrance::NotYet("the log does not take it"))?;
        Ok(())
    }
}

/// Nothing that holds the lock can panic half-way, so a poisoned one is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
