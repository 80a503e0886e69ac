//! One batch of events folded and written: plan (open every event), act (fold, one write), tell (the outcomes).

mod entries;
mod pending;
mod repair;

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use events::{FoldedEvent, Log, OutcomeAddress, RecordedEvent};
use jiff::Timestamp;
use schemas::Sequence;
use tlog::Hash;
use tokio::runtime::Handle;
use vault::{KeyClient, UserRef};

use crate::digest::Digester;
use crate::incident::Incident;
use crate::open::{OpenFailure, Opened, open};
use crate::poison::Poison;
use crate::view::{Changes, Discarded, Tip, View, ViewError};

pub(crate) use entries::{EntryFailure, read_device, read_row};
pub(crate) use pending::Pending;

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
    /// The keys or the log can't be reached. Try again.
    #[error("the keys or the log can't be reached")]
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
    /// Those that an operator can know of already. A new one says that something is wrong with what folds.
    Known(Arc<BTreeSet<Sequence>>),
}

/// Folds and writes. Blocks; one at a time for each view.
#[derive(Clone)]
pub(crate) struct Folder {
    pub(crate) log: Log,
    pub(crate) keys: KeyClient,
    pub(crate) digester: Digester,
    pub(crate) runtime: Handle,
    pub(crate) tolerated: Tolerated,
}

/// An event read as far as it goes: its leaf hash, and what it says or why it says nothing.
struct Read {
    sequence: Sequence,
    leaf: Hash,
    opened: Result<Option<Opened>, Poison>,
}

impl Folder {
    /// Folds events that follow on the view's position, and writes what came of them.
    pub(crate) fn fold(&self, view: &View, events: &[RecordedEvent]) -> Result<Vec<Told>, FoldFailure> {
        let mut pending = Pending::default();
        let told = self.fold_into(view, &mut pending, events)?;
        self.write(view, &mut pending)?;
        Ok(told)
    }

    /// Writes what was folded.
    pub(crate) fn write(&self, view: &View, pending: &mut Pending) -> Result<(), FoldFailure> {
        let (changes, moved) = pending.take(self);
        if moved.is_some() { Ok(view.apply(changes, moved)?) } else { Ok(()) }
    }

    /// Folds events that follow on what was folded before, and writes nothing unless it must. After a failure nothing of
    /// `pending` may be written.
    pub(crate) fn fold_into(
        &self,
        view: &View,
        pending: &mut Pending,
        events: &[RecordedEvent],
    ) -> Result<Vec<Told>, FoldFailure> {
        let Some(first) = events.first() else { return Ok(Vec::new()) };
        assert_eq!(
            first.sequence().get(),
            pending.position(view) + 1,
            "BUG: a batch does not follow on the position"
        );
        let mut told = Vec::new();
        let mut stretch = Vec::new();
        for read in self.read(events)? {
            match read {
                // What it asks for takes the user's whole past, up to here.
                Read { sequence, leaf, opened: Ok(Some(Opened::Discard(discarded))) } => {
                    told.extend(self.fold_stretch(view, pending, std::mem::take(&mut stretch))?);
                    self.write(view, pending)?;
                    self.discard(view, Tip { sequence, leaf }, discarded)?;
                }
                read => stretch.push(read),
            }
        }
        told.extend(self.fold_stretch(view, pending, stretch)?);
        Ok(told)
    }

    fn read(&self, events: &[RecordedEvent]) -> Result<Vec<Read>, FoldFailure> {
        let read_all = |events: Vec<&RecordedEvent>| -> Result<Vec<Read>, FoldFailure> {
            let read = events.into_iter().map(|event| {
                let opened = match self.now(open(event, &self.keys)) {
                    Ok(opened) => Ok(opened),
                    Err(OpenFailure::Poison(poison)) => Err(poison),
                    Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                };
                Ok(Read { sequence: event.sequence(), leaf: Hash::of_leaf(event.bytes()), opened })
            });
            read.collect()
        };
        in_parallel(events.iter().collect(), read_all)
    }

    /// What is known is there at once: the runtime is entered only for what has to be waited for.
    fn now<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = pin!(work);
        match work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(done) => done,
            Poll::Pending => self.runtime.block_on(work),
        }
    }

    /// Folds events among which no one is discarded.
    fn fold_stretch(
        &self,
        view: &View,
        pending: &mut Pending,
        events: Vec<Read>,
    ) -> Result<Vec<Told>, FoldFailure> {
        let Some(last) = events.last() else { return Ok(Vec::new()) };
        let tip = Tip { sequence: last.sequence, leaf: last.leaf };
        let mut tree = pending.tree(view);
        let mut waiting = pending.waiting(view);
        let (mut summaries, mut devices) = (Vec::with_capacity(events.len()), Vec::new());
        for Read { leaf, opened, .. } in events {
            tree.push(leaf);
            match opened {
                Ok(None) => {}
                Ok(Some(opened)) if waits(&waiting, &opened.user()) => {}
                Ok(Some(Opened::Summary(event))) => summaries.push(event),
                Ok(Some(Opened::Device(event))) => devices.push(event),
                Ok(Some(Opened::Discard(_))) => unreachable!("BUG: a stretch has no discarded event"),
                Err(poison) if waits(&waiting, &poison.user) => {}
                Err(poison) => {
                    self.tolerate(&poison)?;
                    waiting.insert(poison.user);
                    pending.parked.push(poison);
                }
            }
        }
        let mut told = Vec::new();
        self.fold_rows(view, pending, summaries, &mut told)?;
        self.fold_devices(view, pending, devices, &mut told)?;
        told.sort_by_key(|told| told.folded.sequence);
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
            Tolerated::Known(known) if known.contains(&poison.sequence) => Ok(()),
            Tolerated::Known(_) => Err(FoldFailure::NewPoison(poison.clone())),
        }
    }

    /// An event that says that another one is left out: the user is folded anew without it, in the same write.
    fn discard(&self, view: &View, tip: Tip, discarded: Discarded) -> Result<(), FoldFailure> {
        let mut tree = view.tree();
        tree.push(tip.leaf);
        let left_out = view.discarded().into_iter().map(|discarded| discarded.sequence);
        let left_out: BTreeSet<_> = left_out.chain([discarded.sequence]).collect();
        let mut changes = match self.repair(view, discarded.user, None, tip.sequence, &left_out) {
            Ok(changes) => changes,
            // Nothing of the user waited here, and an earlier event can't be folded now: that waits from here on.
            Err(FoldFailure::NewPoison(poison)) => {
                self.tolerate(&poison)?;
                let mut changes = Changes::default();
                changes.park(poison);
                changes
            }
            Err(failure) => return Err(failure),
        };
        changes.discard(discarded);
        Ok(view.apply(changes, Some((tip, tree)))?)
    }
}

/// Whether this user's events wait. What is filed under nobody belongs together by accident only.
fn waits(waiting: &BTreeSet<UserRef>, user: &UserRef) -> bool {
    *user != UserRef::NOBODY && waiting.contains(user)
}

/// Works on a list in as many parts as there are processors, and keeps its order.
fn in_parallel<T: Send, R: Send>(
    mut all: Vec<T>,
    work: impl Fn(Vec<T>) -> Result<Vec<R>, FoldFailure> + Sync,
) -> Result<Vec<R>, FoldFailure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if all.len() < PARALLEL_EVENTS_MIN || threads == 1 {
        return work(all);
    }
    let part = all.len().div_ceil(threads);
    let mut parts = Vec::with_capacity(threads);
    while all.len() > part {
        parts.push(all.split_off(all.len() - part));
    }
    parts.push(all);
    let work = &work;
    let done: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = parts.into_iter().rev().map(|part| scope.spawn(move || work(part))).collect();
        workers
            .into_iter()
            .map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    let mut all = Vec::new();
    for part in done {
        all.append(&mut part?);
    }
    Ok(all)
}
