//! One batch of events folded and written: make ready (hash and open every event), fold, write once, tell the outcomes.

mod discard_event;
mod entry_sealing;
mod erase_user;
mod fold_batch;
mod fold_error;
mod park_policy;
mod pending_writes;
mod prepare;
mod publish_changes;
mod repair_user;
mod retention;
mod shard;
mod single_event;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use events::{EventOutcome, Log, OutcomeAddress};
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::change_publisher::ChangePublisher;
use crate::decrypt::EventDecryptor;
use crate::view_digest::EntryHasher;

pub(crate) use entry_sealing::{ReadEntryError, read_any_entry, read_entry};
pub(crate) use erase_user::remove_user_entries;
pub(crate) use fold_error::FoldError;
pub(crate) use park_policy::ParkPolicy;
pub(crate) use pending_writes::PendingWrites;
pub(crate) use prepare::PreparedEvent;

/// From so many events on, opening and folding them is worth several threads.
const PARALLEL_EVENTS_MIN: usize = 256;

/// What became of an event, and who may be waiting for it.
pub(crate) struct OutcomeNotice {
    pub(crate) outcome_to: Option<OutcomeAddress>,
    pub(crate) stored_at: Timestamp,
    pub(crate) folded: EventOutcome,
}

/// Folds and writes. Blocks; one at a time for each view.
#[derive(Clone)]
pub(crate) struct Projection {
    pub(crate) log: Log,
    pub(crate) decryptor: EventDecryptor,
    pub(crate) entry_hasher: EntryHasher,
    pub(crate) runtime: Handle,
    pub(crate) park_policy: ParkPolicy,
    /// Whether anybody is to be told what became of each event.
    pub(crate) is_collecting_outcomes: bool,
    /// Who tells other systems what changed; nobody where a view is built that does not serve.
    pub(crate) change_publisher: Option<Arc<ChangePublisher>>,
}

impl Projection {
    /// What is known is there at once: the runtime is entered only for what has to be waited for.
    fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        // Whatever is not there at once is asked for over the broker, which takes the runtime's clock from the first poll on.
        let _entered = self.runtime.enter();
        let mut work = pin!(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => self.runtime.block_on(work),
        }
    }
}
