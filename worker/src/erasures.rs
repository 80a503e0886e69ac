//! Accounts are erased: step by step, each step an event, each as good twice as once.
//!
//! That an account is to be erased is written down before the worker's position moves past the event that asks for it
//! ([`task`]). Where an erasure stands is what the log says ([`aggregates::Account`]): whoever takes over after a kill reads that,
//! and does the next step ([`steps`]). A lease says which worker does it.

mod ledger;
mod steps;
mod task;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use aggregates::{Account, SaidAt};
use events::{Envelope, ErasureEvent, ErasureFact, Event, Head, Log, LogAppender, NewEvent, erasure_step_id};
use export_store::Objects;
use jetstream::{Broker, KvBucket, LeaseError, Leases, spawn_critical};
use jiff::SignedDuration;
use keys::{KeyClient, KeyErasureClient, Pseudonymizer, UserRef};
use schemas::{ErasureStatus, ErasureStep};
use tokio::time::sleep;

use crate::Clock;
use crate::book::{Book, BookError};
use crate::holding::{LEASE_TTL, to_the_end};
use crate::in_hand::InHand;

pub use ledger::{ErasedUser, Ledger, LedgerError};
use task::{Standing, Task};
pub(crate) use task::{TaskError, Tasks};

/// Between two looks at what is to be erased.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Accounts in hand at the same time.
const ACCOUNTS_AT_ONCE_MAX: usize = 8;
/// Before an erasure is tried again that could not go on.
const STUCK_PAUSE: Duration = Duration::from_secs(5);
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
    pub(crate) eraser: KeyErasureClient,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) book: Book,
    pub(crate) leases: Leases,
    pub(crate) work: KvBucket,
    pub(crate) ledger: Ledger,
    pub(crate) objects: Objects,
    pub(crate) clock: Clock,
}

impl Erasures {
    /// Erases for as long as the process runs.
    pub(crate) async fn work(self: Arc<Self>) {
        let in_hand = InHand::up_to(ACCOUNTS_AT_ONCE_MAX);
        loop {
            self.broker.wait_connected().await;
            for standing in Tasks::over(&self.work).all().await.unwrap_or_default() {
                let Some(held) = in_hand.take(standing.user).filter(|_| self.is_due(&standing.task)) else {
                    continue;
                };
                let erasures = self.clone();
                spawn_critical("an erasure", async move {
                    erasures.under_lease(standing).await;
                    drop(held);
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
        let lease = match self.leases.acquire(&format!("erasure.{user}"), LEASE_TTL).await {
            Ok(lease) => lease,
            Err(LeaseError::Held | LeaseError::Unavailable) => return,
        };
        // Two workers at one erasure do every step twice, which is as good as once.
        let erased = to_the_end(lease, &AtomicBool::default(), self.erase(standing)).await;
        match erased {
            Ok(()) => {}
            Err(Hindrance::NotYet(why)) => tracing::debug!(%user, why, "an erasure waits"),
            Err(error @ Hindrance::Stuck(_)) => {
                tracing::error!(
                    %user, error = &error as &dyn std::error::Error,
                    "INCIDENT: an erasure can't go on; it is tried again"
                );
                sleep(STUCK_PAUSE).await;
            }
        }
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
        let mut pages = self.log.pages(*user, task.sequence, None);
        while let Some(events) = pages.next().await.map_err(|_| Hindrance::NotYet("the log"))? {
            for recorded in &events {
                let Ok(envelope) = Envelope::read(recorded.bytes()) else { continue };
                let head = envelope.head.clone();
                let Ok(event) = Event::vouched_erasure(&envelope, &self.pseudonyms) else { continue };
                let at = SaidAt { event_id: head.id, sequence: recorded.sequence(), time: head.time };
                account = Account::fold(account, &event, at).0;
            }
        }
        Ok(account)
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
