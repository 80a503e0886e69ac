//! One batch of events folded and written: plan (open every event), act (fold, one write), tell (the outcomes).

mod entries;
mod repair;

use std::collections::BTreeSet;
use std::sync::Arc;

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
    /// Folds events that follow on the view's position, and moves it behind them.
    pub(crate) fn fold(&self, view: &View, events: &[RecordedEvent]) -> Result<Vec<Told>, FoldFailure> {
        let Some(first) = events.first() else { return Ok(Vec::new()) };
        assert_eq!(
            first.sequence(),
            Sequence::after(view.position()),
            "BUG: a batch does not follow on the position"
        );
        let mut told = Vec::new();
        let mut stretch = Vec::new();
        for read in self.read(events)? {
            match read {
                // What it asks for takes the user's whole past, up to here.
                Read { sequence, leaf, opened: Ok(Some(Opened::Discard(discarded))) } => {
                    told.extend(self.fold_stretch(view, std::mem::take(&mut stretch))?);
                    self.discard(view, Tip { sequence, leaf }, discarded)?;
                }
                read => stretch.push(read),
            }
        }
        told.extend(self.fold_stretch(view, stretch)?);
        Ok(told)
    }

    fn read(&self, events: &[RecordedEvent]) -> Result<Vec<Read>, FoldFailure> {
        let read_all = |events: &[RecordedEvent]| -> Result<Vec<Read>, FoldFailure> {
            let read = events.iter().map(|event| {
                let opened = match self.runtime.block_on(open(event, &self.keys)) {
                    Ok(opened) => Ok(opened),
                    Err(OpenFailure::Poison(poison)) => Err(poison),
                    Err(OpenFailure::Unavailable) => return Err(FoldFailure::Unavailable),
                };
                Ok(Read { sequence: event.sequence(), leaf: Hash::of_leaf(event.bytes()), opened })
            });
            read.collect()
        };
        in_parallel(events, read_all)
    }

    /// Folds events among which no one is discarded, in one write.
    fn fold_stretch(&self, view: &View, events: Vec<Read>) -> Result<Vec<Told>, FoldFailure> {
        let Some(last) = events.last() else { return Ok(Vec::new()) };
        let tip = Tip { sequence: last.sequence, leaf: last.leaf };
        let mut tree = view.tree();
        let mut changes = Changes::default();
        let mut waiting: BTreeSet<UserRef> = view.parked().iter().map(|poison| poison.user).collect();
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
                    changes.park(poison);
                }
            }
        }
        let mut told = Vec::new();
        changes.join(self.fold_rows(view, summaries, &mut told)?);
        changes.join(self.fold_devices(view, devices, &mut told)?);
        told.sort_by_key(|told| told.folded.sequence);
        view.apply(changes, Some((tip, tree)))?;
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
fn in_parallel<T: Sync, R: Send>(
    all: &[T],
    work: impl Fn(&[T]) -> Result<Vec<R>, FoldFailure> + Sync,
) -> Result<Vec<R>, FoldFailure> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    if all.len() < PARALLEL_EVENTS_MIN || threads == 1 {
        return work(all);
    }
    let work = &work;
    let parts = std::thread::scope(|scope| {
        let parts: Vec<_> =
            all.chunks(all.len().div_ceil(threads)).map(|part| scope.spawn(move || work(part))).collect();
        parts
            .into_iter()
            .map(|part| part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect::<Vec<_>>()
    });
    let mut done = Vec::with_capacity(all.len());
    for part in parts {
        done.append(&mut part?);
    }
    Ok(done)
}
