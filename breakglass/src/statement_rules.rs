//! Verifies signed statements without the log. Pure.

use data_encoding::HEXLOWER;
use events::{BreakGlassStatement, BreakGlassStatementKind, BreakGlassStep, EventKind};
use jiff::{SignedDuration, Timestamp};
use keys::{DataKey, UserRef};
use schemas::EventId;

use crate::operators::AuthorizedOperators;

/// Largest difference between a statement's time and the service's clock.
pub(crate) const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_secs(300);
/// Longest reason and longest ticket, in characters.
const REASON_CHARS_MAX: usize = 500;

/// Tells who signed a statement and which user it is about.
pub(crate) struct StatementRules {
    pub(crate) operators: AuthorizedOperators,
    /// Seals a user ref between the operator's question and the operator's request.
    pub(crate) user_sealing_key: DataKey,
}

impl StatementRules {
    /// Seals a user so that only a request by this operator can name it.
    pub(crate) fn seal_user(&self, operator: &str, user: UserRef) -> String {
        HEXLOWER.encode(&self.user_sealing_key.seal(operator.as_bytes(), user.as_bytes()))
    }

    /// The user of a statement: sealed in a request, the user ref in later steps.
    pub(crate) fn resolve_user(&self, statement: &BreakGlassStatement, operator: &str) -> Option<UserRef> {
        if statement.step != BreakGlassStatementKind::Request {
            return statement.user_ref.parse().ok();
        }
        let sealed = HEXLOWER.decode(statement.user_ref.as_bytes()).ok()?;
        let user = self.user_sealing_key.open(operator.as_bytes(), sealed).ok()?;
        Some(UserRef::from_bytes(user.as_slice().try_into().ok()?))
    }

    /// The statement of a stored step that was accepted. `None` unless the operator that the step names signed it.
    pub(crate) fn verify_accepted(
        &self,
        kind: EventKind,
        step: &BreakGlassStep,
    ) -> Option<BreakGlassStatement> {
        let statement: BreakGlassStatement = serde_json::from_str(&step.statement).ok()?;
        let is_accepted = kind == event_kind(statement.step)
            && self.operators.is_signed_by(&step.person, &step.statement, &step.signature);
        is_accepted.then_some(statement)
    }
}

/// Says why a statement is refused whatever the log holds, if it is.
pub(crate) fn stateless_refusal(statement: &BreakGlassStatement, now: Timestamp) -> Option<&'static str> {
    if !is_within_clock_skew(statement.time, now) {
        return Some("the clock of who signed is too far off");
    }
    if statement.step != BreakGlassStatementKind::Request {
        let says_more = statement.reason.is_some() || statement.ticket.is_some();
        return says_more.then_some("only a request has a reason and a ticket");
    }
    if !is_reason(statement.reason.as_deref()) || !is_reason(statement.ticket.as_deref()) {
        return Some("a request needs a reason and a ticket, of at most 500 characters each");
    }
    let is_recent = is_within_clock_skew(created_at(statement.request), now);
    (!is_recent).then_some("the request's name is of another time")
}

fn is_reason(text: Option<&str>) -> bool {
    let text = text.unwrap_or_default();
    !text.trim().is_empty() && text.chars().count() <= REASON_CHARS_MAX && !text.chars().any(char::is_control)
}

pub(crate) fn is_within_clock_skew(time: Timestamp, now: Timestamp) -> bool {
    now.duration_since(time).abs() <= CLOCK_SKEW_MAX
}

/// The time in a request's id. An id beyond the calendar is of its end.
pub(crate) fn created_at(request: EventId) -> Timestamp {
    let unix_ms = i64::try_from(request.unix_ms()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX)
}

/// The kind of the event that stores an accepted step.
pub(crate) fn event_kind(step: BreakGlassStatementKind) -> EventKind {
    match step {
        BreakGlassStatementKind::Request => EventKind::BreakGlassRequestedV1,
        BreakGlassStatementKind::Approve => EventKind::BreakGlassApprovedV1,
        BreakGlassStatementKind::LookUp => EventKind::BreakGlassLookedUpV1,
    }
}
