//! One batch of events folded and written: make ready (hash and open every event), fold, write once, tell the outcomes.

mod closing;
mod discard;
mod entries;
mod pending;
mod ready;
mod repair;
mod shard;
mod telling;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use events::{FoldedEvent, Log, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use keys::Year;
use schemas::Sequence;
use tokio::runtime::Handle;

use crate::digest::Digester;
use crate::feed::Feed;
use crate::incident::Incident;
use crate::open::{Opened, Opener};
use crate::poison::Poison;
use crate::shared::Shared;
use crate::view::{Discarded, Tip, View, ViewError};

pub(crate) use closing::take_away;
pub(crate) use entries::{EntryFailure, read_entry};
pub(crate) use pending::Pending;
pub(crate) use ready::Ready;
use shard::{Folding, Shard, shard_of};

/// From so many events on, opening and folding them is worth several threads.
const PARALLEL_EVENTS_MIN: usize = 256;

/// What became of an event, and who may be waiting for it.
pub(crate) struct Told {
    pub(crate) to: Option<OutcomeAddress>,
    pub(crate) stored_at: Timestamp,
    pub(crate) folded: FoldedEvent,
}

/// Why a batch was not folded. Nothing of it was written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FoldFailure {
    /// The keys, the log or the change feed can't be reached. Try again.
    #[error("the keys, the log or the change feed can't be reached")]
    Unavailable,
    #[error(transparent)]
    Incident(#[from] Incident),
    /// A view that is built beside the serving one found an event that the serving one does not know as parked.
    #[error("{0}. The serving view does not know of it")]
    NewPoison(Poison),
}

impl From<ViewError> for FoldFailure {
    fn from(error: ViewError) -> Self {
        Self::Incident(error.into())
    }
}

/// Which events that can't be folded are put aside without a question.
#[derive(Clone)]
pub(crate) enum Tolerated {
    /// Every one: the view that serves goes on for everybody else.
    All,
    /// Those that an operator can know of already, since they wait in the view that serves or are left out there. A new
    /// one says that something is wrong with what folds.
    AsServing(Arc<Shared>),
    /// The same, of a view that is not open any more.
    Known(Arc<BTreeSet<Sequence>>),
}

/// Folds and writes. Blocks; one at a time for each view.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) log: Log,
    pub(crate) opener: Opener,
    pub(crate) digester: Digester,
    pub(crate) runtime: Handle,
    pub(crate) tolerated: Tolerated,
    /// Whether anybody is to be told what became of each event.
    pub(crate) tells: bool,
    /// Who tells other systems what changed; nobody where a view is built that does not serve.
    pub(crate) feed: Option<Arc<Feed>>,
}

impl Folder {
    /// Folds events that follow on the view's position, and writes what came of them.
    pub(crate) fn fold(&self, view: &View, events: Vec<RecordedEvent>) -> Result<Vec<Told>, FoldFailure> {
        let ready = self.ready(events, &Pending::waiting(view));
        let mut pending = Pending::default();
        let told = self.fold_into(view, &mut pending, ready)?;
        self.write(view, &mut pending)?;
        Ok(told)
    }

    /// Tells what changed, then writes what was folded.
    pub(crate) fn write(&self, view: &View, pending: &mut Pending) -> Result<(), FoldFailure> {
        self.publish(&pending.told)?;
        let (changes, moved) = pending.take(self);
        if moved.is_some() { Ok(view.apply(changes, moved)?) } else { Ok(()) }
    }

    /// Folds events that follow on what was folded before, and writes nothing unless it must. After a failure nothing of
    /// `pending` may be written.
    pub(crate) fn fold_into(
        &self,
        view: &View,
        pending: &mut Pending,
        mut events: Vec<Ready>,
    ) -> Result<Vec<Told>, FoldFailure> {
        let Some(first) = events.first() else { return Ok(Vec::new()) };
        assert_eq!(
            first.event.sequence().get(),
            pending.position(view) + 1,
            "BUG: a batch does not follow on the position"
        );
        let mut told = Vec::new();
        // What such an event asks for takes its user's whole past, up to there.
        while let Some((at, alone)) = next_alone(&events) {
            let behind = events.split_off(at + 1);
            let event = events.pop().unwrap_or_else(|| unreachable!("BUG: it stands at {at}"));
            told.extend(self.fold_stretch(view, pending, events)?);
            self.write(view, pending)?;
            let tip = Tip { sequence: event.event.sequence(), leaf: event.leaf };
            match alone {
                Alone::Discard(discarded) => self.discard(view, tip, event.event.stored_at(), discarded)?,
                Alone::Erasure => told.extend(self.close(view, tip, event)?),
                Alone::Retention(before) => self.retain(view, tip, before)?,
            }
            events = behind;
        }
        told.extend(self.fold_stretch(view, pending, events)?);
        Ok(told)
    }

    /// What is known is there at once: the runtime is entered only for what has to be waited for.
    fn now<T>(&self, work: impl Future<Output = T>) -> T {
        // Whatever is not there at once is asked for over the broker, which takes the runtime's clock from the first poll on.
        let _entered = self.runtime.enter();
        let mut work = pin!(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => self.runtime.block_on(work),
        }
    }

    /// Folds events among which no one is discarded, each user's in one thread.
    fn fold_stretch(
        &self,
        view: &View,
        pending: &mut Pending,
        events: Vec<Ready>,
    ) -> Result<Vec<Told>, FoldFailure> {
        let Some(last) = events.last() else { return Ok(Vec::new()) };
        let tip = Tip { sequence: last.event.sequence(), leaf: last.leaf };
        let mut tree = pending.tree(view);
        events.iter().for_each(|event| tree.push(event.leaf));
        let waiting = Pending::waiting(view);
        let in_parallel = events.len() >= PARALLEL_EVENTS_MIN;
        let shards = pending.shards.len();
        let feed_since = self.feed.as_ref().and_then(|feed| feed.wanted_since());
        let room = events.len() / shards + events.len() / 8;
        let mut of_shards: Vec<Vec<Ready>> = (0..shards).map(|_| Vec::with_capacity(room)).collect();
        for event in events {
            of_shards[shard_of(&event.event, shards)].push(event);
        }
        let fold_shard = |(shard, events): (&mut Shard, Vec<Ready>)| {
            let mut folding = Folding::new(self, view, shard, &waiting, feed_since);
            events.into_iter().try_for_each(|event| folding.fold(event))?;
            Ok::<_, FoldFailure>((folding.told, folding.changes))
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
            pending.told.append(&mut changes);
        }
        told.sort_by_key(|told: &Told| told.folded.sequence);
        pending.told.sort_by_key(|change| change.sequence);
        pending.move_to(tip, tree);
        Ok(told)
    }

    fn tolerate(&self, poison: &Poison) -> Result<(), FoldFailure> {
        match &self.tolerated {
            Tolerated::All => {
                tracing::error!(
                    sequence = poison.sequence.get(), user = %poison.user, kind = poison.kind.as_str(), detail = poison.detail,
                    "INCIDENT: an event can't be folded; it and the user's later events wait (`syncwell events parked list`)"
                );
                metrics::counter!("syncwell_parked_total", "kind" => poison.kind.as_str()).increment(1);
                Ok(())
            }
            Tolerated::AsServing(shared)
                if shared.view().is_none_or(|serving| serving.knows(poison.sequence)) =>
            {
                Ok(())
            }
            Tolerated::Known(known) if known.contains(&poison.sequence) => Ok(()),
            Tolerated::AsServing(_) | Tolerated::Known(_) => Err(FoldFailure::NewPoison(poison.clone())),
        }
    }
}

/// An event that is folded by itself, with everything before it written: it is about more than one entry.
enum Alone {
    Discard(Discarded),
    Erasure,
    Retention(Year),
}

/// The next event that is folded by itself, and where it stands.
fn next_alone(events: &[Ready]) -> Option<(usize, Alone)> {
    events.iter().enumerate().find_map(|(at, event)| match event.opened.as_deref() {
        Some(Ok(Some(Opened::Discard(discarded)))) => Some((at, Alone::Discard(*discarded))),
        Some(Ok(Some(Opened::Erasure(..)))) => Some((at, Alone::Erasure)),
        Some(Ok(Some(Opened::Retention(before)))) => Some((at, Alone::Retention(*before))),
        // An account can end while its events wait, and what waits is not opened.
        None if closing::is_erasure(&event.event) => Some((at, Alone::Erasure)),
        Some(_) | None => None,
    })
}
