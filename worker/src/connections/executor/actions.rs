//! What is done at a provider: a code exchanged, a pair refreshed, tokens revoked.

use std::time::Duration;

use jiff::SignedDuration;
use keys::OAuthState;
use providers::RefreshTokenPolicy;
use schemas::{ProviderRevocation, ReauthReason};
use tokio::time::sleep;
use zeroize::Zeroizing;

use super::{ConnectionExecutor, ExecutorError};
use crate::connections::oauth::{RevocationOutcome, TokenRequestError};
use crate::connections::record::{CommandRef, ConnectionRecord, ConnectionRecordKey, PendingExchange};
use crate::connections::reducer::CODE_AGE_MAX;
use crate::connections::store::ConnectionStoreError;

/// How long a provider is asked to revoke; then the tokens are destroyed all the same.
const REVOCATION_RETRY_WINDOW: SignedDuration = SignedDuration::from_hours(24);
/// Between two attempts to write down what a provider gave.
const STORE_RETRY_INTERVAL: Duration = Duration::from_millis(500);

impl ConnectionExecutor {
    pub(super) async fn exchange_code(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
        exchange: &PendingExchange,
    ) -> Result<(), ExecutorError> {
        let command = &exchange.command;
        if exchange.attempt.is_started {
            // By a worker that is no more: a code is good for one exchange, and it may have been exchanged.
            return self.record_code_lost(key, command, ReauthReason::ExchangeUnknown).await;
        }
        let is_late = (self.clock)().duration_since(exchange.since) > CODE_AGE_MAX;
        let Some((_, asking)) = self.provider_client(record).filter(|_| !is_late) else {
            return self.record_code_lost(key, command, ReauthReason::ExchangeRefused).await;
        };
        let mut begun = false;
        self.connections
            .update(key, |record| {
                let changed = record?.start_exchange(command);
                begun = changed.is_some();
                changed
            })
            .await?;
        if !begun {
            return Ok(());
        }
        let verifier =
            exchange.state.parse::<OAuthState>().map(|state| state.code_verifier(&self.pseudonyms));
        let verifier = verifier.unwrap_or_else(|_| Zeroizing::new(String::new()));
        match asking.exchange_code(exchange, &record.redirect_uri, verifier).await {
            Ok(granted) => {
                count_action("exchange", "done");
                let now = (self.clock)();
                self.update_until_stored(key, |record| {
                    Some(record?.with_exchanged_tokens(command, &granted, now))
                })
                .await?;
                // Asked once the tokens are safe: they are given once, and who has them can be asked again.
                if granted.provider_user.is_none()
                    && let Some(user) = asking.fetch_provider_user(&granted.access).await
                {
                    self.record_provider_user(key, &granted.access, &user).await?;
                }
            }
            Err(TokenRequestError::Unavailable) => {
                count_action("exchange", "unavailable");
                let now = (self.clock)();
                self.connections.update(key, |record| record?.with_exchange_retry(command, now)).await?;
            }
            Err(failure @ TokenRequestError::OutcomeUnknown(_)) => {
                self.log_failure(key, record, &failure);
                self.record_code_lost(key, command, ReauthReason::ExchangeUnknown).await?;
            }
            Err(failure @ (TokenRequestError::Refused(_) | TokenRequestError::Misconfigured(_))) => {
                self.log_failure(key, record, &failure);
                self.record_code_lost(key, command, ReauthReason::ExchangeRefused).await?;
            }
        }
        Ok(())
    }

    async fn record_code_lost(
        &self,
        key: &ConnectionRecordKey,
        command: &CommandRef,
        reason: ReauthReason,
    ) -> Result<(), ExecutorError> {
        count_action("exchange", if reason == ReauthReason::ExchangeUnknown { "unknown" } else { "refused" });
        let now = (self.clock)();
        self.connections.update(key, |record| record?.with_code_lost(command, reason, now)).await?;
        Ok(())
    }

    async fn record_provider_user(
        &self,
        key: &ConnectionRecordKey,
        access: &str,
        user: &str,
    ) -> Result<(), ExecutorError> {
        let change = |record: Option<ConnectionRecord>| {
            let record = record?;
            let tokens = record.tokens.as_ref().filter(|tokens| tokens.access == access)?;
            let generation = tokens.generation;
            record.with_provider_user(generation, user)
        };
        self.connections.update(key, change).await?;
        Ok(())
    }

    /// Writes down what a provider gave, however long that takes: it is given once, and nobody else has it.
    async fn update_until_stored(
        &self,
        key: &ConnectionRecordKey,
        mut change: impl FnMut(Option<ConnectionRecord>) -> Option<ConnectionRecord>,
    ) -> Result<(), ExecutorError> {
        loop {
            match self.connections.update(key, &mut change).await {
                Ok(_) => return Ok(()),
                Err(ConnectionStoreError::Unavailable) => sleep(STORE_RETRY_INTERVAL).await,
                Err(error @ (ConnectionStoreError::Erased | ConnectionStoreError::Damaged(_))) => {
                    return Err(error.into());
                }
            }
        }
    }

    /// `destroyed`: the pair is not even good for revoking it.
    async fn record_tokens_lost(
        &self,
        key: &ConnectionRecordKey,
        generation: u64,
        reason: ReauthReason,
        destroyed: bool,
    ) -> Result<(), ExecutorError> {
        let now = (self.clock)();
        let change =
            |record: Option<ConnectionRecord>| record?.with_tokens_lost(generation, reason, destroyed, now);
        self.connections.update(key, change).await?;
        Ok(())
    }

    pub(super) async fn refresh_tokens(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
    ) -> Result<(), ExecutorError> {
        let generation = record.generation();
        let Some(refresh) = record.tokens.as_ref().and_then(|tokens| tokens.refresh.as_deref()) else {
            return Ok(());
        };
        let Some((provider, asking)) = self.provider_client(record) else {
            tracing::error!(
                provider = record.provider,
                "a connection's provider is not configured any more; its tokens end"
            );
            self.schedule_refresh_retry(key, generation, "not_configured").await?;
            return Ok(());
        };
        let behaviour =
            provider.oauth.as_ref().map_or(RefreshTokenPolicy::SingleUse, |oauth| oauth.refresh_policy);
        if behaviour == RefreshTokenPolicy::SingleUse
            && record.refresh.as_ref().is_some_and(|attempt| attempt.is_started)
        {
            // By a worker that is no more. The pair is kept for revoking it, and not used.
            count_action("refresh", "unknown");
            return self.record_tokens_lost(key, generation, ReauthReason::RefreshUnknown, false).await;
        }
        let mut begun = false;
        self.connections
            .update(key, |record| {
                let changed = record?.start_refresh(generation, behaviour == RefreshTokenPolicy::SingleUse);
                begun = changed.is_some();
                changed
            })
            .await?;
        if !begun {
            return Ok(());
        }
        match asking.refresh(refresh).await {
            Ok(granted) => {
                count_action("refresh", "done");
                let (now, keeps) = ((self.clock)(), behaviour != RefreshTokenPolicy::SingleUse);
                let change = |record: Option<ConnectionRecord>| {
                    record?.with_refreshed_tokens(generation, &granted, keeps, now)
                };
                self.update_until_stored(key, change).await?;
            }
            Err(failure @ TokenRequestError::Refused(_)) => {
                count_action("refresh", "refused");
                self.log_failure(key, record, &failure);
                // Whatever else a provider means by a refusal, only this says that the pair is no good for anything.
                let destroyed = failure == TokenRequestError::Refused("invalid_grant".to_owned());
                self.record_tokens_lost(key, generation, ReauthReason::RefreshRefused, destroyed).await?;
            }
            Err(failure @ TokenRequestError::OutcomeUnknown(_))
                if behaviour == RefreshTokenPolicy::SingleUse =>
            {
                count_action("refresh", "unknown");
                self.log_failure(key, record, &failure);
                self.record_tokens_lost(key, generation, ReauthReason::RefreshUnknown, false).await?;
            }
            Err(
                failure @ (TokenRequestError::OutcomeUnknown(_)
                | TokenRequestError::Unavailable
                | TokenRequestError::Misconfigured(_)),
            ) => {
                self.log_failure(key, record, &failure);
                self.schedule_refresh_retry(key, generation, "unavailable").await?;
            }
        }
        Ok(())
    }

    async fn schedule_refresh_retry(
        &self,
        key: &ConnectionRecordKey,
        generation: u64,
        result: &'static str,
    ) -> Result<(), ExecutorError> {
        count_action("refresh", result);
        let now = (self.clock)();
        let change = |record: Option<ConnectionRecord>| {
            let record = record?;
            // Where it was not even begun, the attempt is written down now.
            let record = record.clone().start_refresh(generation, false).unwrap_or(record);
            record.with_refresh_retry(generation, now)
        };
        self.connections.update(key, change).await?;
        Ok(())
    }

    pub(super) async fn revoke_tokens(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
    ) -> Result<(), ExecutorError> {
        let Some(revocation) = &record.revocation else { return Ok(()) };
        let asked = match (&record.tokens, self.provider_client(record)) {
            // A code that may have been exchanged may have given tokens that nobody holds.
            (None, _) if record.exchange.as_ref().is_some_and(|exchange| exchange.attempt.is_started) => {
                Ok(ProviderRevocation::Unconfirmed)
            }
            (None, _) => Ok(ProviderRevocation::NoTokens),
            (Some(_), None) => Ok(ProviderRevocation::Unconfirmed),
            (Some(tokens), Some((_, asking))) => {
                self.connections.update(key, |record| record?.with_revocation_sent(true)).await?;
                match asking.revoke_tokens(tokens).await {
                    Ok(RevocationOutcome::Revoked) => Ok(ProviderRevocation::Revoked),
                    Ok(RevocationOutcome::Unsupported) => Ok(ProviderRevocation::Unsupported),
                    // It was asked before, by this worker or one that is no more: this is what came of it.
                    Ok(RevocationOutcome::AccessTokenInvalid) if revocation.attempt.is_started => {
                        Ok(ProviderRevocation::Revoked)
                    }
                    Ok(RevocationOutcome::AccessTokenInvalid) => {
                        self.connections.update(key, |record| record?.with_revocation_sent(false)).await?;
                        if record.can_refresh_to_revoke() && self.refresh_to_revoke(key, record).await? {
                            return Ok(());
                        }
                        Err(TokenRequestError::Refused("the access token has ended".to_owned()))
                    }
                    Err(failure @ TokenRequestError::Misconfigured(_)) => {
                        self.log_failure(key, record, &failure);
                        Ok(ProviderRevocation::Unconfirmed)
                    }
                    Err(failure) => Err(failure),
                }
            }
        };
        let now = (self.clock)();
        let at_provider = match asked {
            Ok(at_provider) => at_provider,
            Err(failure) if now.duration_since(revocation.since) < REVOCATION_RETRY_WINDOW => {
                count_action("revoke", "unavailable");
                self.log_failure(key, record, &failure);
                let may_be_done =
                    revocation.attempt.is_started || matches!(failure, TokenRequestError::OutcomeUnknown(_));
                self.connections
                    .update(key, |record| record?.with_revocation_retry(may_be_done, now))
                    .await?;
                return Ok(());
            }
            Err(_) => ProviderRevocation::Unconfirmed,
        };
        count_action("revoke", "done");
        self.connections.update(key, |record| record?.with_revoked(at_provider, now)).await?;
        Ok(())
    }

    /// Whether there are other tokens now, or none, to go on with.
    async fn refresh_to_revoke(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
    ) -> Result<bool, ExecutorError> {
        self.refresh_tokens(key, record).await?;
        let standing = self.connections.get(key).await?;
        Ok(standing.is_none_or(|standing| standing.record.generation() != record.generation()))
    }

    /// Nothing is left but to ask the user.
    pub(super) async fn require_reauth(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
    ) -> Result<(), ExecutorError> {
        let generation = record.generation();
        let reason = match record.tokens {
            Some(_) => ReauthReason::RefreshMissing,
            None => ReauthReason::TokensMissing,
        };
        count_action("require_reauth", "done");
        self.record_tokens_lost(key, generation, reason, false).await
    }

    fn log_failure(&self, key: &ConnectionRecordKey, record: &ConnectionRecord, failure: &TokenRequestError) {
        tracing::warn!(
            user = %key.user, connection = %key.connection, provider = record.provider, error = %failure,
            "a provider did not do what it was asked"
        );
    }
}

fn count_action(deed: &'static str, result: &'static str) {
    metrics::counter!("syncwell_connection_actions_total", "action" => deed, "result" => result).increment(1);
}
