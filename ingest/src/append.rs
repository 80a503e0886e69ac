//! What every write has in common: who is let in, under which key it is sealed, and how it gets into the log.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use edge::{Caller, CorrelationId, Gate, Observed, PeerAddress, Refusal, Scope};
use events::{AppendedEvent, Head, NewEvent};
use http::HeaderMap;
use schemas::{Code, Outcome};
use stream::AppendError;
use vault::{DataKey, DeviceId, KeyError, UserRef, Year};

use crate::door::Door;

/// A request without its body.
pub(crate) struct Asked {
    pub(crate) headers: HeaderMap,
    peer: PeerAddress,
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

impl Door {
    /// Rates, token and scope; what was let in is recorded for breaking the glass.
    pub(crate) async fn let_in(
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

    /// The user's data key of a year, once there is a log to append to.
    pub(crate) async fn key_to_seal(&self, user: &UserRef, year: Year) -> Result<Arc<DataKey>, Refusal> {
        if let Err(reason) = self.log_watch.check() {
            return Err(Refusal::new(
                Code::LogUnavailable,
                format!("Nothing was stored: {reason}. Send the same bytes again."),
            ));
        }
        self.data_keys.current(user, year).await.map_err(|error| refuse_key(&error))
    }

    /// Appends an event and waits for its outcome.
    pub(crate) async fn store(
        &self,
        head: &Head,
        bytes: Vec<u8>,
        wait: Duration,
    ) -> Result<(AppendedEvent, Option<Outcome>), AppendError> {
        let expected = self.outcomes.expect(head.id);
        let event =
            NewEvent { id: head.id, user: head.user, bytes, outcome_to: Some(self.outcomes.address()) };
        let appended = self.log.append(event).await?;
        let outcome = if appended.replayed { Some(Outcome::Unchanged) } else { expected.within(wait).await };
        Ok((appended, outcome))
    }
}

fn refuse_key(error: &KeyError) -> Refusal {
    match error {
        KeyError::Erased => Refusal::new(Code::AccountErased, "The account was erased or is being erased."),
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
