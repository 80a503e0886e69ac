//! What a request has come to, folded from its steps in the log; and whether the next step may be taken. Pure.

use events::BreakGlassStatementKind;
use jiff::{SignedDuration, Timestamp};

/// How long a request waits for its approval.
const REQUEST_LIFETIME: SignedDuration = SignedDuration::from_hours(24);
/// How long after its approval a look-up is possible.
const APPROVAL_LIFETIME: SignedDuration = SignedDuration::from_hours(1);

/// A request so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestState {
    requested: Option<(String, Timestamp)>,
    approved_at: Option<Timestamp>,
    is_looked_up: bool,
}

impl RequestState {
    /// Takes a step that the log holds, if it could be taken then: others than this service can append, too.
    pub(crate) fn apply(&mut self, step: BreakGlassStatementKind, person: &str, at: Timestamp) {
        if self.refusal_reason(step, person, at).is_some() {
            return;
        }
        match step {
            BreakGlassStatementKind::Request => {
                self.requested.get_or_insert_with(|| (person.to_owned(), at));
            }
            BreakGlassStatementKind::Approve => {
                self.approved_at.get_or_insert(at);
            }
            BreakGlassStatementKind::LookUp => self.is_looked_up = true,
        }
    }

    /// Says why this person can't take this step now, or nothing.
    pub(crate) fn refusal_reason(
        &self,
        step: BreakGlassStatementKind,
        person: &str,
        now: Timestamp,
    ) -> Option<&'static str> {
        let Some((requester, requested_at)) = &self.requested else {
            return (step != BreakGlassStatementKind::Request).then_some("there is no such request");
        };
        match step {
            BreakGlassStatementKind::Request => None,
            BreakGlassStatementKind::Approve if self.approved_at.is_some() => {
                Some("the request is approved already")
            }
            BreakGlassStatementKind::Approve if requester == person => Some("who requested can't approve"),
            BreakGlassStatementKind::Approve if now.duration_since(*requested_at) > REQUEST_LIFETIME => {
                Some("the request is older than 24 hours")
            }
            BreakGlassStatementKind::Approve => None,
            BreakGlassStatementKind::LookUp if requester != person => Some("only who requested is told"),
            BreakGlassStatementKind::LookUp => match self.approved_at {
                None => Some("nobody else has approved the request"),
                Some(_) if self.is_looked_up => Some("the request was used already"),
                Some(at) if now.duration_since(at) > APPROVAL_LIFETIME => {
                    Some("the approval is older than an hour")
                }
                Some(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::BreakGlassStatementKind::{Approve, LookUp, Request};
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn request_state(steps: &[(BreakGlassStatementKind, &str, i64)]) -> RequestState {
        let mut case = RequestState::default();
        for (step, person, at) in steps {
            case.apply(*step, person, minute(*at));
        }
        case
    }

    #[test]
    fn two_people_once_within_an_hour() {
        let approved = request_state(&[(Request, "ana", 0), (Approve, "ben", 5)]);
        assert_eq!(approved.refusal_reason(LookUp, "ana", minute(65)), None);
        assert!(approved.refusal_reason(LookUp, "ana", minute(66)).is_some(), "an hour is over");
        assert!(approved.refusal_reason(LookUp, "ben", minute(6)).is_some(), "who approved is not told");
        let used = request_state(&[(Request, "ana", 0), (Approve, "ben", 5), (LookUp, "ana", 6)]);
        assert!(used.refusal_reason(LookUp, "ana", minute(7)).is_some(), "once");
        let twice = request_state(&[(Request, "ana", 0), (Approve, "ben", 5), (Approve, "eve", 60)]);
        assert!(
            twice.refusal_reason(LookUp, "ana", minute(66)).is_some(),
            "a second approval prolongs nothing"
        );
    }

    #[test]
    fn one_person_is_not_enough() {
        let requested = request_state(&[(Request, "ana", 0)]);
        assert!(requested.refusal_reason(LookUp, "ana", minute(1)).is_some());
        assert!(requested.refusal_reason(Approve, "ana", minute(1)).is_some());
        assert_eq!(requested.refusal_reason(Approve, "ben", minute(24 * 60)), None);
        assert!(requested.refusal_reason(Approve, "ben", minute(24 * 60 + 1)).is_some());
        let forged = request_state(&[(Request, "ana", 0), (Approve, "ana", 1)]);
        assert!(forged.refusal_reason(LookUp, "ana", minute(2)).is_some(), "even if the log says so");
        for step in [Approve, LookUp] {
            assert!(
                RequestState::default().refusal_reason(step, "ben", minute(0)).is_some(),
                "no request, no step"
            );
        }
        let early = request_state(&[(Approve, "ben", 0), (Request, "ana", 1)]);
        assert!(
            early.refusal_reason(LookUp, "ana", minute(2)).is_some(),
            "an approval is of a request that is there"
        );
    }
}
