//! A stream in memory with the server's rules for ids, expected sequences and atomic batches, and with faults.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::group_commit::pub_ack::PublishOutcome;
use crate::message::NewMessage;

/// Error code of a batch with a duplicate.
const ERR_BATCH_DUPLICATE: u64 = 10_201;
const ERR_WRONG_LAST_SEQUENCE: u64 = 10_071;
const ERR_BATCH_REPEATS_SUBJECT: u64 = 10_164;

/// Fault of one publish.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Fault {
    None,
    /// The stream takes the message or not, and the client is not told.
    AnswerLost,
    RequestLost,
    Unavailable,
}

#[derive(Default)]
pub(super) struct MemoryStream {
    pub(super) stored: Vec<NewMessage>,
    pub(super) batch_sizes: Vec<usize>,
    /// Faults of the next publishes.
    pub(super) faults: VecDeque<Fault>,
    sequences_by_id: HashMap<String, u64>,
}

impl MemoryStream {
    pub(super) fn with_faults(faults: Vec<Fault>) -> Self {
        Self { faults: faults.into(), ..Self::default() }
    }

    pub(super) fn publish(&mut self, message: &NewMessage) -> PublishOutcome {
        self.with_next_fault(|stream| match stream.refusal(message) {
            Some(refusal) => refusal,
            None => PublishOutcome::Stored { last: stream.store(message), count: 0 },
        })
    }

    pub(super) fn publish_batch<'m>(
        &mut self,
        messages: impl ExactSizeIterator<Item = &'m NewMessage>,
    ) -> PublishOutcome {
        let messages: Vec<_> = messages.collect();
        self.batch_sizes.push(messages.len());
        self.with_next_fault(|stream| match stream.batch_refusal(&messages) {
            Some(refusal) => refusal,
            None => PublishOutcome::Stored {
                last: messages.iter().map(|message| stream.store(message)).last().unwrap_or(0),
                count: messages.len() as u64,
            },
        })
    }

    fn with_next_fault(&mut self, publish: impl FnOnce(&mut Self) -> PublishOutcome) -> PublishOutcome {
        match self.faults.pop_front().unwrap_or(Fault::None) {
            Fault::None => publish(self),
            Fault::AnswerLost => {
                publish(self);
                PublishOutcome::Unknown
            }
            Fault::RequestLost => PublishOutcome::Unknown,
            Fault::Unavailable => PublishOutcome::Unavailable,
        }
    }

    fn refusal(&self, message: &NewMessage) -> Option<PublishOutcome> {
        // The server looks for duplicates before it compares expected sequences.
        if let Some(sequence) = message.id.as_ref().and_then(|id| self.sequences_by_id.get(id)) {
            return Some(refused(0, Some(*sequence)));
        }
        let expected = message.expected.as_ref()?;
        let last = self.stored.iter().rposition(|stored| stored.subject == expected.subject_filter);
        let last_sequence = last.map_or(0, |index| index as u64 + 1);
        (expected.sequence != last_sequence).then(|| refused(ERR_WRONG_LAST_SEQUENCE, None))
    }

    fn batch_refusal(&self, messages: &[&NewMessage]) -> Option<PublishOutcome> {
        let (mut ids, mut filters) = (HashSet::new(), HashSet::new());
        for message in messages {
            match self.refusal(message) {
                // A batch is refused without the duplicate's sequence.
                Some(PublishOutcome::Refused { duplicate_of: Some(_), .. }) => {
                    return Some(refused(ERR_BATCH_DUPLICATE, None));
                }
                Some(refusal) => return Some(refusal),
                None => {}
            }
            if message.id.as_ref().is_some_and(|id| !ids.insert(id)) {
                return Some(refused(ERR_BATCH_DUPLICATE, None));
            }
            if message.expected.as_ref().is_some_and(|expected| !filters.insert(&expected.subject_filter)) {
                return Some(refused(ERR_BATCH_REPEATS_SUBJECT, None));
            }
        }
        None
    }

    fn store(&mut self, message: &NewMessage) -> u64 {
        self.stored.push(message.clone());
        let sequence = self.stored.len() as u64;
        self.sequences_by_id.extend(message.id.clone().map(|id| (id, sequence)));
        sequence
    }
}

fn refused(code: u64, duplicate_of: Option<u64>) -> PublishOutcome {
    PublishOutcome::Refused { code, description: String::new(), duplicate_of }
}
