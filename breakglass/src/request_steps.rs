//! Folds a user's stored events into the steps of one request. Pure.

#[cfg(test)]
mod tests;

use events::{BreakGlassStatementKind, BreakGlassStep, Envelope, Event, EventKind};
use jiff::Timestamp;
use keys::UserRef;
use schemas::EventId;

use crate::request_state::RequestState;
use crate::statement_rules::StatementRules;

/// Steps of one request, as far as they are read, and whether the log already holds the statement of the next step.
pub(crate) struct RequestSteps<'s> {
    rules: &'s StatementRules,
    user: UserRef,
    request: EventId,
    statement: &'s str,
    state: RequestState,
    is_statement_used: bool,
}

impl<'s> RequestSteps<'s> {
    /// Before any event is read. `statement`: the signed text of the next step.
    pub(crate) fn new(
        rules: &'s StatementRules,
        user: UserRef,
        request: EventId,
        statement: &'s str,
    ) -> Self {
        let state = RequestState::default();
        Self { rules, user, request, statement, state, is_statement_used: false }
    }

    /// Applies one event of the user. Other services can append too, so only steps count that an authorized operator
    /// signed.
    pub(crate) fn apply(&mut self, bytes: &[u8], stored_at: Timestamp) {
        let Some((kind, step)) = parse_step(bytes) else { return };
        // A refused step counts: every auditor can copy it from the log.
        self.is_statement_used |= step.statement == self.statement;
        if let Some(accepted) = self.rules.verify_accepted(kind, &step)
            && accepted.request == self.request
            && self.rules.resolve_user(&accepted, &step.person) == Some(self.user)
        {
            self.state.apply(accepted.step, &step.person, stored_at);
        }
    }

    /// Says why this operator can't take this step now, if so.
    pub(crate) fn refusal(
        &self,
        step: BreakGlassStatementKind,
        operator: &str,
        now: Timestamp,
    ) -> Option<&'static str> {
        if self.is_statement_used {
            return Some("this very statement was used already");
        }
        self.state.refusal_reason(step, operator, now)
    }
}

fn parse_step(bytes: &[u8]) -> Option<(EventKind, BreakGlassStep)> {
    let envelope = Envelope::parse(bytes).ok()?;
    match Event::read_plaintext(&envelope) {
        Ok(Event::BreakGlass(step)) => Some((envelope.header.kind, step)),
        _ => None,
    }
}
