//! Events made ready to be folded: hashed and opened, which is most of the work and needs nothing of the view. A build
//! does it ahead, while the batch before is folded and written.

use std::collections::BTreeSet;

use events::RecordedEvent;
use keys::UserRef;
use tlog::Hash;

use super::{PARALLEL_EVENTS_MIN, Projection};
use crate::decrypt::DecryptError;
use crate::decrypted_event::FoldableEvent;

/// An event, its leaf in the tree, and what opening it gave.
pub(crate) struct PreparedEvent {
    pub(super) event: RecordedEvent,
    pub(super) leaf: Hash,
    /// None where it seemed to wait for an earlier one: it is opened when it turns out not to.
    pub(super) decrypted: Option<Box<Result<Option<FoldableEvent>, DecryptError>>>,
}

impl Projection {
    /// Makes events ready. Those of users who wait, and of one who turns out to, are not even opened: looking for a key
    /// that is missing takes its time.
    pub(crate) fn prepare(
        &self,
        events: Vec<RecordedEvent>,
        waiting: &BTreeSet<UserRef>,
    ) -> Vec<PreparedEvent> {
        if events.len() < PARALLEL_EVENTS_MIN {
            return self.prepare_sequentially(events, waiting);
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let mut chunks = Vec::with_capacity(processors);
        let mut all = Vec::with_capacity(events.len());
        let (chunk, mut rest) = (events.len().div_ceil(processors), events);
        while rest.len() > chunk {
            let behind = rest.split_off(chunk);
            chunks.push(std::mem::replace(&mut rest, behind));
        }
        chunks.push(rest);
        std::thread::scope(|scope| {
            let threads: Vec<_> = chunks
                .into_iter()
                .map(|chunk| scope.spawn(move || self.prepare_sequentially(chunk, waiting)))
                .collect();
            for thread in threads {
                all.append(&mut thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
            }
            all
        })
    }

    fn prepare_sequentially(
        &self,
        events: Vec<RecordedEvent>,
        waiting: &BTreeSet<UserRef>,
    ) -> Vec<PreparedEvent> {
        let mut found: BTreeSet<UserRef> = BTreeSet::new();
        let make_ready = |event: RecordedEvent| {
            let leaf = Hash::from_leaf(event.bytes());
            let seems_to_wait = !(waiting.is_empty() && found.is_empty())
                && event.user().is_some_and(|user| {
                    user != UserRef::SYSTEM && (waiting.contains(&user) || found.contains(&user))
                });
            let opened = (!seems_to_wait).then(|| Box::new(self.block_on(self.decryptor.decrypt(&event))));
            if let Some(Err(DecryptError::Poison(poison))) = opened.as_deref() {
                found.insert(poison.user);
            }
            PreparedEvent { event, leaf, decrypted: opened }
        };
        events.into_iter().map(make_ready).collect()
    }
}
