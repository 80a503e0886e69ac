//! Decides what a commit publishes next and what each outcome means. Pure: the caller publishes.

use std::collections::HashSet;

use crate::group_commit::pub_ack::{PublishOutcome, is_conflict};
use crate::limits::INDIVIDUAL_COMMIT_MESSAGES_MAX;
use crate::message::{AppendAck, AppendError, PendingAppend};

/// Messages to publish next.
pub(super) enum Publish {
    /// As one atomic batch.
    Batch(Vec<PendingAppend>),
    /// Each by itself, all in flight together.
    Individual {
        messages: Vec<PendingAppend>,
        /// An earlier attempt, whose answer was lost, may have stored them.
        may_be_stored: bool,
    },
}

/// A commit in progress.
pub(super) struct CommitPlan {
    /// A stack: the part to publish next is last.
    parts: Vec<Publish>,
}

impl CommitPlan {
    pub(super) fn new(pending: Vec<PendingAppend>) -> Self {
        let (first, repeated) = split_repeated_ids(pending);
        let repeated = Publish::Individual { messages: repeated, may_be_stored: false };
        Self { parts: vec![repeated, Publish::Batch(first)] }
    }

    /// The next part with messages whose callers still wait.
    pub(super) fn next(&mut self) -> Option<Publish> {
        loop {
            match self.parts.pop()? {
                Publish::Batch(mut messages) => {
                    messages.retain(|pending| !pending.reply.is_closed());
                    if messages.len() > INDIVIDUAL_COMMIT_MESSAGES_MAX {
                        return Some(Publish::Batch(messages));
                    }
                    self.parts.push(Publish::Individual { messages, may_be_stored: false });
                }
                Publish::Individual { messages, .. } if messages.is_empty() => {}
                individual @ Publish::Individual { .. } => return Some(individual),
            }
        }
    }

    /// Answers the members of a batch, or plans the publishes that find out their outcome.
    pub(super) fn batch_finished(&mut self, mut messages: Vec<PendingAppend>, outcome: PublishOutcome) {
        match outcome {
            PublishOutcome::Stored { last, count } if count == messages.len() as u64 => {
                for (pending, sequence) in messages.into_iter().zip(last + 1 - count..) {
                    send_result(pending, Ok(AppendAck { sequence, is_duplicate: false }));
                }
            }
            // One duplicate spoils the whole batch, and the server does not name it. Halving finds it in a few
            // commits; publishing every member by itself would cost an fsync each.
            PublishOutcome::Refused { .. } => {
                let half = messages.split_off(messages.len() / 2);
                self.parts.extend([Publish::Batch(half), Publish::Batch(messages)]);
            }
            PublishOutcome::Unavailable => {
                messages.into_iter().for_each(|pending| send_result(pending, Err(AppendError::Unavailable)));
            }
            // No answer, or not the answer to a whole batch.
            PublishOutcome::Stored { .. } | PublishOutcome::Unknown => {
                self.parts.push(Publish::Individual { messages, may_be_stored: true });
            }
        }
    }
}

/// Sets aside every message with the id of an earlier one: in one batch the server would refuse both.
fn split_repeated_ids(pending: Vec<PendingAppend>) -> (Vec<PendingAppend>, Vec<PendingAppend>) {
    let mut seen = HashSet::new();
    pending.into_iter().partition(|pending| match &pending.message.id {
        Some(id) => seen.insert(id.clone()),
        None => true,
    })
}

/// Result of one attempt to publish a message by itself.
pub(super) enum Attempt {
    Finished(Result<AppendAck, AppendError>),
    /// The outcome is unknown: another attempt with the same id finds it out.
    Retry,
}

/// Decides what an attempt means. `may_be_stored`: an earlier attempt with an unknown outcome may have stored the message.
pub(super) fn classify_attempt(outcome: PublishOutcome, may_be_stored: bool) -> Attempt {
    Attempt::Finished(match outcome {
        PublishOutcome::Stored { last, .. } => Ok(AppendAck { sequence: last, is_duplicate: false }),
        // If the caller's own earlier attempt was stored, this is no duplicate to the caller.
        PublishOutcome::Refused { duplicate_of: Some(sequence), .. } => {
            Ok(AppendAck { sequence, is_duplicate: !may_be_stored })
        }
        PublishOutcome::Refused { .. } if may_be_stored => Err(AppendError::Unknown),
        PublishOutcome::Refused { code, .. } if is_conflict(code) => Err(AppendError::Conflict),
        PublishOutcome::Refused { code, description, .. } => Err(AppendError::Refused { code, description }),
        PublishOutcome::Unavailable if !may_be_stored => Err(AppendError::Unavailable),
        PublishOutcome::Unavailable | PublishOutcome::Unknown => return Attempt::Retry,
    })
}

/// Answers a caller. The caller may have given up; the message is as stored or not as before.
pub(super) fn send_result(pending: PendingAppend, result: Result<AppendAck, AppendError>) {
    let _ = pending.reply.send(result);
}
