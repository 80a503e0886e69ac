//! What an answer of a provider makes of a record: pure, and written by compare-and-set, so each says for itself whether
//! the record it finds is still the one that was asked for.

use events::{new_event_id, result_event_id};
use jiff::Timestamp;
use schemas::{ConnectionStatus, ConnectionTransition, ProviderRevocation, ReauthReason};

use crate::connections::next_action::backoff_delay;
use crate::connections::oauth::GrantedTokens;
use crate::connections::record::{
    CommandRef, ConnectionRecord, PendingEvent, PendingEventKind, PendingRevocation, RequestAttempt, Tokens,
};

impl ConnectionRecord {
    /// Marks the exchange of this command's code as begun; `None` where there is none to begin.
    pub(crate) fn start_exchange(mut self, command: &CommandRef) -> Option<Self> {
        let exchange = self.exchange.as_mut().filter(|exchange| exchange.command == *command)?;
        if exchange.attempt.is_started || self.revocation.is_some() {
            return None;
        }
        exchange.attempt.is_started = true;
        Some(self)
    }

    /// The provider gave tokens for a code. They are taken whatever happened meanwhile: tokens that nobody holds could not
    /// be revoked.
    pub(crate) fn with_exchanged_tokens(
        mut self,
        command: &CommandRef,
        granted: &GrantedTokens,
        now: Timestamp,
    ) -> Self {
        let is_awaited = self.exchange.take_if(|exchange| exchange.command == *command).is_some();
        self.refresh = None;
        self.tokens = Some(Tokens {
            access: granted.access.clone(),
            refresh: granted.refresh.clone(),
            obtained_at: now,
            access_until: granted.access_until,
            scopes: granted.scopes.clone(),
            provider_user: granted.provider_user.clone(),
            generation: self.next_generation(),
        });
        match ConnectionStatus::next(Some(self.status), ConnectionTransition::Activated) {
            Some(status) => {
                self.status = status;
                if is_awaited {
                    self.set_pending_event(
                        result_event_id(command.event_id),
                        command.outcome_to.clone(),
                        PendingEventKind::Activated,
                        now,
                    );
                } else {
                    // Another worker gave the code up for lost, and the log has that under the answer's name.
                    self.set_pending_event(new_event_id(now), None, PendingEventKind::Activated, now);
                }
            }
            // It was given up meanwhile: these go the same way.
            None => {
                self.revocation.get_or_insert_with(|| PendingRevocation {
                    command: command.clone(),
                    since: now,
                    attempt: RequestAttempt::NOT_STARTED,
                });
            }
        }
        self
    }

    /// The code is lost. A connection that has good tokens goes on with them.
    pub(crate) fn with_code_lost(
        mut self,
        command: &CommandRef,
        reason: ReauthReason,
        now: Timestamp,
    ) -> Option<Self> {
        self.exchange.take_if(|exchange| exchange.command == *command)?;
        let has_good_tokens = self.tokens.is_some() && self.status == ConnectionStatus::Active;
        if !has_good_tokens
            && let Some(status) =
                ConnectionStatus::next(Some(self.status), ConnectionTransition::ReauthNeeded)
        {
            self.status = status;
            let told = PendingEventKind::ReauthNeeded(reason);
            self.set_pending_event(result_event_id(command.event_id), command.outcome_to.clone(), told, now);
        }
        Some(self)
    }

    /// The request for the code did not leave, or was not acted on.
    pub(crate) fn with_exchange_retry(mut self, command: &CommandRef, now: Timestamp) -> Option<Self> {
        let exchange = self.exchange.as_mut().filter(|exchange| exchange.command == *command)?;
        exchange.attempt = next_attempt(&exchange.attempt, now);
        Some(self)
    }

    /// Marks the refresh of this pair as begun; `None` where there is none to begin, or it was begun by somebody else and
    /// the refresh token is good for one use.
    pub(crate) fn start_refresh(mut self, generation: u64, is_single_use: bool) -> Option<Self> {
        let is_wanted = self.status == ConnectionStatus::Active || self.can_refresh_to_revoke();
        let is_in_progress = self.refresh.as_ref().is_some_and(|attempt| attempt.is_started);
        if self.generation() != generation || !is_wanted || (is_in_progress && is_single_use) {
            return None;
        }
        self.refresh.get_or_insert(RequestAttempt::NOT_STARTED).is_started = true;
        Some(self)
    }

    /// The provider gave a new pair for this one. `None`: there is another pair by now, and this one is worth nothing.
    pub(crate) fn with_refreshed_tokens(
        mut self,
        generation: u64,
        granted: &GrantedTokens,
        keeps_refresh: bool,
        now: Timestamp,
    ) -> Option<Self> {
        if self.generation() != generation {
            return None;
        }
        let next = self.next_generation();
        let before = self.tokens.take()?;
        let kept = before.refresh.filter(|_| keeps_refresh);
        self.tokens = Some(Tokens {
            access: granted.access.clone(),
            refresh: granted.refresh.clone().or(kept),
            obtained_at: now,
            access_until: granted.access_until,
            scopes: granted.scopes.clone().or(before.scopes),
            provider_user: granted.provider_user.clone().or(before.provider_user),
            generation: next,
        });
        self.refresh = None;
        // Another worker gave the pair up for lost meanwhile.
        if self.status == ConnectionStatus::NeedsReauth {
            self.status = ConnectionStatus::Active;
            self.set_pending_event(new_event_id(now), None, PendingEventKind::Activated, now);
        }
        Some(self)
    }

    /// Whose tokens they are, where that had to be asked.
    pub(crate) fn with_provider_user(mut self, generation: u64, user: &str) -> Option<Self> {
        let same = self.generation() == generation;
        self.tokens.as_mut().filter(|_| same)?.provider_user = Some(user.to_owned());
        Some(self)
    }

    /// The pair is no good any more. `destroyed`: nor is it good for revoking it.
    pub(crate) fn with_tokens_lost(
        mut self,
        generation: u64,
        reason: ReauthReason,
        destroyed: bool,
        now: Timestamp,
    ) -> Option<Self> {
        if self.generation() != generation {
            return None;
        }
        // What is kept for revoking is kept with whether it may be used up.
        if destroyed {
            (self.tokens, self.refresh) = (None, None);
        }
        if let Some(status) = ConnectionStatus::next(Some(self.status), ConnectionTransition::ReauthNeeded) {
            self.status = status;
            self.set_pending_event(new_event_id(now), None, PendingEventKind::ReauthNeeded(reason), now);
        }
        Some(self)
    }

    /// The refresh came to nothing, and may be tried again.
    pub(crate) fn with_refresh_retry(mut self, generation: u64, now: Timestamp) -> Option<Self> {
        let same = self.generation() == generation;
        let attempt = self.refresh.as_mut().filter(|_| same)?;
        *attempt = next_attempt(attempt, now);
        Some(self)
    }

    /// Whether a new access token can be had for revoking: one that ended can't ask for its own end. Once, and not with a
    /// refresh token that may be used up.
    pub(crate) fn can_refresh_to_revoke(&self) -> bool {
        let (Some(tokens), Some(revocation)) = (&self.tokens, &self.revocation) else { return false };
        let may_be_used = self.refresh.as_ref().is_some_and(|attempt| attempt.is_started);
        tokens.refresh.is_some() && !may_be_used && tokens.obtained_at < revocation.since
    }

    /// Whether the provider was asked to revoke, and what came of it is not known yet.
    pub(crate) fn with_revocation_sent(mut self, is_asked: bool) -> Option<Self> {
        self.revocation.as_mut()?.attempt.is_started = is_asked;
        Some(self)
    }

    /// The provider did not confirm the revocation yet.
    pub(crate) fn with_revocation_retry(mut self, may_be_done: bool, now: Timestamp) -> Option<Self> {
        let revocation = self.revocation.as_mut()?;
        revocation.attempt =
            RequestAttempt { is_started: may_be_done, ..next_attempt(&revocation.attempt, now) };
        Some(self)
    }

    /// The tokens are gone for good.
    pub(crate) fn with_revoked(mut self, at_provider: ProviderRevocation, now: Timestamp) -> Option<Self> {
        let PendingRevocation { command, .. } = self.revocation.take()?;
        (self.tokens, self.exchange, self.refresh) = (None, None, None);
        if let Some(status) = ConnectionStatus::next(Some(self.status), ConnectionTransition::Revoked) {
            self.status = status;
            let told = PendingEventKind::Revoked(at_provider);
            self.set_pending_event(result_event_id(command.event_id), command.outcome_to.clone(), told, now);
        }
        Some(self)
    }

    /// The log was told.
    pub(crate) fn with_event_appended(mut self, event_id: schemas::EventId, sequence: u64) -> Option<Self> {
        self.pending_event.take_if(|tell| tell.event_id == event_id)?;
        self.appended_sequence = self.appended_sequence.max(sequence);
        Some(self)
    }

    /// Which pair this is; 0 for none.
    pub(crate) fn generation(&self) -> u64 {
        self.tokens.as_ref().map_or(0, |tokens| tokens.generation)
    }

    fn next_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    fn set_pending_event(
        &mut self,
        event_id: schemas::EventId,
        outcome_to: Option<String>,
        what: PendingEventKind,
        time: Timestamp,
    ) {
        self.pending_event = Some(PendingEvent { event_id, time, outcome_to, kind: what });
    }
}

fn next_attempt(attempt: &RequestAttempt, now: Timestamp) -> RequestAttempt {
    let not_before = now.checked_add(backoff_delay(attempt.failures)).unwrap_or(now);
    RequestAttempt { is_started: false, failures: attempt.failures + 1, not_before }
}
