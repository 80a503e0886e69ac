//! What an event does to a record: pure, so that every worker that reads the log lays the same.
//!
//! The worker's own events are laid too. They tell nothing new to a record that is there; to one that was lost with the
//! broker's disk they tell that there were tokens, and that the user has to be asked again.

use events::{ConnectionAuthorized, ConnectionRequested, Event, answer_id, new_event_id};
use jiff::{SignedDuration, Timestamp};
use keys::{ConnectionId, DataKeyId};
use schemas::{ConnectionStatus, ConnectionStep, EventId};

use crate::record::{Attempt, Command, Exchange, Record, Revocation};

/// A code that was brought longer ago is not exchanged any more: no provider's code lives longer, and a worker that reads
/// the log again from its beginning must not use codes of the past.
pub(crate) const CODE_AGE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Where and when an event stands.
pub(crate) struct At {
    pub(crate) sequence: u64,
    pub(crate) event_id: EventId,
    pub(crate) outcome_to: Option<String>,
    pub(crate) received: Timestamp,
    pub(crate) key_id: DataKeyId,
    pub(crate) now: Timestamp,
}

/// What an event says of a connection.
pub(crate) enum Said<'e> {
    Requested(&'e ConnectionRequested),
    Authorized(&'e ConnectionAuthorized),
    ReauthRequested,
    RevocationRequested,
    Activated,
    ReauthNeeded,
    Revoked,
}

impl<'e> Said<'e> {
    /// Of which connection, and what.
    pub(crate) fn of(event: &'e Event) -> Option<(ConnectionId, Self)> {
        Some(match event {
            Event::ConnectionRequested(content) => (content.connection_id, Self::Requested(content)),
            Event::ConnectionAuthorized(content) => (content.connection_id, Self::Authorized(content)),
            Event::ConnectionReauthRequested(content) => (content.connection_id, Self::ReauthRequested),
            Event::ConnectionRevocationRequested(content) => {
                (content.connection_id, Self::RevocationRequested)
            }
            Event::ConnectionActivated(content) => (content.connection_id, Self::Activated),
            Event::ConnectionReauthNeeded(content) => (content.connection_id, Self::ReauthNeeded),
            Event::ConnectionRevoked(content) => (content.connection_id, Self::Revoked),
            Event::SummaryReceived(_)
            | Event::DeviceReported(_)
            | Event::DeviceEnrolled(_)
            | Event::DeviceRevoked(_)
            | Event::WebhookReceived(_)
            | Event::BreakGlass(_)
            | Event::AccessRecorded(_)
            | Event::EventDiscarded(_)
            | Event::RetentionApplied(_)
            | Event::ExportRequested(_)
            | Event::ExportReady(_)
            | Event::ExportFailed(_)
            | Event::Erasure(_) => return None,
        })
    }

    fn step(&self) -> ConnectionStep {
        match self {
            Self::Requested(_) => ConnectionStep::Requested,
            Self::Authorized(_) => ConnectionStep::Authorized,
            Self::ReauthRequested => ConnectionStep::ReauthRequested,
            Self::RevocationRequested => ConnectionStep::RevocationRequested,
            Self::Activated => ConnectionStep::Activated,
            Self::ReauthNeeded => ConnectionStep::ReauthNeeded,
            Self::Revoked => ConnectionStep::Revoked,
        }
    }

    /// Whether the worker appended it.
    pub(crate) fn is_own(&self) -> bool {
        match self {
            Self::Activated | Self::ReauthNeeded | Self::Revoked => true,
            Self::Requested(_) | Self::Authorized(_) | Self::ReauthRequested | Self::RevocationRequested => {
                false
            }
        }
    }
}

/// Lays an event into a record. `None` where it changes nothing.
pub(crate) fn lay(record: Option<Record>, said: &Said<'_>, at: &At) -> Option<Record> {
    if record.as_ref().is_some_and(|record| record.knows(said, at)) {
        return None;
    }
    let command = || Command { event_id: at.event_id, outcome_to: at.outcome_to.clone() };
    let status = ConnectionStatus::after(record.as_ref().map(|record| record.status), said.step())?;
    let before = record.clone();
    let mut record = match (record, said) {
        (Some(record), _) => record,
        (None, Said::Requested(requested)) => first(requested, status),
        (None, _) => return None,
    };
    record.status = status;
    match said {
        Said::Requested(_) | Said::ReauthRequested => {}
        Said::Authorized(authorized) => {
            record.exchange = Some(Exchange {
                code: authorized.code.clone(),
                state: authorized.state.clone(),
                code_verifier: authorized.code_verifier.clone(),
                command: command(),
                since: at.received,
                attempt: Attempt {
                    begun: at.now.duration_since(at.received) > CODE_AGE_MAX,
                    ..Attempt::NONE
                },
            });
        }
        Said::RevocationRequested => {
            // Asked again, the first request goes on, and whoever asked last is told.
            let revocation = record.revocation.get_or_insert_with(|| Revocation {
                command: command(),
                since: at.received,
                attempt: Attempt::NONE,
            });
            revocation.command = command();
        }
        Said::Activated | Said::ReauthNeeded => {
            record.exchange.take_if(|exchange| answer_id(exchange.command.event_id) == at.event_id);
        }
        Said::Revoked => {
            (record.tokens, record.exchange, record.refresh, record.revocation) = (None, None, None, None);
        }
    }
    if before.as_ref() == Some(&record) {
        return None;
    }
    let laid = if said.is_own() { &mut record.told } else { &mut record.sequence };
    *laid = at.sequence;
    record.key_id = at.key_id.to_string();
    Some(record)
}

/// Ends a connection because its account ends: it is revoked as if its user had asked for that. `None` where it is already.
pub(crate) fn end(record: Option<Record>, now: Timestamp) -> Option<Record> {
    let mut record = record?;
    let step = ConnectionStep::RevocationRequested;
    if record.status == ConnectionStatus::Revoking && record.revocation.is_some() {
        return None;
    }
    record.status = ConnectionStatus::after(Some(record.status), step)?;
    record.revocation.get_or_insert_with(|| Revocation {
        command: Command { event_id: new_event_id(now), outcome_to: None },
        since: now,
        attempt: Attempt::NONE,
    });
    Some(record)
}

fn first(requested: &ConnectionRequested, status: ConnectionStatus) -> Record {
    Record {
        provider: requested.provider.clone(),
        redirect_uri: requested.redirect_uri.clone(),
        status,
        sequence: 0,
        told: 0,
        key_id: String::new(),
        pairs: 0,
        tokens: None,
        exchange: None,
        refresh: None,
        revocation: None,
        tell: None,
    }
}

impl Record {
    /// Whether the event is in the record already. The worker's own are there before they are in the log, and must not be
    /// laid over what was done since.
    fn knows(&self, said: &Said<'_>, at: &At) -> bool {
        if said.is_own() {
            // While something is still to be told the record is ahead of the log.
            self.told >= at.sequence || self.tell.is_some()
        } else {
            self.sequence >= at.sequence
        }
    }
}

#[cfg(test)]
mod tests;
