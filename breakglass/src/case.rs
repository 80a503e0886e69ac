//! What a request has come to, folded from its steps in the log; and whether the next step may be taken. Pure.

use events::StatementKind;
use jiff::{SignedDuration, Timestamp};

/// How long a request waits for its approval.
const APPROVAL_WAIT_MAX: SignedDuration = SignedDuration::from_hours(24);
/// How long after its approval a look-up is possible.
const LOOK_UP_WAIT_MAX: SignedDuration = SignedDuration::from_hours(1);

/// A request so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Case {
    requested: Option<(String, Timestamp)>,
    approved_at: Option<Timestamp>,
    is_looked_up: bool,
}

impl Case {
    /// Takes a step that the log holds, if it could be taken then: others than this service can append, too.
    pub(crate) fn take(&mut self, step: StatementKind, person: &str, at: Timestamp) {
        if self.refuses(step, person, at).is_some() {
            return;
        }
        match step {
            StatementKind::Request => {
                self.requested.get_or_insert_with(|| (person.to_owned(), at));
            }
            StatementKind::Approve => {
                self.approved_at.get_or_insert(at);
            }
            StatementKind::LookUp => self.is_looked_up = true,
        }
    }

    /// Says why this person can't take this step now, or nothing.
    pub(crate) fn refuses(&self, step: StatementKind, person: &str, now: Timestamp) -> Option<&'static str> {
        let Some((requester, requested_at)) = &self.requested else {
            return (step != StatementKind::Request).then_some("there is no such request");
        };
        match step {
            StatementKind::Request => None,
            StatementKind::Approve if self.approved_at.is_some() => Some("the request is approved already"),
            StatementKind::Approve if requester == person => Some("who requested can't approve"),
            StatementKind::Approve if now.duration_since(*requested_at) > APPROVAL_WAIT_MAX => {
                Some("the request is older than 24 hours")
            }
            StatementKind::Approve => None,
            StatementKind::LookUp if requester != person => Some("only who requested is told"),
            StatementKind::LookUp => match self.approved_at {
                None => Some("nobody else has approved the request"),
                Some(_) if self.is_looked_up => Some("the request was used already"),
                Some(at) if now.duration_since(at) > LOOK_UP_WAIT_MAX => {
                    Some("the approval is older than an hour")
                }
                Some(_) => None,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::StatementKind::{Approve, LookUp, Request};
    use super::*;

    fn minute(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).unwrap()
    }

    fn case(steps: &[(StatementKind, &str, i64)]) -> Case {
        let mut case = Case::default();
        for (step, person, at) in steps {
            case.take(*step, person, minute(*at));
        }
        case
    }

    #[test]
    fn two_people_once_within_an_hour() {
        let approved = case(&[(Request, "ana", 0), (Approve, "ben", 5)]);
        assert_eq!(approved.refuses(LookUp, "ana", minute(65)), None);
        assert!(approved.refuses(LookUp, "ana", minute(66)).is_some(), "an hour is over");
        assert!(approved.refuses(LookUp, "ben", minute(6)).is_some(), "who approved is not told");
        let used = case(&[(Request, "ana", 0), (Approve, "ben", 5), (LookUp, "ana", 6)]);
        assert!(used.refuses(LookUp, "ana", minute(7)).is_some(), "once");
        let twice = case(&[(Request, "ana", 0), (Approve, "ben", 5), (Approve, "eve", 60)]);
        assert!(twice.refuses(LookUp, "ana", minute(66)).is_some(), "a second approval prolongs nothing");
    }

    #[test]
    fn one_person_is_not_enough() {
        let requested = case(&[(Request, "ana", 0)]);
        assert!(requested.refuses(LookUp, "ana", minute(1)).is_some());
        assert!(requested.refuses(Approve, "ana", minute(1)).is_some());
        assert_eq!(requested.refuses(Approve, "ben", minute(24 * 60)), None);
        assert!(requested.refuses(Approve, "ben", minute(24 * 60 + 1)).is_some());
        let forged = case(&[(Request, "ana", 0), (Approve, "ana", 1)]);
        assert!(forged.refuses(LookUp, "ana", minute(2)).is_some(), "even if the log says so");
        for step in [Approve, LookUp] {
            assert!(Case::default().refuses(step, "ben", minute(0)).is_some(), "no request, no step");
        }
        let early = case(&[(Approve, "ben", 0), (Request, "ana", 1)]);
        assert!(
            early.refuses(LookUp, "ana", minute(2)).is_some(),
            "an approval is of a request that is there"
        );
    }
}
