//! What the steps of an erasure come to: where an account stands on its way out.
//!
//! An account that nobody asked to erase is not known here at all.
//!
//! As a view keeps it: one byte of format, `1`, and JSON. Nothing of it is sealed, since no key of the account is left when
//! it is read, and nothing of it is about health.

use events::{ErasedCounts, ErasureChange, ErasureEvent};
use jiff::Timestamp;
use keys::ErasureId;
use schemas::{ErasureStatus, ErasureStep, ErasureStepDone, EventId, Outcome, Sequence};
use serde::{Deserialize, Serialize};

const FORMAT: u8 = 1;

/// An account that is on its way out, was erased, or was about to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountErasure {
    /// The erasure that is carried out: the first that was asked for.
    pub erasure_id: ErasureId,
    /// Others that were asked for meanwhile; the one is as good as all of them.
    pub also: Vec<ErasureId>,
    /// Where it is.
    pub status: ErasureStatus,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When it begins; until then it can be taken back.
    pub due_at: Timestamp,
    /// What was done, in order, each once.
    pub steps: Vec<ErasureStepDone>,
    /// The event that says that all of it was done.
    pub erased: Option<ErasureCompletion>,
}

/// The last event of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErasureCompletion {
    /// Its name.
    pub event_id: EventId,
    /// Where it stands.
    pub sequence: Sequence,
    /// When that was.
    pub at: Timestamp,
    /// What was destroyed.
    pub counts: ErasedCounts,
}

/// Which event says something, and when.
#[derive(Debug, Clone, Copy)]
pub struct EventMetadata {
    /// Its name.
    pub event_id: EventId,
    /// Where it stands.
    pub sequence: Sequence,
    /// When it was received.
    pub time: Timestamp,
}

impl AccountErasure {
    /// Folds a step. `None` where there is still nothing.
    pub fn fold(before: Option<Self>, event: &ErasureEvent, at: EventMetadata) -> (Option<Self>, Outcome) {
        let should_send = before.as_ref().is_none_or(|account| account.status == ErasureStatus::Cancelled);
        match (&event.change, before) {
            (ErasureChange::Requested { due_at }, _) if should_send => {
                (Some(Self::new(event.erasure_id, at.time, *due_at)), Outcome::Created)
            }
            (ErasureChange::Requested { .. }, Some(mut account)) => {
                let outcome = if account.has_erasure_id(event.erasure_id) {
                    Outcome::Unchanged
                } else {
                    account.also.push(event.erasure_id);
                    Outcome::Merged
                };
                (Some(account), outcome)
            }
            (ErasureChange::Cancelled, Some(account)) if account.can_be_cancelled(event, at.time) => {
                (Some(Self { status: ErasureStatus::Cancelled, ..account }), Outcome::Merged)
            }
            (ErasureChange::StepDone { step, counts }, Some(mut account))
                if account.is_step_missing(event, *step) =>
            {
                let (step, counts) = (*step, counts.clone());
                account.status = ErasureStatus::Erasing;
                account.steps.push(ErasureStepDone { step, at: at.time, sequence: at.sequence, counts });
                (Some(account), Outcome::Merged)
            }
            (ErasureChange::Erased { counts, .. }, Some(account))
                if account.erased.is_none() && account.erasure_id == event.erasure_id =>
            {
                let (event_id, sequence) = (at.event_id, at.sequence);
                let erased = ErasureCompletion { event_id, sequence, at: at.time, counts: counts.clone() };
                (
                    Some(Self { status: ErasureStatus::Erased, erased: Some(erased), ..account }),
                    Outcome::Merged,
                )
            }
            (_, before) => (before, Outcome::Unchanged),
        }
    }

    fn new(erasure_id: ErasureId, requested_at: Timestamp, due_at: Timestamp) -> Self {
        Self {
            erasure_id,
            also: Vec::new(),
            status: ErasureStatus::Pending,
            requested_at,
            due_at,
            steps: Vec::new(),
            erased: None,
        }
    }

    /// Whether this erasure is one that was asked for.
    pub fn has_erasure_id(&self, erasure_id: ErasureId) -> bool {
        self.erasure_id == erasure_id || self.also.contains(&erasure_id)
    }

    /// Whether nothing is done for this account any more, and nothing of it is shown.
    pub fn is_closed(&self) -> bool {
        match self.status {
            ErasureStatus::Erasing | ErasureStatus::Erased => true,
            ErasureStatus::Pending | ErasureStatus::Cancelled => false,
        }
    }

    /// The next step that is to be done; `None` after the last.
    pub fn next_step(&self) -> Option<ErasureStep> {
        let is_done = |step: &ErasureStep| self.steps.iter().any(|done| done.step == *step);
        ErasureStep::ALL.into_iter().find(|step| !is_done(step))
    }

    /// What all steps destroyed.
    pub fn counts(&self) -> ErasedCounts {
        let mut sum = ErasedCounts::new();
        for (name, count) in self.steps.iter().flat_map(|done| &done.counts) {
            *sum.entry(name.clone()).or_default() += count;
        }
        sum
    }

    fn can_be_cancelled(&self, event: &ErasureEvent, time: Timestamp) -> bool {
        self.status == ErasureStatus::Pending && self.has_erasure_id(event.erasure_id) && time < self.due_at
    }

    fn is_step_missing(&self, event: &ErasureEvent, step: ErasureStep) -> bool {
        self.erased.is_none()
            && self.erasure_id == event.erasure_id
            && self.steps.iter().all(|done| done.step != step)
    }

    /// The stored bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        bytes.extend(serde_json::to_vec(self).unwrap_or_else(|_| unreachable!("BUG: an account is JSON")));
        bytes
    }

    /// `None` for bytes that are not those of an account.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let [FORMAT, json @ ..] = bytes else { return None };
        serde_json::from_slice(json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(byte: u8) -> ErasureId {
        ErasureId::from_bytes([byte; 16])
    }

    fn at(sequence: u64) -> EventMetadata {
        let time = Timestamp::from_second(sequence.cast_signed() * 60).unwrap();
        EventMetadata {
            event_id: EventId::new(sequence, [7; 10]),
            sequence: Sequence::new(sequence).unwrap(),
            time,
        }
    }

    fn folded(facts: &[(u8, ErasureChange)]) -> (Option<AccountErasure>, Vec<Outcome>) {
        let mut account = None;
        let mut outcomes = Vec::new();
        for (sequence, (erasure, fact)) in (1..).zip(facts) {
            let event = ErasureEvent { erasure_id: id(*erasure), change: fact.clone() };
            let (now, outcome) = AccountErasure::fold(account, &event, at(sequence));
            account = now;
            outcomes.push(outcome);
        }
        (account, outcomes)
    }

    fn requested(due: u64) -> ErasureChange {
        ErasureChange::Requested { due_at: at(due).time }
    }

    fn done(step: ErasureStep) -> ErasureChange {
        ErasureChange::StepDone { step, counts: [("things".to_owned(), 2)].into() }
    }

    fn erased() -> ErasureChange {
        ErasureChange::Erased { requested_at: at(1).time, counts: ErasedCounts::new() }
    }

    #[test]
    fn an_account_goes_step_by_step_and_each_counts_once() {
        let mut facts = vec![(1, requested(1)), (2, requested(2))];
        for step in ErasureStep::ALL {
            facts.extend([(1, done(step)), (1, done(step))]);
        }
        facts.extend([(1, erased()), (1, erased()), (1, done(ErasureStep::AccountMarked))]);
        let (account, outcomes) = folded(&facts);
        let account = account.unwrap();
        assert!(account.is_closed() && account.status == ErasureStatus::Erased);
        assert_eq!((account.next_step(), account.steps.len()), (None, 6));
        assert_eq!(account.counts()["things"], 12);
        assert_eq!(account.erased.as_ref().unwrap().sequence.get(), 15);
        assert!(
            account.has_erasure_id(id(1)) && account.has_erasure_id(id(2)) && !account.has_erasure_id(id(3))
        );
        let changed = outcomes.iter().filter(|outcome| **outcome != Outcome::Unchanged).count();
        assert_eq!(changed, 2 + 6 + 1);
        assert_eq!(AccountErasure::decode(&account.encode()), Some(account));
    }

    #[test]
    fn it_is_taken_back_in_time_or_not_at_all() {
        let pending = (1, requested(9));
        let (account, outcomes) = folded(&[pending.clone(), (2, ErasureChange::Cancelled)]);
        assert_eq!((account.unwrap().status, outcomes[1]), (ErasureStatus::Pending, Outcome::Unchanged));
        let (account, _) = folded(&[pending.clone(), (1, ErasureChange::Cancelled)]);
        assert_eq!(account.as_ref().unwrap().status, ErasureStatus::Cancelled);
        assert!(!account.unwrap().is_closed());
        let (account, _) = folded(&[(1, requested(1)), (1, ErasureChange::Cancelled)]);
        assert_eq!(account.unwrap().status, ErasureStatus::Pending, "it was due");
        let marked = (1, done(ErasureStep::AccountMarked));
        let (account, _) = folded(&[pending.clone(), marked.clone(), (1, ErasureChange::Cancelled)]);
        assert_eq!(account.unwrap().status, ErasureStatus::Erasing, "it has begun");
        // What was done is done, whatever was said before.
        let (account, _) = folded(&[pending.clone(), (1, ErasureChange::Cancelled), marked]);
        assert_eq!(account.unwrap().status, ErasureStatus::Erasing);
        let (account, _) = folded(&[pending, (1, ErasureChange::Cancelled), (3, requested(9))]);
        assert_eq!(account.unwrap().erasure_id, id(3), "asked for anew");
    }

    #[test]
    fn nothing_is_made_of_what_nobody_asked_for() {
        for fact in [ErasureChange::Cancelled, done(ErasureStep::KeysDestroyed), erased()] {
            assert_eq!(folded(&[(1, fact)]), (None, vec![Outcome::Unchanged]));
        }
        let (account, _) = folded(&[(1, requested(1)), (2, done(ErasureStep::AccountMarked)), (2, erased())]);
        assert_eq!(account.unwrap().status, ErasureStatus::Pending, "another erasure's steps");
    }

    #[test]
    fn golden_bytes() {
        let (account, _) = folded(&[(1, requested(2)), (1, done(ErasureStep::AccountMarked))]);
        let golden = concat!(
            "\u{1}",
            r#"{"erasure_id":"aeaqcaibaeaqcaibaeaqcaibae","also":[],"status":"erasing","requested_at":"1970-01-01T00:01:00Z","#,
            r#""due_at":"1970-01-01T00:02:00Z","steps":[{"step":"account_marked","at":"1970-01-01T00:02:00Z","sequence":2,"#,
            r#""counts":{"things":2}}],"erased":null}"#
        );
        assert_eq!(account.as_ref().unwrap().encode(), golden.as_bytes());
        assert_eq!(AccountErasure::decode(golden.as_bytes()), account);
        assert_eq!(AccountErasure::decode(&golden.as_bytes()[1..]), None);
    }
}
