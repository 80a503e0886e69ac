//! What is done at a provider: a code exchanged, a pair refreshed, tokens revoked.

use std::time::Duration;

use jiff::SignedDuration;
use keys::OAuthState;
use providers::Refresh;
use schemas::{AtProvider, ReauthReason};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{Hands, Hindrance};
use crate::book::BookError;
use crate::laying::CODE_AGE_MAX;
use crate::oauth::{Answer, TokenFailure};
use crate::record::{Command, Exchange, Record, RecordKey};

/// How long a provider is asked to revoke; then the tokens are destroyed all the same.
const REVOCATION_TRIED_MAX: SignedDuration = SignedDuration::from_hours(24);
/// Between two attempts to write down what a provider gave.
const KEEP_INTERVAL: Duration = Duration::from_millis(500);

impl Hands {
    pub(super) async fn exchange(
        &self,
        key: &RecordKey,
        record: &Record,
        exchange: &Exchange,
    ) -> Result<(), Hindrance> {
        let command = &exchange.command;
        if exchange.attempt.begun {
            // By a worker that is no more: a code is good for one exchange, and it may have been exchanged.
            return self.lose_code(key, command, ReauthReason::ExchangeUnknown).await;
        }
        let is_late = (self.clock)().duration_since(exchange.since) > CODE_AGE_MAX;
        let Some((_, asking)) = self.provider(record).filter(|_| !is_late) else {
            return self.lose_code(key, command, ReauthReason::ExchangeRefused).await;
        };
        let mut begun = false;
        self.book
            .change(key, |record| {
                let changed = record?.begin_exchange(command);
                begun = changed.is_some();
                changed
            })
            .await?;
        if !begun {
            return Ok(());
        }
        let verifier = exchange.state.parse::<OAuthState>().map(|state| state.code_verifier(&self.pseudonyms));
        let verifier = verifier.unwrap_or_else(|_| Zeroizing::new(String::new()));
        match asking.exchange(exchange, &record.redirect_uri, verifier).await {
            Ok(granted) => {
                note("exchange", "done");
                let now = (self.clock)();
                self.keep(key, |record| Some(record?.with_exchanged(command, &granted, now))).await?;
                // Asked once the tokens are safe: they are given once, and who has them can be asked again.
                if granted.provider_user.is_none()
                    && let Some(user) = asking.identity(&granted.access).await
                {
                    self.name_user(key, &granted.access, &user).await?;
                }
            }
            Err(TokenFailure::NotNow) => {
                note("exchange", "not_now");
                let now = (self.clock)();
                self.book.change(key, |record| record?.with_code_kept(command, now)).await?;
            }
            Err(failure @ TokenFailure::Unknown(_)) => {
                self.complain(key, record, &failure);
                self.lose_code(key, command, ReauthReason::ExchangeUnknown).await?;
            }
            Err(failure @ (TokenFailure::Refused(_) | TokenFailure::Misconfigured(_))) => {
                self.complain(key, record, &failure);
                self.lose_code(key, command, ReauthReason::ExchangeRefused).await?;
            }
        }
        Ok(())
    }

    async fn lose_code(
        &self,
        key: &RecordKey,
        command: &Command,
        reason: ReauthReason,
    ) -> Result<(), Hindrance> {
        note("exchange", if reason == ReauthReason::ExchangeUnknown { "unknown" } else { "refused" });
        let now = (self.clock)();
        self.book.change(key, |record| record?.with_code_lost(command, reason, now)).await?;
        Ok(())
    }

    async fn name_user(&self, key: &RecordKey, access: &str, user: &str) -> Result<(), Hindrance> {
        let change = |record: Option<Record>| {
            let record = record?;
            let tokens = record.tokens.as_ref().filter(|tokens| tokens.access == access)?;
            let generation = tokens.generation;
            record.with_provider_user(generation, user)
        };
        self.book.change(key, change).await?;
        Ok(())
    }

    /// Writes down what a provider gave, however long that takes: it is given once, and nobody else has it.
    async fn keep(
        &self,
        key: &RecordKey,
        mut change: impl FnMut(Option<Record>) -> Option<Record>,
    ) -> Result<(), Hindrance> {
        loop {
            match self.book.change(key, &mut change).await {
                Ok(_) => return Ok(()),
                Err(BookError::Unavailable) => sleep(KEEP_INTERVAL).await,
                Err(error @ (BookError::Erased | BookError::Damaged(_))) => return Err(error.into()),
            }
        }
    }

    /// `destroyed`: the pair is not even good for revoking it.
    async fn lose_tokens(
        &self,
        key: &RecordKey,
        generation: u64,
        reason: ReauthReason,
        destroyed: bool,
    ) -> Result<(), Hindrance> {
        let now = (self.clock)();
        let change = |record: Option<Record>| record?.with_tokens_lost(generation, reason, destroyed, now);
        self.book.change(key, change).await?;
        Ok(())
    }

    pub(super) async fn refresh(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
        let generation = record.generation();
        let Some(refresh) = record.tokens.as_ref().and_then(|tokens| tokens.refresh.as_deref()) else {
            return Ok(());
        };
        let Some((provider, asking)) = self.provider(record) else {
            tracing::error!(
                provider = record.provider,
                "a connection's provider is not configured any more; its tokens end"
            );
            self.retry_refresh(key, generation, "not_configured").await?;
            return Ok(());
        };
        let behaviour = provider.oauth.as_ref().map_or(Refresh::SingleUse, |oauth| oauth.refresh);
        if behaviour == Refresh::SingleUse && record.refresh.as_ref().is_some_and(|attempt| attempt.begun) {
            // By a worker that is no more. The pair is kept for revoking it, and not used.
            note("refresh", "unknown");
            return self.lose_tokens(key, generation, ReauthReason::RefreshUnknown, false).await;
        }
        let mut begun = false;
        self.book
            .change(key, |record| {
                let changed = record?.begin_refresh(generation, behaviour == Refresh::SingleUse);
                begun = changed.is_some();
                changed
            })
            .await?;
        if !begun {
            return Ok(());
        }
        match asking.refresh(refresh).await {
            Ok(granted) => {
                note("refresh", "done");
                let (now, keeps) = ((self.clock)(), behaviour != Refresh::SingleUse);
                let change =
                    |record: Option<Record>| record?.with_refreshed(generation, &granted, keeps, now);
                self.keep(key, change).await?;
            }
            Err(failure @ TokenFailure::Refused(_)) => {
                note("refresh", "refused");
                self.complain(key, record, &failure);
                // Whatever else a provider means by a refusal, only this says that the pair is no good for anything.
                let destroyed = failure == TokenFailure::Refused("invalid_grant".to_owned());
                self.lose_tokens(key, generation, ReauthReason::RefreshRefused, destroyed).await?;
            }
            Err(failure @ TokenFailure::Unknown(_)) if behaviour == Refresh::SingleUse => {
                note("refresh", "unknown");
                self.complain(key, record, &failure);
                self.lose_tokens(key, generation, ReauthReason::RefreshUnknown, false).await?;
            }
            Err(
                failure @ (TokenFailure::Unknown(_) | TokenFailure::NotNow | TokenFailure::Misconfigured(_)),
            ) => {
                self.complain(key, record, &failure);
                self.retry_refresh(key, generation, "not_now").await?;
            }
        }
        Ok(())
    }

    async fn retry_refresh(
        &self,
        key: &RecordKey,
        generation: u64,
        result: &'static str,
    ) -> Result<(), Hindrance> {
        note("refresh", result);
        let now = (self.clock)();
        let change = |record: Option<Record>| {
            let record = record?;
            // Where it was not even begun, the attempt is written down now.
            let record = record.clone().begin_refresh(generation, false).unwrap_or(record);
            record.with_refresh_kept(generation, now)
        };
        self.book.change(key, change).await?;
        Ok(())
    }

    pub(super) async fn revoke(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
        let Some(revocation) = &record.revocation else { return Ok(()) };
        let asked = match (&record.tokens, self.provider(record)) {
            // A code that may have been exchanged may have given tokens that nobody holds.
            (None, _) if record.exchange.as_ref().is_some_and(|exchange| exchange.attempt.begun) => {
                Ok(AtProvider::Unconfirmed)
            }
            (None, _) => Ok(AtProvider::NoTokens),
            (Some(_), None) => Ok(AtProvider::Unconfirmed),
            (Some(tokens), Some((_, asking))) => {
                self.book.change(key, |record| record?.with_revocation_asked(true)).await?;
                match asking.revoke(tokens).await {
                    Ok(Answer::Done) => Ok(AtProvider::Revoked),
                    Ok(Answer::NoWay) => Ok(AtProvider::Unsupported),
                    // It was asked before, by this worker or one that is no more: this is what came of it.
                    Ok(Answer::TokenEnded) if revocation.attempt.begun => Ok(AtProvider::Revoked),
                    Ok(Answer::TokenEnded) => {
                        self.book.change(key, |record| record?.with_revocation_asked(false)).await?;
                        if record.can_refresh_to_revoke() && self.refresh_to_revoke(key, record).await? {
                            return Ok(());
                        }
                        Err(TokenFailure::Refused("the access token has ended".to_owned()))
                    }
                    Err(failure @ TokenFailure::Misconfigured(_)) => {
                        self.complain(key, record, &failure);
                        Ok(AtProvider::Unconfirmed)
                    }
                    Err(failure) => Err(failure),
                }
            }
        };
        let now = (self.clock)();
        let at_provider = match asked {
            Ok(at_provider) => at_provider,
            Err(failure) if now.duration_since(revocation.since) < REVOCATION_TRIED_MAX => {
                note("revoke", "not_now");
                self.complain(key, record, &failure);
                let may_be_done = revocation.attempt.begun || matches!(failure, TokenFailure::Unknown(_));
                self.book.change(key, |record| record?.with_revocation_failed(may_be_done, now)).await?;
                return Ok(());
            }
            Err(_) => AtProvider::Unconfirmed,
        };
        note("revoke", "done");
        self.book.change(key, |record| record?.with_revoked(at_provider, now)).await?;
        Ok(())
    }

    /// Whether there are other tokens now, or none, to go on with.
    async fn refresh_to_revoke(&self, key: &RecordKey, record: &Record) -> Result<bool, Hindrance> {
        self.refresh(key, record).await?;
        let standing = self.book.read(key).await?;
        Ok(standing.is_none_or(|standing| standing.record.generation() != record.generation()))
    }

    /// Nothing is left but to ask the user.
    pub(super) async fn end(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
        let generation = record.generation();
        let reason = match record.tokens {
            Some(_) => ReauthReason::RefreshMissing,
            None => ReauthReason::TokensMissing,
        };
        note("end", "done");
        self.lose_tokens(key, generation, reason, false).await
    }

    fn complain(&self, key: &RecordKey, record: &Record, failure: &TokenFailure) {
        tracing::warn!(
            user = %key.user, connection = %key.connection, provider = record.provider, %failure,
            "a provider did not do what it was asked"
        );
    }
}

fn note(deed: &'static str, result: &'static str) {
    metrics::counter!("syncwell_connection_deeds_total", "deed" => deed, "result" => result).increment(1);
}
