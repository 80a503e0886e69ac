//! Folds a batch of events, each user's in one thread, and writes what changed.

use events::RecordedEvent;

use super::fold_error::FoldError;
use super::pending_writes::PendingWrites;
use super::prepare::PreparedEvent;
use super::shard::{Shard, ShardFold, shard_index};
use super::single_event::{SingleEvent, next_single_event};
use super::{OutcomeNotice, PARALLEL_EVENTS_MIN, Projection};
use crate::view::{Tip, View};

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
}
