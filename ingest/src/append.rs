//! What every write has in common: who is let in, under which key it is sealed, and how it gets into the log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::{AppendedEvent, EventHeader, EventKind, NewEvent, new_event_id};
use http::HeaderMap;
use http_edge::{
    AccessLogFields, ApiError, Authenticator, Caller, CorrelationId, PeerAddress, Scope,
    attach_access_log_fields, read_body,
};
use jetstream::AppendError;
use jiff::Timestamp;
use keys::{ACCOUNT_YEAR, DataKey, DeviceId, KeyError, UserRef, Year};
use schemas::{EventId, Outcome, ProblemCode, ReadBodyError};

use crate::state::IngestState;

/// A request without its body.
pub(crate) struct RequestParts {
    pub(crate) headers: HeaderMap,
    pub(crate) peer_address: PeerAddress,
    correlation_id: Option<CorrelationId>,
}

impl RequestParts {
    /// Takes a request apart.
    pub(crate) fn from_request(request: Request) -> (Self, Body) {
        let peer = Authenticator::peer_address(&request);
        let (mut parts, body) = request.into_parts();
        let correlation_id = parts.extensions.remove();
        (Self { headers: parts.headers, peer_address: peer, correlation_id }, body)
    }
}

/// An event of somebody's account: what it is called, and what is waited for.
pub(crate) struct NewAccountEvent {
    pub(crate) kind: EventKind,
    pub(crate) id: EventId,
    /// Itself, or the event that answers it.
    pub(crate) awaited_event_id: EventId,
    pub(crate) wait: Duration,
}

impl NewAccountEvent {
    /// One that no earlier request can have caused, and that is waited for itself.
    pub(crate) fn new(kind: EventKind, now: Timestamp, wait: Duration) -> Self {
        let id = new_event_id(now);
        Self { kind, id, awaited_event_id: id, wait }
    }
}

impl IngestState {
    /// Takes a request apart and reads its body.
    pub(crate) async fn read_request(
        &self,
        request: Request,
        bytes_max: usize,
    ) -> Result<(RequestParts, Bytes, AccessLogFields), ApiError> {
        let (asked, body) = RequestParts::from_request(request);
        let body = read_body(&asked.headers, body, bytes_max, self.settings.body_timeout).await?;
        let observed = AccessLogFields { body_bytes: Some(body.len()), ..AccessLogFields::default() };
        Ok((asked, body, observed))
    }

    /// Rates, token, scope, and that there is an account.
    pub(crate) async fn authenticate(
        &self,
        asked: &RequestParts,
        scope: Scope,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticate_including_erased(asked, scope, observed).await?;
        self.check_not_erased(&caller.user)?;
        Ok(caller)
    }

    /// Rates, token and scope; what was let in is recorded for breaking the glass.
    pub(crate) async fn authenticate_including_erased(
        &self,
        asked: &RequestParts,
        scope: Scope,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticator.authenticate(asked.peer_address, &asked.headers, &[scope]).await?;
        observed.user = Some(caller.user);
        if let Some(device) = caller.device {
            self.check_device_not_revoked(&caller.user, device)?;
        }
        if let Some(id) = &asked.correlation_id {
            self.access_index.record(caller.user, id.as_str(), (self.authenticator.clock)());
        }
        Ok(caller)
    }

    /// Refuses a device that was revoked, and any device while it can't be told which were.
    pub(crate) fn check_device_not_revoked(&self, user: &UserRef, device: DeviceId) -> Result<(), ApiError> {
        match self.revoked_devices.is_revoked(user, device) {
            Some(false) => Ok(()),
            Some(true) => {
                Err(ApiError::new(ProblemCode::KeyRevoked, "The device was revoked. Enrol a new one."))
            }
            None => Err(ApiError::new(
                ProblemCode::LogUnavailable,
                "Nothing was stored: whether the device was revoked can't be told now. Send the same bytes again.",
            )),
        }
    }

    /// Whether there is a log to append to.
    pub(crate) fn check_log_available(&self) -> Result<(), ApiError> {
        self.log_health.check_available().map_err(|reason| {
            let detail = format!("Nothing was stored: {reason}. Send the same bytes again.");
            ApiError::new(ProblemCode::LogUnavailable, detail)
        })
    }

    /// The user's data key of a year, once there is a log to append to.
    pub(crate) async fn current_data_key(
        &self,
        user: &UserRef,
        year: Year,
    ) -> Result<Arc<DataKey>, ApiError> {
        self.check_log_available()?;
        self.data_keys.current(user, year).await.map_err(|error| data_key_error(&error))
    }

    /// Appends an event and waits for the outcome of one: its own, or that of the event that answers it, which tells its
    /// outcome to the same address.
    pub(crate) async fn append_and_await_outcome(
        &self,
        head: &EventHeader,
        bytes: Vec<u8>,
        awaited: EventId,
        wait: Duration,
    ) -> Result<(AppendedEvent, Option<Outcome>), AppendError> {
        let expected = self.outcome_waiters.register(awaited);
        let event = NewEvent {
            id: head.id,
            user: head.user,
            bytes,
            outcome_to: Some(self.outcome_waiters.address()),
        };
        let appended = self.log_appender.append(event).await?;
        let outcome =
            if appended.replayed { Some(Outcome::Unchanged) } else { expected.wait_for(wait).await };
        Ok((appended, outcome))
    }

    /// Seals an event under the account's key, appends it, and waits a while for what it is said to, so that whoever
    /// changes something reads it.
    pub(crate) async fn append_account_event(
        &self,
        user: UserRef,
        event: NewAccountEvent,
        observed: &mut AccessLogFields,
        seal: impl FnOnce(&EventHeader, &DataKey) -> Vec<u8>,
    ) -> Result<(AppendedEvent, Option<Outcome>), ApiError> {
        let NewAccountEvent { kind, id, awaited_event_id: awaited, wait } = event;
        let time = (self.authenticator.clock)();
        let key = self.current_data_key(&user, ACCOUNT_YEAR).await?;
        let head = EventHeader { id, kind, user, time, key_id: Some(key.id()) };
        let bytes = seal(&head, &key);
        let stored = self.append_and_await_outcome(&head, bytes, awaited, wait).await.map_err(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an event of an account was not appended"
            );
            account_append_error(&error)
        })?;
        observed.outcome = stored.1.map(Outcome::as_str);
        Ok(stored)
    }
}

/// What came of a request, with what is told of it.
pub(crate) fn respond_with_access_log(
    answered: Result<Response, ApiError>,
    observed: AccessLogFields,
) -> Response {
    attach_access_log_fields(answered.unwrap_or_else(IntoResponse::into_response), observed)
}

/// A body does not hold.
pub(crate) fn body_error(code: ProblemCode, rejected: ReadBodyError) -> ApiError {
    match rejected {
        ReadBodyError::NotJson => {
            ApiError::new(ProblemCode::InvalidJson, "The body must be one JSON text in UTF-8.")
        }
        ReadBodyError::Violations(violations) => ApiError::violations(code, violations),
    }
}

/// Nothing is lost by asking again: a device or a connection that nobody was told of is none, and revoked twice is
/// revoked.
pub(crate) fn account_append_error(error: &AppendError) -> ApiError {
    let (code, detail) = match error {
        AppendError::Unknown => {
            (ProblemCode::OutcomeUnknown, "The log did not confirm in time. Send the same request again.")
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            (ProblemCode::LogUnavailable, "The log does not tell of this yet. Send the same request again.")
        }
    };
    ApiError::new(code, detail)
}

fn data_key_error(error: &KeyError) -> ApiError {
    match error {
        KeyError::Erased => ApiError::account_erased(),
        KeyError::Unavailable => ApiError::new(
            ProblemCode::LogUnavailable,
            "Nothing was stored: the keys can't be reached. Send the same bytes again.",
        ),
        KeyError::Unwrap(error) => {
            tracing::error!(error = error as &dyn std::error::Error, "INCIDENT: a data key does not open");
            ApiError::new(
                ProblemCode::Internal,
                "The account's key can't be used. The operator has been told.",
            )
        }
    }
}

pub(crate) fn append_error(error: &AppendError) -> ApiError {
    match error {
        AppendError::Unknown => {
            let detail =
                "The event may have been stored. Send the same bytes again: it is stored at most once.";
            ApiError::new(ProblemCode::OutcomeUnknown, detail)
        }
        AppendError::Unavailable | AppendError::Conflict | AppendError::Refused { .. } => {
            tracing::warn!(error = error as &dyn std::error::Error, "an event was not appended");
            ApiError::new(ProblemCode::LogUnavailable, "Nothing was stored. Send the same bytes again.")
        }
    }
}
