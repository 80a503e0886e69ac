//! The deeds. Each is done under a lease, so one worker at a time has a connection in hand; and what a deed is about is
//! written down before the request leaves, so that whoever takes over after a kill knows that it may have been done.

use std::sync::Arc;
use std::time::Duration;

use events::{
    ConnectionActivated, ConnectionReauthNeeded, ConnectionRevoked, EventKind, Head, LogAppender, NewEvent,
    SealedContent,
};
use jiff::SignedDuration;
use providers::{Provider, Providers, Refresh};
use schemas::{AtProvider, ReauthReason};
use stream::{LeaseError, Leases};
use vault::{OAuthState, Pseudonyms};
use zeroize::Zeroizing;

use crate::Clock;
use crate::book::{Book, BookError};
use crate::due::Deed;
use crate::laying::CODE_AGE_MAX;
use crate::oauth::{Asking, TokenFailure};
use crate::outgoing::Outgoing;
use crate::record::{Command, Exchange, Record, RecordKey, Tell, Told};
use crate::worker::OAuthClients;

/// How long a lease lasts that nobody renews: so long a connection waits whose worker was killed.
const LEASE_TTL: Duration = Duration::from_secs(10);
/// A lease is renewed as often, while a deed goes on.
const LEASE_RENEWAL: Duration = Duration::from_secs(3);
/// Deeds that one connection may have done in a row.
const DEEDS_MAX: usize = 8;
/// How long a provider is asked to revoke; then the tokens are destroyed all the same.
const REVOCATION_TRIED_MAX: SignedDuration = SignedDuration::from_hours(24);

/// Why a connection was left as it is for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Hindrance {
    /// Another worker has it in hand.
    #[error("another worker has the connection in hand")]
    Held,
    /// Something can't be reached. Try again.
    #[error("something can't be reached")]
    Unavailable,
    /// Nothing can be done with it.
    #[error(transparent)]
    Book(BookError),
}

impl From<BookError> for Hindrance {
    fn from(error: BookError) -> Self {
        match error {
            BookError::Unavailable => Self::Unavailable,
            BookError::Erased | BookError::Damaged(_) => Self::Book(error),
        }
    }
}

/// What doing takes.
pub(crate) struct Hands {
    pub(crate) book: Book,
    pub(crate) leases: Leases,
    pub(crate) log: LogAppender,
    pub(crate) providers: Arc<Providers>,
    pub(crate) clients: OAuthClients,
    pub(crate) outgoing: Outgoing,
    pub(crate) pseudonyms: Pseudonyms,
    pub(crate) clock: Clock,
}

impl Hands {
    /// Does what is due with a connection.
    pub(crate) async fn work(&self, key: &RecordKey) -> Result<(), Hindrance> {
        let lease = self.leases.take(&format!("connection.{}", key.connection), LEASE_TTL).await;
        let mut lease = lease.map_err(|error| match error {
            LeaseError::Held => Hindrance::Held,
            LeaseError::Unavailable => Hindrance::Unavailable,
        })?;
        let working = async {
            for _ in 0..DEEDS_MAX {
                if !self.work_once(key).await? {
                    break;
                }
            }
            Ok(())
        };
        tokio::pin!(working);
        let worked = loop {
            tokio::select! {
                worked = &mut working => break worked,
                () = tokio::time::sleep(LEASE_RENEWAL) => {
                    // Lost: another worker finds what was begun. What this one still learns it writes by compare-and-set.
                    if let Err(error) = lease.renew().await {
                        tracing::warn!(error = &error as &dyn std::error::Error, connection = %key.connection, "a lease was not renewed");
                    }
                }
            }
        };
        lease.release().await;
        worked
    }

    /// One deed, if one is due.
    async fn work_once(&self, key: &RecordKey) -> Result<bool, Hindrance> {
        let Some(standing) = self.book.read(key).await? else { return Ok(false) };
        let record = standing.record;
        let Some((deed, due)) = record.next().filter(|(_, due)| *due <= (self.clock)()) else {
            return Ok(false);
        };
        tracing::debug!(user = %key.user, connection = %key.connection, ?deed, %due, "a deed");
        match (deed, &record.exchange, &record.tell) {
            (Deed::Tell, _, Some(tell)) => self.tell(key, &record, tell).await?,
            (Deed::Exchange, Some(exchange), _) => self.exchange(key, &record, exchange).await?,
            (Deed::Revoke, ..) => self.revoke(key, &record).await?,
            (Deed::Refresh, ..) => self.refresh(key, &record).await?,
            (Deed::End, ..) => self.end(key, &record).await?,
            (Deed::Tell | Deed::Exchange, ..) => unreachable!("BUG: what is due is there"),
        }
        Ok(true)
    }

    /// The provider, and who this installation is there.
    fn provider(&self, record: &Record) -> Option<(&Arc<Provider>, Asking<'_>)> {
        let provider = self.providers.get(&record.provider)?;
        let asking = Asking {
            oauth: provider.oauth.as_ref()?,
            client: self.clients.get(&record.provider)?,
            outgoing: &self.outgoing,
            clock: self.clock,
        };
        Some((provider, asking))
    }

    async fn exchange(&self, key: &RecordKey, record: &Record, exchange: &Exchange) -> Result<(), Hindrance> {
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

    async fn refresh(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
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

    async fn revoke(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
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
    async fn end(&self, key: &RecordKey, record: &Record) -> Result<(), Hindrance> {
        let generation = record.generation();
        let reason = match record.tokens {
            Some(_) => ReauthReason::RefreshMissing,
            None => ReauthReason::TokensMissing,
        };
        note("end", "done");
        self.lose_tokens(key, generation, reason, false).await
    }

    /// Appends what came of it: the same event again and again until the log has it.
    async fn tell(&self, key: &RecordKey, record: &Record, tell: &Tell) -> Result<(), Hindrance> {
        let data_key = self.book.data_key(key, record).await?;
        let (connection_id, tokens) = (key.connection, record.tokens.as_ref());
        let head = |kind| Head {
            id: tell.event_id,
            kind,
            user: key.user,
            time: tell.time,
            key_id: Some(data_key.id()),
        };
        let bytes = match tell.what {
            Told::Activated => {
                let provider_user = tokens.and_then(|tokens| tokens.provider_user.as_deref());
                let named =
                    provider_user.map(|user| self.pseudonyms.provider_user(&record.provider, Some(user)));
                ConnectionActivated {
                    connection_id,
                    scopes: tokens.and_then(|tokens| tokens.scopes.clone()),
                    provider_user_ref: named.map(|user| user.to_string()),
                    access_until: tokens.and_then(|tokens| tokens.access_until),
                }
                .seal(&head(EventKind::ConnectionActivatedV1), &data_key)
            }
            Told::ReauthNeeded(reason) => ConnectionReauthNeeded { connection_id, reason }
                .seal(&head(EventKind::ConnectionReauthNeededV1), &data_key),
            Told::Revoked(at_provider) => ConnectionRevoked { connection_id, at_provider }
                .seal(&head(EventKind::ConnectionRevokedV1), &data_key),
        };
        let outcome_to = tell.outcome_to.as_ref().and_then(|to| to.parse().ok());
        let event = NewEvent { id: tell.event_id, user: key.user, bytes, outcome_to };
        let appended = self.log.append(event).await.map_err(|_| Hindrance::Unavailable)?;
        let sequence = appended.sequence.get();
        self.book.change(key, |record| record?.with_told(tell.event_id, sequence)).await?;
        Ok(())
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
