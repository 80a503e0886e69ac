//! What is done at a provider: a code exchanged, a pair refreshed, tokens revoked.

use jiff::SignedDuration;
use providers::Refresh;
use schemas::{AtProvider, ReauthReason};
use vault::OAuthState;
use zeroize::Zeroizing;

use super::{Hands, Hindrance};
use crate::laying::CODE_AGE_MAX;
use crate::oauth::TokenFailure;
use crate::record::{Command, Exchange, Record, RecordKey};

/// How long a provider is asked to revoke; then the tokens are destroyed all the same.
const REVOCATION_TRIED_MAX: SignedDuration = SignedDuration::from_hours(24);

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
        let verifier = exchange.state.parse::<OAuthState>().map(|state| state.verifier(&self.pseudonyms));
        let verifier = verifier.unwrap_or_else(|_| Zeroizing::new(String::new()));
        match asking.exchange(exchange, &record.redirect_uri, verifier).await {
            Ok(granted) => {
                note("exchange", "done");
                let now = (self.clock)();
                self.book.change(key, |record| Some(record?.with_exchanged(command, &granted, now))).await?;
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
                let changed = record?.begin_refresh(generation);
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
                self.book.change(key, change).await?;
            }
            Err(failure @ TokenFailure::Refused(_)) => {
                note("refresh", "refused");
                self.complain(key, record, &failure);
                self.lose_tokens(key, generation, ReauthReason::RefreshRefused, true).await?;
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
            let record = record.clone().begin_refresh(generation).unwrap_or(record);
            record.with_refresh_kept(generation, now)
        };
        self.book.change(key, change).await?;
        Ok(())
    }

    pub(super) async fn revoke(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
        let asked = match (&record.tokens, self.provider(record)) {
            (None, _) => Ok(AtProvider::NoTokens),
            (Some(_), None) => Ok(AtProvider::Unconfirmed),
            (Some(tokens), Some((_, asking))) => match asking.revoke(tokens).await {
                Ok(true) => Ok(AtProvider::Revoked),
                Ok(false) => Ok(AtProvider::Unsupported),
                Err(failure @ TokenFailure::Misconfigured(_)) => {
                    self.complain(key, record, &failure);
                    Ok(AtProvider::Unconfirmed)
                }
                Err(failure) => Err(failure),
            },
        };
        let now = (self.clock)();
        let since = record.revocation.as_ref().map_or(now, |revocation| revocation.since);
        let at_provider = match asked {
            Ok(at_provider) => at_provider,
            Err(failure) if now.duration_since(since) < REVOCATION_TRIED_MAX => {
                note("revoke", "not_now");
                self.complain(key, record, &failure);
                self.book.change(key, |record| record?.with_revocation_failed(now)).await?;
                return Ok(());
            }
            Err(_) => AtProvider::Unconfirmed,
        };
        note("revoke", "done");
        self.book.change(key, |record| record?.with_revoked(at_provider, now)).await?;
        Ok(())
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
