//! The deeds. Each is done under a lease, so one worker at a time has a connection in hand; and what a deed is about is
//! written down before the request leaves, so that whoever takes over after a kill knows that it may have been done.

mod deeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use events::{
    ConnectionActivated, ConnectionReauthNeeded, ConnectionRevoked, EventKind, Head, LogAppender, NewEvent,
    SealedContent,
};
use jetstream::{LeaseError, Leases};
use jiff::Timestamp;
use keys::Pseudonymizer;
use providers::{Provider, Providers};

use crate::Clock;
use crate::book::{Book, BookError};
use crate::due::Deed;
use crate::holding::{LEASE_TTL, to_the_end};
use crate::oauth::Asking;
use crate::outgoing::Outgoing;
use crate::record::{Record, RecordKey, Tell, Told};
use crate::worker::OAuthClients;

/// Deeds that one connection may have done in a row.
const DEEDS_MAX: usize = 8;

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
    pub(crate) pseudonyms: Pseudonymizer,
    pub(crate) clock: Clock,
}

/// What one look at a connection came to.
enum Worked {
    Something,
    /// Nothing is due now.
    Nothing {
        due: Option<Timestamp>,
    },
}

impl Hands {
    /// Does what is due with a connection, and tells when something is due next.
    pub(crate) async fn work(&self, key: &RecordKey) -> Result<Option<Timestamp>, Hindrance> {
        let lease = self.leases.acquire(&format!("connection.{}", key.connection), LEASE_TTL).await;
        let lease = lease.map_err(|error| match error {
            LeaseError::Held => Hindrance::Held,
            LeaseError::Unavailable => Hindrance::Unavailable,
        })?;
        let is_lost = AtomicBool::new(false);
        let working = async {
            for _ in 0..DEEDS_MAX {
                let worked = self.work_once(key).await?;
                if let Worked::Nothing { due } = worked {
                    return Ok(due);
                }
                // Another worker finds what was begun; nothing more is begun here.
                if is_lost.load(Ordering::Relaxed) {
                    return Err(Hindrance::Held);
                }
            }
            Ok(Some((self.clock)()))
        };
        to_the_end(lease, &is_lost, working).await
    }

    /// One deed, if one is due.
    async fn work_once(&self, key: &RecordKey) -> Result<Worked, Hindrance> {
        let Some(standing) = self.book.read(key).await? else { return Ok(Worked::Nothing { due: None }) };
        let record = standing.record;
        let Some((deed, due)) = record.next().filter(|(_, due)| *due <= (self.clock)()) else {
            return Ok(Worked::Nothing { due: record.due() });
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
        Ok(Worked::Something)
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
                    provider_user.map(|user| self.pseudonyms.provider_user_ref(&record.provider, Some(user)));
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
}
