//! The deeds. Each is done under a lease, so one worker at a time has a connection in hand; and what a deed is about is
//! written down before the request leaves, so that whoever takes over after a kill knows that it may have been done.

mod actions;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::{
    ConnectionActivated, ConnectionReauthNeeded, ConnectionRevoked, EventHeader, EventKind, LogAppender,
    NewEvent, SealedContent,
};
use jetstream::{LeaseError, Leases};
use jiff::Timestamp;
use keys::Pseudonymizer;
use providers::{Provider, ProviderRegistry};
use runtime::Clock;

use crate::connections::next_action::ConnectionAction;
use crate::connections::oauth::{OAuthClients, ProviderTokenClient};
use crate::connections::record::{ConnectionRecord, ConnectionRecordKey, PendingEvent, PendingEventKind};
use crate::connections::store::{ConnectionStore, ConnectionStoreError};
use crate::http_client::HttpClient;
use crate::lease_renewal::{LEASE_TTL, run_to_completion};

/// Deeds that one connection may have done in a row.
const ACTIONS_PER_LEASE_MAX: usize = 8;

/// Why a connection was left as it is for now.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExecutorError {
    /// Another worker has it in hand.
    #[error("another worker has the connection in hand")]
    LeaseHeld,
    /// Something can't be reached. Try again.
    #[error("something can't be reached")]
    Unavailable,
    /// Nothing can be done with it.
    #[error(transparent)]
    Store(ConnectionStoreError),
}

impl From<ConnectionStoreError> for ExecutorError {
    fn from(error: ConnectionStoreError) -> Self {
        match error {
            ConnectionStoreError::Unavailable => Self::Unavailable,
            ConnectionStoreError::Erased | ConnectionStoreError::Damaged(_) => Self::Store(error),
        }
    }
}

/// What doing takes.
pub(crate) struct ConnectionExecutor {
    pub(crate) connections: ConnectionStore,
    pub(crate) leases: Leases,
    pub(crate) log_appender: LogAppender,
    pub(crate) providers: Arc<ProviderRegistry>,
    pub(crate) oauth_clients: OAuthClients,
    pub(crate) http: HttpClient,
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) clock: Clock,
}

/// What one look at a connection came to.
enum ActionOutcome {
    Done,
    /// Nothing is due now.
    Idle {
        due_at: Option<Timestamp>,
    },
}

impl ConnectionExecutor {
    /// Does what is due with a connection, and tells when something is due next.
    pub(crate) async fn run_due_actions(
        &self,
        key: &ConnectionRecordKey,
    ) -> Result<Option<Timestamp>, ExecutorError> {
        let lease = self.leases.acquire(&format!("connection.{}", key.connection), LEASE_TTL).await;
        let lease = lease.map_err(|error| match error {
            LeaseError::Held => ExecutorError::LeaseHeld,
            LeaseError::Unavailable => ExecutorError::Unavailable,
        })?;
        let is_lost = AtomicBool::new(false);
        let working = async {
            for _ in 0..ACTIONS_PER_LEASE_MAX {
                let worked = self.run_next_action(key).await?;
                if let ActionOutcome::Idle { due_at: due } = worked {
                    return Ok(due);
                }
                // Another worker finds what was begun; nothing more is begun here.
                if is_lost.load(Ordering::Relaxed) {
                    return Err(ExecutorError::LeaseHeld);
                }
            }
            Ok(Some((self.clock)()))
        };
        run_to_completion(lease, &is_lost, working).await
    }

    /// One deed, if one is due.
    async fn run_next_action(&self, key: &ConnectionRecordKey) -> Result<ActionOutcome, ExecutorError> {
        let Some(standing) = self.connections.get(key).await? else {
            return Ok(ActionOutcome::Idle { due_at: None });
        };
        let record = standing.record;
        let Some((deed, due)) = record.next_action().filter(|(_, due)| *due <= (self.clock)()) else {
            return Ok(ActionOutcome::Idle { due_at: record.due_at() });
        };
        tracing::debug!(user = %key.user, connection = %key.connection, action = ?deed, due_at = %due, "a deed");
        match (deed, &record.exchange, &record.pending_event) {
            (ConnectionAction::AppendEvent, _, Some(tell)) => self.tell(key, &record, tell).await?,
            (ConnectionAction::ExchangeCode, Some(exchange), _) => {
                self.exchange_code(key, &record, exchange).await?
            }
            (ConnectionAction::RevokeTokens, ..) => self.revoke_tokens(key, &record).await?,
            (ConnectionAction::RefreshTokens, ..) => self.refresh_tokens(key, &record).await?,
            (ConnectionAction::RequireReauth, ..) => self.require_reauth(key, &record).await?,
            (ConnectionAction::AppendEvent | ConnectionAction::ExchangeCode, ..) => {
                unreachable!("BUG: what is due is there")
            }
        }
        Ok(ActionOutcome::Done)
    }

    /// The provider, and who this installation is there.
    fn provider_client(
        &self,
        record: &ConnectionRecord,
    ) -> Option<(&Arc<Provider>, ProviderTokenClient<'_>)> {
        let provider = self.providers.get(&record.provider)?;
        let asking = ProviderTokenClient {
            oauth: provider.oauth.as_ref()?,
            oauth_client: self.oauth_clients.get(&record.provider)?,
            http: &self.http,
            clock: self.clock,
        };
        Some((provider, asking))
    }

    /// Appends what came of it: the same event again and again until the log has it.
    async fn tell(
        &self,
        key: &ConnectionRecordKey,
        record: &ConnectionRecord,
        tell: &PendingEvent,
    ) -> Result<(), ExecutorError> {
        let data_key = self.connections.data_key(key, record).await?;
        let (connection_id, tokens) = (key.connection, record.tokens.as_ref());
        let head = |kind| EventHeader {
            id: tell.event_id,
            kind,
            user: key.user,
            time: tell.time,
            key_id: Some(data_key.id()),
        };
        let bytes = match tell.kind {
            PendingEventKind::Activated => {
                let provider_user = tokens.and_then(|tokens| tokens.provider_user.as_deref());
                let named =
                    provider_user.map(|user| self.pseudonyms.provider_user_ref(&record.provider, Some(user)));
                ConnectionActivated {
                    connection_id,
                    scopes: tokens.and_then(|tokens| tokens.scopes.clone()),
                    provider_user_ref: named,
                    access_until: tokens.and_then(|tokens| tokens.access_until),
                }
                .seal(&head(EventKind::ConnectionActivatedV1), &data_key)
            }
            PendingEventKind::ReauthNeeded(reason) => ConnectionReauthNeeded { connection_id, reason }
                .seal(&head(EventKind::ConnectionReauthNeededV1), &data_key),
            PendingEventKind::Revoked(at_provider) => ConnectionRevoked { connection_id, at_provider }
                .seal(&head(EventKind::ConnectionRevokedV1), &data_key),
        };
        let outcome_to = tell.outcome_to.as_ref().and_then(|to| to.parse().ok());
        let event = NewEvent { id: tell.event_id, user: key.user, bytes, outcome_to };
        let appended = self.log_appender.append(event).await.map_err(|_| ExecutorError::Unavailable)?;
        let sequence = appended.sequence.get();
        self.connections.update(key, |record| record?.with_event_appended(tell.event_id, sequence)).await?;
        Ok(())
    }
}
