//! The commit plan against a stream in memory.

mod memory_stream;

use std::ops::Range;

use proptest::prelude::*;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::plan::{Attempt, CommitPlan, Publish, classify_attempt, send_result};
use super::pub_ack::PublishOutcome;
use crate::limits::INDIVIDUAL_COMMIT_MESSAGES_MAX;
use crate::message::{AppendAck, AppendError, ExpectedSequence, NewMessage, PendingAppend};
use memory_stream::{Fault, MemoryStream};

type AppendResult = Result<AppendAck, AppendError>;

/// Commits as `commit_pending` does, without a broker and one message after the other.
fn commit_pending(stream: &mut MemoryStream, pending: Vec<PendingAppend>) {
    let mut plan = CommitPlan::new(pending);
    while let Some(part) = plan.next() {
        match part {
            Publish::Batch(messages) => {
                let outcome = stream.publish_batch(messages.iter().map(|pending| &pending.message));
                plan.batch_finished(messages, outcome);
            }
            Publish::Individual { messages, may_be_stored } => {
                for pending in messages {
                    let result = commit_one(stream, &pending.message, may_be_stored);
                    send_result(pending, result);
                }
            }
        }
    }
}

fn commit_one(stream: &mut MemoryStream, message: &NewMessage, mut may_be_stored: bool) -> AppendResult {
    loop {
        match classify_attempt(stream.publish(message), may_be_stored) {
            Attempt::Finished(result) => return result,
            Attempt::Retry => may_be_stored = true,
        }
    }
}

fn commit(stream: &mut MemoryStream, messages: Vec<NewMessage>) -> Vec<AppendResult> {
    let (pending, replies): (Vec<_>, Vec<_>) = messages.into_iter().map(pending).unzip();
    commit_pending(stream, pending);
    replies.into_iter().map(|mut reply| reply.try_recv().unwrap()).collect()
}

fn pending(message: NewMessage) -> (PendingAppend, oneshot::Receiver<AppendResult>) {
    let (reply, answered) = oneshot::channel();
    (PendingAppend { message, reply, deadline: Instant::now() }, answered)
}

fn message(id: &str) -> NewMessage {
    NewMessage {
        subject: "s".to_owned(),
        id: Some(id.to_owned()),
        headers: Vec::new(),
        expected: None,
        payload: id.to_owned().into(),
    }
}

fn messages(ids: Range<usize>) -> Vec<NewMessage> {
    ids.map(|id| message(&id.to_string())).collect()
}

fn expected(subject_filter: &str, sequence: u64) -> Option<ExpectedSequence> {
    Some(ExpectedSequence { subject_filter: subject_filter.to_owned(), sequence })
}

fn ack(sequence: u64, is_duplicate: bool) -> AppendResult {
    Ok(AppendAck { sequence, is_duplicate })
}

#[test]
fn a_batch_is_stored_in_order_and_each_caller_gets_its_own_sequence() {
    let mut stream = MemoryStream::default();
    let acks = commit(&mut stream, messages(0..20));
    assert_eq!(acks, (1..=20).map(|sequence| ack(sequence, false)).collect::<Vec<_>>());
    assert_eq!(stream.batch_sizes, [20]);
    assert_eq!(stream.stored[7].id.as_deref(), Some("7"));
}

#[test]
fn few_messages_are_published_individually() {
    let mut stream = MemoryStream::default();
    commit(&mut stream, messages(0..INDIVIDUAL_COMMIT_MESSAGES_MAX));
    assert!(stream.batch_sizes.is_empty());
    commit(&mut stream, messages(100..101 + INDIVIDUAL_COMMIT_MESSAGES_MAX));
    assert_eq!(stream.batch_sizes, [INDIVIDUAL_COMMIT_MESSAGES_MAX + 1]);
}

#[test]
fn halving_finds_the_duplicate_in_a_batch() {
    let mut stream = MemoryStream::default();
    commit(&mut stream, vec![message("5")]);
    let mut acks = commit(&mut stream, messages(0..100));
    assert_eq!(acks.remove(5), ack(1, true), "the sequence of the earlier append");
    assert_eq!(acks, (2..=100).map(|sequence| ack(sequence, false)).collect::<Vec<_>>(), "still in order");
    assert!(stream.batch_sizes.len() < 12, "not one by one: {:?}", stream.batch_sizes);
}

#[test]
fn the_same_id_twice_is_stored_once() {
    let mut twice = messages(0..20);
    twice.push(message("3"));
    let mut stream = MemoryStream::default();
    let acks = commit(&mut stream, twice);
    assert_eq!((acks[3].clone(), acks[20].clone()), (ack(4, false), ack(4, true)));
    assert_eq!(stream.batch_sizes, [20], "the repeated one did not spoil the batch");
}

#[test]
fn a_stale_expected_sequence_is_a_conflict_of_its_message_only() {
    let mut stale = messages(0..20);
    stale[9].expected = expected("other", 7);
    let mut stream = MemoryStream::default();
    let acks = commit(&mut stream, stale);
    assert_eq!(acks.iter().filter(|ack| ack.is_ok()).count(), 19);
    assert_eq!(acks[9], Err(AppendError::Conflict));
}

#[test]
fn after_a_lost_answer_the_same_ids_find_out_the_outcome() {
    for faults in
        [vec![Fault::AnswerLost], vec![Fault::RequestLost], vec![Fault::AnswerLost, Fault::Unavailable]]
    {
        let mut stream = MemoryStream::with_faults(faults.clone());
        let mut acks = commit(&mut stream, messages(0..20));
        acks.sort_by_key(|ack| ack.as_ref().map_or(0, |ack| ack.sequence));
        let once_each: Vec<_> = (1..=20).map(|sequence| ack(sequence, false)).collect();
        assert_eq!(acks, once_each, "{faults:?}");
        assert_eq!(stream.stored.len(), 20);
    }
}

#[test]
fn an_answer_about_fewer_messages_says_nothing_about_a_batch() {
    let (pending, mut replies): (Vec<_>, Vec<_>) = messages(0..20).into_iter().map(pending).unzip();
    let mut plan = CommitPlan::new(pending);
    let Some(Publish::Batch(batch)) = plan.next() else { panic!("no batch") };
    plan.batch_finished(batch, PublishOutcome::Stored { last: 20, count: 19 });
    assert!(replies.iter_mut().all(|reply| reply.try_recv().is_err()), "nobody is answered yet");
    let Some(Publish::Individual { messages, may_be_stored: true }) = plan.next() else {
        panic!("not asked again")
    };
    assert_eq!(messages.len(), 20);
}

#[test]
fn a_conflict_after_a_lost_answer_is_unknown() {
    // Without an id the server can't tell the second attempt from another writer's message.
    let nameless = NewMessage { id: None, expected: expected("s", 0), ..message("x") };
    let mut stream = MemoryStream::with_faults(vec![Fault::AnswerLost]);
    assert_eq!(commit(&mut stream, vec![nameless]), [Err(AppendError::Unknown)]);
    assert_eq!(stream.stored.len(), 1);
}

#[test]
fn a_refusal_reaches_the_caller_unless_an_earlier_attempt_may_be_stored() {
    let refused =
        PublishOutcome::Refused { code: 10_077, description: "full".to_owned(), duplicate_of: None };
    let Attempt::Finished(first) = classify_attempt(refused.clone(), false) else { panic!("retried") };
    assert_eq!(first, Err(AppendError::Refused { code: 10_077, description: "full".to_owned() }));
    let Attempt::Finished(later) = classify_attempt(refused, true) else { panic!("retried") };
    assert_eq!(later, Err(AppendError::Unknown));
}

#[test]
fn unavailable_stores_nothing_and_says_so() {
    for count in [1, 20] {
        let mut stream = MemoryStream::with_faults(vec![Fault::Unavailable]);
        let acks = commit(&mut stream, messages(0..count));
        assert!(acks.iter().all(|ack| *ack == Err(AppendError::Unavailable)), "{acks:?}");
        assert!(stream.stored.is_empty());
    }
}

#[test]
fn a_message_whose_caller_gave_up_is_left_out() {
    let (kept, _replies): (Vec<_>, Vec<_>) = messages(0..19).into_iter().map(pending).unzip();
    let (given_up, reply) = pending(message("gone"));
    drop(reply);
    let mut stream = MemoryStream::default();
    commit_pending(&mut stream, kept.into_iter().chain([given_up]).collect());
    assert_eq!((stream.stored.len(), stream.batch_sizes), (19, vec![19]));
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        4 => Just(Fault::None),
        1 => Just(Fault::AnswerLost),
        1 => Just(Fault::RequestLost),
        1 => Just(Fault::Unavailable),
    ]
}

proptest! {
    /// Whatever is lost, every answer is true. An acknowledged message is stored once, under its sequence; "unavailable"
    /// means that no attempt of the caller stored it.
    #[test]
    fn answers_are_true(
        before in proptest::collection::vec(0u8..40, 0..10),
        ids in proptest::collection::vec(0u8..40, 1..60),
        faults in proptest::collection::vec(fault(), 0..12),
    ) {
        let to_messages = |ids: &[u8]| ids.iter().map(|id| message(&id.to_string())).collect::<Vec<_>>();
        let mut stream = MemoryStream::default();
        commit(&mut stream, to_messages(&before));
        let known = stream.stored.len() as u64;
        let is_faultless = faults.iter().all(|fault| *fault == Fault::None);
        stream.faults = faults.into();
        let acks = commit(&mut stream, to_messages(&ids));
        for (id, ack) in ids.iter().zip(&acks) {
            let is_repeated = ids.iter().filter(|other| *other == id).count() > 1;
            let copies = stream.stored.iter().filter(|stored| stored.id == Some(id.to_string())).count();
            prop_assert!(copies <= 1);
            match ack {
                Ok(ack) => {
                    prop_assert_eq!(&stream.stored[ack.sequence as usize - 1].id, &Some(id.to_string()));
                    prop_assert!(!ack.is_duplicate || ack.sequence <= known || is_repeated);
                    // After a lost answer, an older duplicate looks like the caller's own earlier attempt.
                    prop_assert!(ack.is_duplicate || ack.sequence > known || !is_faultless);
                }
                Err(AppendError::Unavailable) => {
                    prop_assert!(copies == 0 || is_repeated || before.contains(id));
                }
                Err(error) => prop_assert_eq!(error, &AppendError::Unknown),
            }
        }
    }
}
