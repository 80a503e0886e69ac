//! What every write has in common: who is let in, under which key it is sealed, and how it gets into the log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::{AppendedEvent, EventKind, Head, NewEvent, new_event_id};
use http::HeaderMap;
use http_edge::{Caller, CorrelationId, Gate, Observed, PeerAddress, Refusal, Scope, noted, read_body};
use jetstream::AppendError;
use jiff::Timestamp;
use keys::{ACCOUNT_YEAR, DataKey, DeviceId, KeyError, UserRef, Year};
use schemas::{Code, EventId, Outcome, Rejected};

use crate::door::Door;

/// A request without its body.
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    pub(crate) peer: PeerAddress,
    correlation_id: Option<CorrelationId>,
}

impl Asked {
    /// Takes a request apart.
    pub(crate) fn take(request: Request) -> (Self, Body) {
        let peer = Gate::peer(&request);
        let (mut parts, body) = request.into_parts();
        let correlation_id = parts.extensions.remove();
        (Self { headers: parts.headers, peer, correlation_id }, body)
    }
}

/// An event of somebody's account: what it is called, and what is waited for.
pub(crate) struct OfAccount {
    pub(crate) kind: EventKind,
    pub(crate) id: EventId,
    /// Itself, or the event that answers it.
    pub(crate) awaited: EventId,
    pub(crate) wait: Duration,
}

impl OfAccount {
    /// One that no earlier request can have caused, and that is waited for itself.
    pub(crate) fn new(kind: EventKind, now: Timestamp, wait: Duration) -> Self {
        let id = new_event_id(now);
        Self { kind, id, awaited: id, wait }
    }
}

impl Door {
    /// Takes a request apart and reads its body.
    pub(crate) async fn read(
        &self,
        request: Request,
        bytes_max: usize,
    ) -> Result<(Asked, Bytes, Observed), Refusal> {
        let (asked, body) = Asked::take(request);
        let body = read_body(&asked.headers, body, bytes_max, self.settings.body_timeout).await?;
        let observed = Observed { body_bytes: Some(body.len()), ..Observed::default() };
        Ok((asked, body, observed))
    }

    /// Rates, token, scope, and that there is an account.
    pub(crate) async fn let_in(
        &self,
        asked: &Asked,
        scope: Scope,
        observed: &mut Observed,
    ) -> Result<Caller, Refusal> {
        let caller = self.let_in_also_erased(asked, scope, observed).await?;
        self.check_account(&caller.user)?;
        Ok(caller)
    }

    /// Rates, token and scope; what was let in is recorded for breaking the glass.
    pub(crate) async fn let_in_also_erased(
        &self,
        asked: &Asked,
        scope: Scope,
        observed: &mut Observed,
    ) -> Result<Caller, Refusal> {
        let caller = self.gate.enter(asked.peer, &asked.headers, &[scope]).await?;
        observed.user = Some(caller.user);
        if let Some(device) = caller.device {
            self.check_not_revoked(&caller.user, device)?;
        }
        if let Some(id) = &asked.correlation_id {
            self.index.record(caller.user, id.as_str(), (self.gate.clock)());
        }
        Ok(caller)
    }

    /// Refuses a device that was revoked, and any device while it can't be told which were.
    pub(crate) fn check_not_revoked(&self, user: &UserRef, device: DeviceId) -> Result<(), Refusal> {
        match self.revocations.is_revoked(user, device) {
            Some(false) => Ok(()),
            Some(true) => Err(Refusal::new(Code::KeyRevoked, "The device was revoked. Enrol a new one.")),
            None => Err(Refusal::new(
                Code::LogUnavailable,
                "Nothing was stored: whether the device was revoked can't be told now. Send the same bytes again.",
            )),
        }
    }

    /// Whether there is a log to append to.
    pub(crate) fn check_log(&self) -> Result<(), Refusal> {
        self.log_watch.check().map_err(|reason| {
            let detail = format!("Nothing was stored: {reason}. Send the same bytes again.");
            Refusal::new(Code::LogUnavailable, detail)
        })
    }

    /// The user's data key of a year, once there is a log to append to.
    pub(crate) async fn key_to_seal(&self, user: &UserRef, year: Year) -> Result<Arc<DataKey>, Refusal> {
        self.check_log()?;
        self.data_keys.current(user, year).await.map_err(|error| refuse_key(&error))
    }

    /// Appends an event and waits for the outcome of one: its own, or that of the event that answers it, which tells its
    /// outcome to the same address.
    pub(crate) async fn store(
        &self,
        head: &Head,
        bytes: Vec<u8>,
        awaited: EventId,
        wait: Duration,
    ) -> Result<(AppendedEvent, Option<Outcome>), AppendError> {
        let expected = self.outcomes.expect(awaited);
        let event =
            NewEvent { id: head.id, user: head.user, bytes, outcome_to: Some(self.outcomes.address()) };
        let appended = self.log.append(event).await?;
        let outcome = if appended.replayed { Some(Outcome::Unchanged) } else { expected.within(wait).await };
        Ok((appended, outcome))
    }

    /// Seals an event under the account's key, appends it, and waits a while for what it is said to, so that whoever
    /// changes something reads it.
    pub(crate) async fn store_of_account(
        &self,
        user: UserRef,
        event: OfAccount,
        observed: &mut Observed,
        seal: impl FnOnce(&Head, &DataKey) -> Vec<u8>,
    ) -> Result<(AppendedEvent, Option<Outcome>), Refusal> {
        let OfAccount { kind, id, awaited, wait } = event;
        let time = (self.gate.clock)();
        let key = self.key_to_seal(&user, ACCOUNT_YEAR).await?;
        let head = Head { id, kind, user, time, key_id: Some(key.id()) };
        let bytes = seal(&head, &key);
        let stored = self.store(&head, bytes, awaited, wait).await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an event of an account was not appended"
            );
            refuse_of_account(&error)
        })?;
        observed.outcome = stored.1.map(Outcome::as_str);
        Ok(stored)
    }
}

/// What came of a request, with what is told of it.
pub(crate) fn answer(answered: Result<Response, Refusal>, observed: Observed) -> Response {
    noted(answered.unwrap_or_else(IntoResponse::into_response), observed)
}

/// A body does not hold.
pub(crate) fn refuse_body(code: Code, rejected: Rejected) -> Refusal {
    match rejected {
        Rejected::NotJson => Refusal::new(Code::InvalidJson, "The body must be one JSON text in UTF-8."),
        Rejected::Violations(violations) => Refusal::violations(code, violations),
    }
}

/// Nothing is lost by asking again: a device or a connection that nobody was told of is none, and revoked twice is
/// revoked.
pub(crate) fn refuse_of_account(error: &AppendError) -> Refusal {
    let (code, detail) = match error {
        AppendError::Unknown => {
            (Code::OutcomeUnknown, "The log did not confirm in time. Send the same request again.")
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            (Code::LogUnavailable, "The log does not tell of this yet. Send the same request again.")
        }
    };
    Refusal::new(code, detail)
}

fn refuse_key(error: &KeyError) -> Refusal {
    match error {
        KeyError::Erased => Refusal::account_erased(),
        KeyError::Unavailable => Refusal::new(
            Code::LogUnavailable,
            "Nothing was stored: the keys can't be reached. Send the same bytes again.",
        ),
        KeyError::Unwrap(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "INCIDENT: a data key does not open");
            Refusal::new(Code::Internal, "The account's key can't be used. The operator has been told.")
        }
    }
}

pub(crate) fn refuse_append(error: &AppendError) -> Refusal {
    match error {
        AppendError::Unknown => {
            let detail =
                "The event may have been stored. Send the same bytes again: it is stored at most once.";
            Refusal::new(Code::OutcomeUnknown, detail)
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            tracing::warn!(error = error as &dyn std::error::Error, "an event was not appended");
            Refusal::new(Code::LogUnavailable, "Nothing was stored. Send the same bytes again.")
        }
    }
}
