//! What goes between a person's command and the service: signed statements, over the broker.

use std::fmt;
use std::str::FromStr;

use events::{Statement, StatementKind, new_event_id};
use http_edge::Clock;
use jetstream::{Broker, RequestError};
use jiff::Timestamp;
use keys::{AccessIndexEntry, UserRef};
use schemas::EventId;
use serde::{Deserialize, Serialize};

use crate::people::PersonKey;

/// Where steps are taken.
pub(crate) const STEP_SUBJECT: &str = "breakglass.v1.step";
/// Where a user id becomes what a request may name the user by.
pub(crate) const NAME_SUBJECT: &str = "breakglass.v1.name";

/// A text and its signature.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) statement: String,
    pub(crate) signature: String,
}

/// The question for a user. The user id goes over the broker this once, and is kept nowhere; the answer tells nothing of
/// the user, so that nobody learns a pseudonym without leaving a request in the log.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NameQuestion {
    pub(crate) name_of: String,
    pub(crate) time: Timestamp,
}

/// The service's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
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
pub enum AskError {
    /// The service does not answer.
    #[error("the break-glass service does not answer")]
    Silent(#[from] RequestError),
    /// It answers no.
    #[error("refused: {0}")]
    Refused(String),
}

/// A request's name: the user ref and the id of the request's event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestName {
    /// Whose requests are to be looked up.
    pub user: UserRef,
    /// The event of the request.
    pub event: EventId,
}

impl fmt::Display for RequestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.user, self.event)
    }
}

impl FromStr for RequestName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "a request is named <user ref>/<event id>".to_owned();
        let (user, event) = text.split_once('/').ok_or_else(wrong)?;
        Ok(Self { user: user.parse().map_err(|_| wrong())?, event: event.parse().map_err(|_| wrong())? })
    }
}

/// A person with their key, asking.
pub struct Asker {
    broker: Broker,
    key: PersonKey,
    clock: Clock,
}

impl Asker {
    /// Over this connection, an operator's.
    pub fn new(broker: Broker, key: PersonKey, clock: Clock) -> Self {
        Self { broker, key, clock }
    }

    /// Requests a look-up of this user's requests.
    pub async fn request(&self, user_id: &str, reason: &str, ticket: &str) -> Result<RequestName, AskError> {
        let now = (self.clock)();
        let question = NameQuestion { name_of: user_id.to_owned(), time: now };
        let answer = self.ask(NAME_SUBJECT, to_text(&question)).await?;
        let Answer::Name(sealed_user) = answer else { return Err(unexpected(answer)) };
        let event = new_event_id(now);
        let mut statement = self.statement(StatementKind::Request, event, sealed_user);
        statement.reason = Some(reason.to_owned());
        statement.ticket = Some(ticket.to_owned());
        let answer = self.ask(STEP_SUBJECT, to_text(&statement)).await?;
        let Answer::Requested(user) = &answer else { return Err(unexpected(answer)) };
        Ok(RequestName { user: user.parse().map_err(|_| RequestError::Unknown)?, event })
    }

    /// Approves somebody else's request.
    pub async fn approve(&self, request: RequestName) -> Result<(), AskError> {
        let statement = self.statement(StatementKind::Approve, request.event, request.user.to_string());
        let answer = self.ask(STEP_SUBJECT, to_text(&statement)).await?;
        if matches!(answer, Answer::Done) { Ok(()) } else { Err(unexpected(answer)) }
    }

    /// Is told the user's requests, and how many messages of the index could not be opened: once.
    pub async fn look_up(&self, request: RequestName) -> Result<(Vec<AccessIndexEntry>, usize), AskError> {
        let statement = self.statement(StatementKind::LookUp, request.event, request.user.to_string());
        match self.ask(STEP_SUBJECT, to_text(&statement)).await? {
            Answer::Entries { entries, unreadable } => Ok((entries, unreadable)),
            answer @ (Answer::Name(_)
            | Answer::Requested(_)
            | Answer::Done
            | Answer::Refused(_)
            | Answer::Unavailable) => Err(unexpected(answer)),
        }
    }

    fn statement(&self, step: StatementKind, request: EventId, user: String) -> Statement {
        Statement { step, request, user_ref: user, time: (self.clock)(), reason: None, ticket: None }
    }

    async fn ask(&self, subject: &str, statement: String) -> Result<Answer, RequestError> {
        let signed = Signed { signature: self.key.sign(&statement), statement };
        let answer = self.broker.request(subject.to_owned(), to_text(&signed).into()).await?;
        serde_json::from_slice(&answer).map_err(|_| RequestError::Unknown)
    }
}

fn unexpected(answer: Answer) -> AskError {
    match answer {
        Answer::Refused(reason) => AskError::Refused(reason),
        Answer::Unavailable => AskError::Silent(RequestError::Unavailable),
        Answer::Name(_) | Answer::Requested(_) | Answer::Done | Answer::Entries { .. } => {
            AskError::Silent(RequestError::Unknown)
        }
    }
}

pub(crate) fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| unreachable!("BUG: what is sent is JSON"))
}
