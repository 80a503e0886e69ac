//! The service: judges each step by what stands in the log, appends it there, and only then does it.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use events::{
    BreakGlassStatement, BreakGlassStatementKind, BreakGlassStep, Envelope, Event, EventKind, Log,
    LogAppender, LogError, NewEvent, new_event_id,
};
use jetstream::{AppendError, Broker, CommitMode, ScanFrom};
use jiff::{SignedDuration, Timestamp};
use keys::{
    AccessIndexError, AccessIndexKey, AccessIndexReader, DataKey, DataKeyId, Pseudonymizer, UserId, UserRef,
};
use runtime::Clock;
use schemas::EventId;
use tokio::time::sleep;

use crate::client::{
    BreakGlassResponse, SEAL_USER_SUBJECT, STEP_SUBJECT, SealUserRequest, SignedStatement, to_json,
};
use crate::operators::AuthorizedOperators;
use crate::request_state::RequestState;

/// How far a statement's time may be from the service's.
const CLOCK_SKEW_MAX: SignedDuration = SignedDuration::from_secs(300);
/// The longest reason and ticket, in characters.
const REASON_CHARS_MAX: usize = 500;
/// The longest statement, in bytes: what is refused is stored, too.
const STATEMENT_BYTES_MAX: usize = 8 * 1_024;
/// Events of a user that are looked through for a request's steps.
const SCANNED_EVENTS_MAX: usize = 50_000;
/// Pause before the subscriptions are tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Breaks the glass.
pub struct BreakGlassServer {
    broker: Broker,
    log: Log,
    appender: LogAppender,
    index: AccessIndexReader,
    operators: AuthorizedOperators,
    pseudonyms: Pseudonymizer,
    user_sealing_key: DataKey,
    clock: Clock,
}

/// Something does not answer.
#[derive(Debug, thiserror::Error)]
enum HandleStepError {
    #[error("the log can't be read")]
    Log(#[from] LogError),
    #[error("the step can't be appended")]
    Append(#[from] AppendError),
    #[error(transparent)]
    Index(#[from] AccessIndexError),
    #[error("the user has too many events since the request")]
    TooManyEvents,
}

impl BreakGlassServer {
    /// With this role's own connection and key.
    pub fn new(
        broker: Broker,
        key: AccessIndexKey,
        people: AuthorizedOperators,
        pseudonyms: Pseudonymizer,
        clock: Clock,
    ) -> Self {
        let log = Log::new(broker.clone());
        let appender = log.appender(CommitMode::Grouped);
        let index = AccessIndexReader::new(broker.clone(), key);
        let naming_key = pseudonyms.keyed_hash("syncwell.breakglass.name.v1", &[]);
        let naming_key = DataKey::new(DataKeyId::from_bytes([0; 10]), keys::ACCOUNT_YEAR, &naming_key);
        Self {
            broker,
            log,
            appender,
            index,
            operators: people,
            pseudonyms,
            user_sealing_key: naming_key,
            clock,
        }
    }

    /// Answers for as long as the process runs. One step at a time: of two at once the second must see the first.
    pub async fn serve(self: Arc<Self>) {
        loop {
            let steps = self.broker.subscribe(STEP_SUBJECT, Some("breakglass")).await;
            let names = self.broker.subscribe(SEAL_USER_SUBJECT, Some("breakglass")).await;
            if let (Ok(mut steps), Ok(mut names)) = (steps, names) {
                loop {
                    let heard = tokio::select! {
                        heard = steps.next() => heard.map(|heard| (heard, true)),
                        heard = names.next() => heard.map(|heard| (heard, false)),
                    };
                    let Some((heard, is_step)) = heard else { break };
                    let Some(reply) = heard.reply_subject else { continue };
                    let signed = serde_json::from_slice(&heard.payload).ok();
                    let answer = match signed {
                        Some(signed) if is_step => self.handle_step(&signed).await,
                        Some(signed) => self.seal_user(&signed),
                        None => refusal_response("that is no signed statement"),
                    };
                    // The person gives up by itself where the answer is lost.
                    let _ = self.broker.publish(reply, to_json(&answer).into()).await;
                }
            }
            sleep(RETRY_INTERVAL).await;
        }
    }

    /// A user id in, something sealed out that only a request by the same person can use.
    fn seal_user(&self, signed: &SignedStatement) -> BreakGlassResponse {
        let Some(person) = self.operators.find_signer(&signed.statement, &signed.signature) else {
            tracing::warn!("a user was asked for with a signature that is nobody's who may break the glass");
            return refusal_response("the signature is nobody's who may break the glass");
        };
        let Ok(SealUserRequest { name_of, time }) = serde_json::from_str(&signed.statement) else {
            return refusal_response("that is no question for a user");
        };
        if !self.is_within_clock_skew(time) {
            return refusal_response("the clock of who signed is too far off");
        }
        match name_of.parse::<UserId>() {
            Ok(user) => {
                let user = self.pseudonyms.user_ref(&user);
                let sealed = self.user_sealing_key.seal(person.as_bytes(), user.as_bytes());
                BreakGlassResponse::Name(HEXLOWER.encode(&sealed))
            }
            Err(error) => BreakGlassResponse::Refused(error.to_string()),
        }
    }

    async fn handle_step(&self, signed: &SignedStatement) -> BreakGlassResponse {
        let Some(person) = self.operators.find_signer(&signed.statement, &signed.signature) else {
            return self.refuse_unauthorized(signed).await;
        };
        if signed.statement.len() > STATEMENT_BYTES_MAX {
            return refusal_response("the statement is too long");
        }
        let Ok(statement) = serde_json::from_str::<BreakGlassStatement>(&signed.statement) else {
            return refusal_response("that is no statement");
        };
        let Some(user) = self.resolve_user(&statement, person) else {
            return refusal_response("that names no user");
        };
        let answer = self.evaluate_step(signed, &statement, person, user).await;
        answer.unwrap_or_else(|failure| {
            tracing::warn!(error = &failure as &dyn std::error::Error, "a step of breaking the glass failed");
            BreakGlassResponse::Unavailable
        })
    }

    /// A step by nobody who may: refused, and in the log as far as it says whom it was about.
    async fn refuse_unauthorized(&self, signed: &SignedStatement) -> BreakGlassResponse {
        const REFUSAL: &str = "the signature is nobody's who may break the glass";
        tracing::warn!("a step of breaking the glass was refused: {REFUSAL}");
        let statement = serde_json::from_str::<BreakGlassStatement>(&signed.statement).ok();
        let user = statement.and_then(|statement| statement.user_ref.parse::<UserRef>().ok());
        if let Some(user) = user
            && signed.statement.len() <= STATEMENT_BYTES_MAX
            && signed.signature.len() <= STATEMENT_BYTES_MAX
        {
            let step = BreakGlassStep {
                statement: signed.statement.clone(),
                person: "-".to_owned(),
                signature: signed.signature.clone(),
                refusal: Some(REFUSAL.to_owned()),
            };
            let id = new_event_id((self.clock)());
            if self.append(id, EventKind::BreakGlassRefusedV1, user, &step).await.is_err() {
                return BreakGlassResponse::Unavailable;
            }
        }
        refusal_response(REFUSAL)
    }

    async fn evaluate_step(
        &self,
        signed: &SignedStatement,
        statement: &BreakGlassStatement,
        person: &str,
        user: UserRef,
    ) -> Result<BreakGlassResponse, HandleStepError> {
        let refusal = match self.stateless_refusal(statement) {
            Some(refusal) => Some(refusal),
            None => match self.load_request_state(user, statement.request, &signed.statement).await? {
                // A refused step is in the log too, for everybody to copy.
                None => Some("this very statement was used already"),
                Some(case) => case.refusal_reason(statement.step, person, (self.clock)()),
            },
        };
        let mut step = BreakGlassStep {
            statement: signed.statement.clone(),
            person: person.to_owned(),
            signature: signed.signature.clone(),
            refusal: refusal.map(str::to_owned),
        };
        if let Some(refusal) = refusal {
            tracing::warn!(operator = person, user_ref = %user, reason = refusal, "a step of breaking the glass was refused");
            self.append(new_event_id((self.clock)()), EventKind::BreakGlassRefusedV1, user, &step).await?;
            return Ok(refusal_response(refusal));
        }
        let kind = event_kind(statement.step);
        match statement.step {
            BreakGlassStatementKind::Request => {
                self.append(statement.request, kind, user, &step).await?;
                Ok(BreakGlassResponse::Requested(user.to_string()))
            }
            BreakGlassStatementKind::Approve => {
                self.append(new_event_id((self.clock)()), kind, user, &step).await?;
                Ok(BreakGlassResponse::Done)
            }
            BreakGlassStatementKind::LookUp => {
                let (entries, unreadable) = self.index.entries(&user).await?;
                // Nothing is told before the log has it, and the log takes one look-up of a request.
                let id = self.lookup_event_id(statement.request);
                if self.append(id, kind, user, &step).await? {
                    tracing::warn!(operator = person, user_ref = %user, entry_count = entries.len(), "the glass was broken");
                    return Ok(BreakGlassResponse::Entries { entries, unreadable });
                }
                let refusal = "the request was used already";
                step.refusal = Some(refusal.to_owned());
                self.append(new_event_id((self.clock)()), EventKind::BreakGlassRefusedV1, user, &step)
                    .await?;
                Ok(refusal_response(refusal))
            }
        }
    }

    /// What needs no look at the log.
    fn stateless_refusal(&self, statement: &BreakGlassStatement) -> Option<&'static str> {
        if !self.is_within_clock_skew(statement.time) {
            return Some("the clock of who signed is too far off");
        }
        if statement.step != BreakGlassStatementKind::Request {
            let says_more = statement.reason.is_some() || statement.ticket.is_some();
            return says_more.then_some("only a request has a reason and a ticket");
        }
        let is_told = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or_default();
            !text.trim().is_empty()
                && text.chars().count() <= REASON_CHARS_MAX
                && !text.chars().any(char::is_control)
        };
        if !is_told(&statement.reason) || !is_told(&statement.ticket) {
            return Some("a request needs a reason and a ticket, of at most 500 characters each");
        }
        let named_at = i64::try_from(statement.request.unix_ms()).unwrap_or(i64::MAX);
        let named_at = Timestamp::from_millisecond(named_at).unwrap_or(Timestamp::MAX);
        (!self.is_within_clock_skew(named_at)).then_some("the request's name is of another time")
    }

    /// Whose requests a statement is about. A request says it sealed, every later step by the pseudonym.
    fn resolve_user(&self, statement: &BreakGlassStatement, person: &str) -> Option<UserRef> {
        if statement.step != BreakGlassStatementKind::Request {
            return statement.user_ref.parse().ok();
        }
        let sealed = HEXLOWER.decode(statement.user_ref.as_bytes()).ok()?;
        let user = self.user_sealing_key.open(person.as_bytes(), sealed).ok()?;
        Some(UserRef::from_bytes(user.as_slice().try_into().ok()?))
    }

    /// The request's steps that the log holds; `None` where this statement is one of them, accepted or refused. Only
    /// what a person who may has signed counts: others can append too.
    async fn load_request_state(
        &self,
        user: UserRef,
        request: EventId,
        statement: &str,
    ) -> Result<Option<RequestState>, HandleStepError> {
        let mut case = RequestState::default();
        let at = Timestamp::from_millisecond(i64::try_from(request.unix_ms()).unwrap_or(0))
            .unwrap_or(Timestamp::UNIX_EPOCH);
        let mut from = ScanFrom::Time(at.saturating_sub(CLOCK_SKEW_MAX).unwrap_or(Timestamp::UNIX_EPOCH));
        let mut seen = 0;
        loop {
            let events = self.log.scan(from, Some(&user)).await?;
            let Some(last) = events.last() else { return Ok(Some(case)) };
            from = ScanFrom::Sequence(last.sequence().get() + 1);
            seen += events.len();
            if seen > SCANNED_EVENTS_MAX {
                return Err(HandleStepError::TooManyEvents);
            }
            for event in &events {
                let Some((kind, step)) = parse_step(event.bytes()) else { continue };
                if step.statement == statement {
                    return Ok(None);
                }
                if let Some(accepted) = self.verify_accepted(kind, &step)
                    && accepted.request == request
                    && self.resolve_user(&accepted, &step.person) == Some(user)
                {
                    case.apply(accepted.step, &step.person, event.stored_at());
                }
            }
        }
    }

    /// What a step says that was accepted, if a person who may has signed it.
    fn verify_accepted(&self, kind: EventKind, step: &BreakGlassStep) -> Option<BreakGlassStatement> {
        let statement: BreakGlassStatement = serde_json::from_str(&step.statement).ok()?;
        let is_right = kind == event_kind(statement.step)
            && self.operators.is_signed_by(&step.person, &step.statement, &step.signature);
        is_right.then_some(statement)
    }

    /// Says whether the event is new to the log.
    async fn append(
        &self,
        id: EventId,
        kind: EventKind,
        user: UserRef,
        step: &BreakGlassStep,
    ) -> Result<bool, HandleStepError> {
        let bytes = step.encode(id, kind, user, (self.clock)());
        let appended = self.appender.append(NewEvent { id, user, bytes, outcome_to: None }).await?;
        Ok(!appended.replayed)
    }

    /// One name for every look-up of a request, so that of two at once the log drops the second.
    fn lookup_event_id(&self, request: EventId) -> EventId {
        let hash = self.pseudonyms.keyed_hash("syncwell.breakglass.look-up.v1", &[request.as_bytes()]);
        let mut tail = [0; 10];
        tail.copy_from_slice(&hash[..10]);
        EventId::new(request.unix_ms(), tail)
    }

    fn is_within_clock_skew(&self, time: Timestamp) -> bool {
        (self.clock)().duration_since(time).abs() <= CLOCK_SKEW_MAX
    }
}

fn parse_step(bytes: &[u8]) -> Option<(EventKind, BreakGlassStep)> {
    let envelope = Envelope::parse(bytes).ok()?;
    match Event::read_plaintext(&envelope) {
        Ok(Event::BreakGlass(step)) => Some((envelope.header.kind, step)),
        _ => None,
    }
}

fn event_kind(step: BreakGlassStatementKind) -> EventKind {
    match step {
        BreakGlassStatementKind::Request => EventKind::BreakGlassRequestedV1,
        BreakGlassStatementKind::Approve => EventKind::BreakGlassApprovedV1,
        BreakGlassStatementKind::LookUp => EventKind::BreakGlassLookedUpV1,
    }
}

fn refusal_response(reason: &str) -> BreakGlassResponse {
    BreakGlassResponse::Refused(reason.to_owned())
}
