//! What an event does to a record: pure, so that every worker that reads the log lays the same.
//!
//! The worker's own events are laid too. They tell nothing new to a record that is there; to one that was lost with the
//! broker's disk they tell that there were tokens, and that the user has to be asked again.

use events::{ConnectionEvent, ConnectionRequested, new_event_id, result_event_id};
use jiff::{SignedDuration, Timestamp};
use keys::DataKeyId;
use schemas::{ConnectionStatus, ConnectionTransition, EventId};

use crate::connections::record::{
    CommandRef, ConnectionRecord, PendingExchange, PendingRevocation, RequestAttempt,
};

/// A code that was brought longer ago is not exchanged any more: no provider's code lives longer, and a worker that reads
/// the log again from its beginning must not use codes of the past.
pub(crate) const CODE_AGE_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Where and when an event stands.
pub(crate) struct EventContext {
    pub(crate) sequence: u64,
    pub(crate) event_id: EventId,
    pub(crate) outcome_to: Option<String>,
    pub(crate) received_at: Timestamp,
    pub(crate) key_id: DataKeyId,
    pub(crate) now: Timestamp,
}

/// Applies an event to a record. `None` if it changes nothing.
pub(crate) fn apply(
    record: Option<ConnectionRecord>,
    event: &ConnectionEvent,
    at: &EventContext,
) -> Option<ConnectionRecord> {
    if record.as_ref().is_some_and(|record| record.has_applied(event, at)) {
        return None;
    }
    let command = || CommandRef { event_id: at.event_id, outcome_to: at.outcome_to.clone() };
    let status = ConnectionStatus::next(record.as_ref().map(|record| record.status), event.transition())?;
    let before = record.clone();
    let mut record = match (record, event) {
        (Some(record), _) => record,
        (None, ConnectionEvent::Requested(requested)) => new_record(requested, status),
        (None, _) => return None,
    };
    record.status = status;
    match event {
        ConnectionEvent::Requested(_) | ConnectionEvent::ReauthRequested(_) => {}
        ConnectionEvent::Authorized(authorized) => {
            record.exchange = Some(PendingExchange {
                code: authorized.code.clone(),
                state: authorized.state.clone(),
                code_verifier: authorized.code_verifier.clone(),
                command: command(),
                since: at.received_at,
                attempt: RequestAttempt {
                    is_started: at.now.duration_since(at.received_at) > CODE_AGE_MAX,
                    ..RequestAttempt::NOT_STARTED
                },
            });
        }
        ConnectionEvent::RevocationRequested(_) => {
            // Asked again, the first request goes on, and whoever asked last is told.
            let revocation = record.revocation.get_or_insert_with(|| PendingRevocation {
                command: command(),
                since: at.received_at,
                attempt: RequestAttempt::NOT_STARTED,
            });
            revocation.command = command();
        }
        ConnectionEvent::Activated(_) | ConnectionEvent::ReauthNeeded(_) => {
            record.exchange.take_if(|exchange| result_event_id(exchange.command.event_id) == at.event_id);
        }
        ConnectionEvent::Revoked(_) => {
            (record.tokens, record.exchange, record.refresh, record.revocation) = (None, None, None, None);
        }
    }
    if before.as_ref() == Some(&record) {
        return None;
    }
    let laid = if event.is_from_worker() { &mut record.appended_sequence } else { &mut record.sequence };
    *laid = at.sequence;
    record.key_id = at.key_id.to_string();
    Some(record)
}

/// Ends a connection because its account ends: it is revoked as if its user had asked for that. `None` where it is already.
pub(crate) fn revoke_for_erasure(
    record: Option<ConnectionRecord>,
    now: Timestamp,
) -> Option<ConnectionRecord> {
    let mut record = record?;
    let step = ConnectionTransition::RevocationRequested;
    if record.status == ConnectionStatus::Revoking && record.revocation.is_some() {
        return None;
    }
    record.status = ConnectionStatus::next(Some(record.status), step)?;
    record.revocation.get_or_insert_with(|| PendingRevocation {
        command: CommandRef { event_id: new_event_id(now), outcome_to: None },
        since: now,
        attempt: RequestAttempt::NOT_STARTED,
    });
    Some(record)
}

fn new_record(requested: &ConnectionRequested, status: ConnectionStatus) -> ConnectionRecord {
    ConnectionRecord {
        provider: requested.provider.clone(),
        redirect_uri: requested.redirect_uri.clone(),
        status,
        sequence: 0,
        appended_sequence: 0,
        key_id: String::new(),
        last_generation: 0,
        tokens: None,
        exchange: None,
        refresh: None,
        revocation: None,
        pending_event: None,
    }
}

impl ConnectionRecord {
    /// Whether the event is in the record already. The worker's own are there before they are in the log, and must not be
    /// laid over what was done since.
    fn has_applied(&self, event: &ConnectionEvent, at: &EventContext) -> bool {
        if event.is_from_worker() {
            // While something is still to be told the record is ahead of the log.
            self.appended_sequence >= at.sequence || self.pending_event.is_some()
        } else {
            self.sequence >= at.sequence
        }
    }
}

#[cfg(test)]
mod tests;
