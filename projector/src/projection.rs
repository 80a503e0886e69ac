//! One batch of events folded and written: make ready (hash and open every event), fold, write once, tell the outcomes.

mod discard_event;
mod entry_sealing;
mod erase_user;
mod pending_writes;
mod prepare;
mod publish_changes;
mod repair_user;
mod shard;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use events::{EventOutcome, Log, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use keys::Year;
use schemas::Sequence;
use tokio::runtime::Handle;

use crate::change_publisher::ChangePublisher;
use crate::decrypt::{EventDecryptor, FoldableEvent};
use crate::incident::ProjectorIncident;
use crate::parked_event::ParkedEvent;
use crate::serving_view::ServingView;
use crate::view::{DiscardedEvent, Tip, View, ViewError};
use crate::view_digest::EntryHasher;

pub(crate) use entry_sealing::{ReadEntryError, read_entry};
pub(crate) use erase_user::remove_user_entries;
pub(crate) use pending_writes::PendingWrites;
pub(crate) use prepare::PreparedEvent;
use shard::{Shard, ShardFold, shard_index};

/// From so many events on, opening and folding them is worth several threads.
const PARALLEL_EVENTS_MIN: usize = 256;

/// What became of an event, and who may be waiting for it.
pub(crate) struct OutcomeNotice {
    pub(crate) outcome_to: Option<OutcomeAddress>,
    pub(crate) stored_at: Timestamp,
    pub(crate) folded: EventOutcome,
}

/// Why a batch was not folded. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldError {
    /// The keys, the log or the change feed can't be reached. Try again.
    #[error("the keys, the log or the change feed can't be reached")]
    Unavailable,
    #[error(transparent)]
    Incident(#[from] ProjectorIncident),
    /// A view that is built beside the serving one found an event that the serving one does not know as parked.
    #[error("{0}. The serving view does not know of it")]
    NewlyParked(ParkedEvent),
}

impl From<ViewError> for FoldError {
    fn from(error: ViewError) -> Self {
        Self::Incident(error.into())
    }
}

/// Which events that can't be folded are put aside without a question.
#[derive(Clone)]
pub(crate) enum ParkPolicy {
    /// Every one: the view that serves goes on for everybody else.
    All,
    /// Those that an operator can know of already, since they wait in the view that serves or are left out there. A new
    /// one says that something is wrong with what folds.
    KnownToServing(Arc<ServingView>),
    /// The same, of a view that is not open any more.
    Known(Arc<BTreeSet<Sequence>>),
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
    /// Folds events that follow on the view's position, and writes what came of them.
    pub(crate) fn fold(
        &self,
        view: &View,
        events: Vec<RecordedEvent>,
    ) -> Result<Vec<OutcomeNotice>, FoldError> {
        let ready = self.prepare(events, &PendingWrites::parked_users(view));
        let mut pending = PendingWrites::default();
        let told = self.fold_into_pending(view, &mut pending, ready)?;
        self.write(view, &mut pending)?;
        Ok(told)
    }

    /// Tells what changed, then writes what was folded.
    pub(crate) fn write(&self, view: &View, pending: &mut PendingWrites) -> Result<(), FoldError> {
        self.publish_changes(&pending.to_publish)?;
        let (changes, moved) = pending.drain(self);
        if moved.is_some() { Ok(view.apply(changes, moved)?) } else { Ok(()) }
    }

    /// Folds events that follow on what was folded before, and writes nothing unless it must. After a failure nothing of
    /// `pending` may be written.
    pub(crate) fn fold_into_pending(
        &self,
        view: &View,
        pending: &mut PendingWrites,
        mut events: Vec<PreparedEvent>,
    ) -> Result<Vec<OutcomeNotice>, FoldError> {
        let Some(first) = events.first() else { return Ok(Vec::new()) };
        assert_eq!(
            first.event.sequence().get(),
            pending.position(view) + 1,
            "BUG: a batch does not follow on the position"
        );
        let mut told = Vec::new();
        // What such an event asks for takes its user's whole past, up to there.
        while let Some((at, alone)) = next_single_event(&events) {
            let behind = events.split_off(at + 1);
            let event = events.pop().unwrap_or_else(|| unreachable!("BUG: it stands at {at}"));
            told.extend(self.fold_in_shards(view, pending, events)?);
            self.write(view, pending)?;
            let tip = Tip { sequence: event.event.sequence(), leaf: event.leaf };
            match alone {
                SingleEvent::Discard(discarded) => {
                    self.fold_discard(view, tip, event.event.stored_at(), discarded)?
                }
                SingleEvent::Erasure => told.extend(self.fold_erasure(view, tip, event)?),
                SingleEvent::Retention(before) => self.fold_retention(view, tip, before)?,
            }
            events = behind;
        }
        told.extend(self.fold_in_shards(view, pending, events)?);
        Ok(told)
    }

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

    /// Folds events among which no one is discarded, each user's in one thread.
    fn fold_in_shards(
        &self,
        view: &View,
        pending: &mut PendingWrites,
        events: Vec<PreparedEvent>,
    ) -> Result<Vec<OutcomeNotice>, FoldError> {
        let Some(last) = events.last() else { return Ok(Vec::new()) };
        let tip = Tip { sequence: last.event.sequence(), leaf: last.leaf };
        let mut tree = pending.tree(view);
        events.iter().for_each(|event| tree.push(event.leaf));
        let waiting = PendingWrites::parked_users(view);
        let in_parallel = events.len() >= PARALLEL_EVENTS_MIN;
        let shards = pending.shards.len();
        let feed_since = self.change_publisher.as_ref().and_then(|feed| feed.publish_since());
        let room = events.len() / shards + events.len() / 8;
        let mut of_shards: Vec<Vec<PreparedEvent>> = (0..shards).map(|_| Vec::with_capacity(room)).collect();
        for event in events {
            of_shards[shard_index(&event.event, shards)].push(event);
        }
        let fold_shard = |(shard, events): (&mut Shard, Vec<PreparedEvent>)| {
            let mut folding = ShardFold::new(self, view, shard, &waiting, feed_since);
            events.into_iter().try_for_each(|event| folding.fold(event))?;
            Ok::<_, FoldError>((folding.outcomes, folding.changes))
        };
        let work = pending.shards.iter_mut().zip(of_shards);
        let folded: Vec<_> = if in_parallel {
            let fold_shard = &fold_shard;
            std::thread::scope(|scope| {
                let threads: Vec<_> = work.map(|work| scope.spawn(move || fold_shard(work))).collect();
                let joined = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
                joined.map(|folded| folded.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
            })
        } else {
            work.map(fold_shard).collect()
        };
        let mut told = Vec::new();
        for folded in folded {
            let (mut of_shard, mut changes) = folded?;
            told.append(&mut of_shard);
            pending.to_publish.append(&mut changes);
        }
        told.sort_by_key(|told: &OutcomeNotice| told.folded.sequence);
        pending.to_publish.sort_by_key(|change| change.sequence);
        pending.advance_to(tip, tree);
        Ok(told)
    }

    fn check_park_policy(&self, poison: &ParkedEvent) -> Result<(), FoldError> {
        match &self.park_policy {
            ParkPolicy::All => {
                tracing::error!(
                    sequence = poison.sequence.get(), user = %poison.user, reason = poison.reason.as_str(), detail = poison.detail,
                    "INCIDENT: an event can't be folded; it and the user's later events wait (`syncwell events parked list`)"
                );
                metrics::counter!("syncwell_events_parked_total", "kind" => poison.reason.as_str())
                    .increment(1);
                Ok(())
            }
            ParkPolicy::KnownToServing(shared)
                if shared.view().is_none_or(|serving| serving.may_have_parked(poison.sequence)) =>
            {
                Ok(())
            }
            ParkPolicy::Known(known) if known.contains(&poison.sequence) => Ok(()),
            ParkPolicy::KnownToServing(_) | ParkPolicy::Known(_) => {
                Err(FoldError::NewlyParked(poison.clone()))
            }
        }
    }
}

/// An event that is folded by itself, with everything before it written: it is about more than one entry.
enum SingleEvent {
    Discard(DiscardedEvent),
    Erasure,
    Retention(Year),
}

/// The next event that is folded by itself, and where it stands.
fn next_single_event(events: &[PreparedEvent]) -> Option<(usize, SingleEvent)> {
    events.iter().enumerate().find_map(|(at, event)| match event.decrypted.as_deref() {
        Some(Ok(Some(FoldableEvent::Discard(discarded)))) => Some((at, SingleEvent::Discard(*discarded))),
        Some(Ok(Some(FoldableEvent::Erasure(..)))) => Some((at, SingleEvent::Erasure)),
        Some(Ok(Some(FoldableEvent::Retention(before)))) => Some((at, SingleEvent::Retention(*before))),
        // An account can end while its events wait, and what waits is not opened.
        None if erase_user::is_erasure_event(&event.event) => Some((at, SingleEvent::Erasure)),
        Some(_) | None => None,
    })
}
