//! Signed statements that an operator's command sends to the service over the broker.

use std::fmt;
use std::str::FromStr;

use events::{BreakGlassStatement, BreakGlassStatementKind, new_event_id};
use jetstream::{Broker, RequestError};
use jiff::Timestamp;
use keys::{AccessIndexEntry, UserRef};
use runtime::Clock;
use schemas::EventId;
use serde::{Deserialize, Serialize};

use crate::operators::OperatorKey;

/// Subject of break-glass steps.
pub(crate) const STEP_SUBJECT: &str = "breakglass.v1.step";
/// Subject on which the service seals a user id for a request.
pub(crate) const SEAL_USER_SUBJECT: &str = "breakglass.v1.name";

/// A text and its signature.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SignedStatement {
    pub(crate) statement: String,
    pub(crate) signature: String,
}

/// The question for a user. The user id goes over the broker this once, and is kept nowhere; the answer tells nothing of
/// the user, so that nobody learns a pseudonym without leaving a request in the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SealUserRequest {
    pub(crate) name_of: String,
    pub(crate) time: Timestamp,
}

/// The service's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakGlassResponse {
    /// The user, sealed: only this service can open it, and only in a request by the person who asked.
    Name(String),
    /// The request is in the log; this is the user's pseudonym.
    Requested(String),
    /// The step is in the log.
    Done,
    /// The user's requests, and how many messages of the index could not be opened.
    Entries { entries: Vec<AccessIndexEntry>, unreadable: usize },
    /// No, and why.
    Refused(String),
    /// Not now.
    Unavailable,
}

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
pub enum BreakGlassError {
    /// The service does not answer.
    #[error("the break-glass service does not answer")]
    ServiceUnavailable(#[from] RequestError),
    /// It answers no.
    #[error("refused: {0}")]
    Refused(String),
}

/// A request's name: the user ref and the id of the request's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakGlassRequestId {
    /// Whose requests are to be looked up.
    pub user: UserRef,
    /// The event of the request.
    pub event: EventId,
}

impl fmt::Display for BreakGlassRequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.event)
    }
}

impl FromStr for BreakGlassRequestId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a request is named <user ref>/<event id>".to_owned();
        let (user, event) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self { user: user.parse().map_err(|_| wrong())?, event: event.parse().map_err(|_| wrong())? })
    }
}

/// A person with their key, asking.
pub struct BreakGlassClient {
    broker: Broker,
    key: OperatorKey,
    clock: Clock,
}

impl BreakGlassClient {
    /// Over this connection, an operator's.
    pub fn new(broker: Broker, key: OperatorKey, clock: Clock) -> Self {
        Self { broker, key, clock }
    }

    /// Requests a look-up of this user's requests.
    pub async fn request(
        &self,
        user_id: &str,
        reason: &str,
        ticket: &str,
    ) -> Result<BreakGlassRequestId, BreakGlassError> {
        let now = (self.clock)();
        let question = SealUserRequest { name_of: user_id.to_owned(), time: now };
        let answer = self.send(SEAL_USER_SUBJECT, to_json(&question)).await?;
        let BreakGlassResponse::Name(sealed_user) = answer else { return Err(response_error(answer)) };
        let event = new_event_id(now);
        let mut statement = self.statement(BreakGlassStatementKind::Request, event, sealed_user);
        statement.reason = Some(reason.to_owned());
        statement.ticket = Some(ticket.to_owned());
        let answer = self.send(STEP_SUBJECT, to_json(&statement)).await?;
        let BreakGlassResponse::Requested(user) = &answer else { return Err(response_error(answer)) };
        Ok(BreakGlassRequestId { user: user.parse().map_err(|_| RequestError::Unknown)?, event })
    }

    /// Approves somebody else's request.
    pub async fn approve(&self, request: BreakGlassRequestId) -> Result<(), BreakGlassError> {
        let statement =
            self.statement(BreakGlassStatementKind::Approve, request.event, request.user.to_string());
        let answer = self.send(STEP_SUBJECT, to_json(&statement)).await?;
        if matches!(answer, BreakGlassResponse::Done) { Ok(()) } else { Err(response_error(answer)) }
    }

    /// Is told the user's requests, and how many messages of the index could not be opened: once.
    pub async fn look_up(
        &self,
        request: BreakGlassRequestId,
    ) -> Result<(Vec<AccessIndexEntry>, usize), BreakGlassError> {
        let statement =
            self.statement(BreakGlassStatementKind::LookUp, request.event, request.user.to_string());
        match self.send(STEP_SUBJECT, to_json(&statement)).await? {
            BreakGlassResponse::Entries { entries, unreadable } => Ok((entries, unreadable)),
            answer @ (BreakGlassResponse::Name(_)
            | BreakGlassResponse::Requested(_)
            | BreakGlassResponse::Done
            | BreakGlassResponse::Refused(_)
            | BreakGlassResponse::Unavailable) => Err(response_error(answer)),
        }
    }

    fn statement(
        &self,
        step: BreakGlassStatementKind,
        request: EventId,
        user: String,
    ) -> BreakGlassStatement {
        BreakGlassStatement {
            step,
            request,
            user_ref: user,
            time: (self.clock)(),
            reason: None,
            ticket: None,
        }
    }

    async fn send(&self, subject: &str, statement: String) -> Result<BreakGlassResponse, RequestError> {
        let signed = SignedStatement { signature: self.key.sign(&statement), statement };
        let answer = self.broker.request(subject.to_owned(), to_json(&signed).into()).await?;
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)
    }
}

fn response_error(answer: BreakGlassResponse) -> BreakGlassError {
    match answer {
        BreakGlassResponse::Refused(reason) => BreakGlassError::Refused(reason),
        BreakGlassResponse::Unavailable => BreakGlassError::ServiceUnavailable(RequestError::Unavailable),
        BreakGlassResponse::Name(_)
        | BreakGlassResponse::Requested(_)
        | BreakGlassResponse::Done
        | BreakGlassResponse::Entries { .. } => BreakGlassError::ServiceUnavailable(RequestError::Unknown),
    }
}

pub(crate) fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| unreachable!("BUG: what is sent is JSON"))
}
