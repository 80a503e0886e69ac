//! The service: verifies each step against the log, appends it, and only then carries it out.

use std::sync::Arc;
use std::time::Duration;

use events::{
    BreakGlassStatement, BreakGlassStatementKind, BreakGlassStep, EventKind, Log, LogAppender, LogError,
    NewEvent, new_event_id,
};
use jetstream::{AppendError, Broker, CommitMode, ScanFrom};
use jiff::Timestamp;
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
use crate::request_steps::RequestSteps;
use crate::statement_rules::{
    CLOCK_SKEW_MAX, StatementRules, created_at, event_kind, is_within_clock_skew, stateless_refusal,
};

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
    rules: StatementRules,
    pseudonyms: Pseudonymizer,
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
            rules: StatementRules { operators: people, user_sealing_key: naming_key },
            pseudonyms,
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
        let Some(person) = self.rules.operators.find_signer(&signed.statement, &signed.signature) else {
            tracing::warn!("a user was asked for with a signature that is nobody's who may break the glass");
            return refusal_response("the signature is nobody's who may break the glass");
        };
        let Ok(SealUserRequest { name_of, time }) = serde_json::from_str(&signed.statement) else {
            return refusal_response("that is no question for a user");
        };
        if !is_within_clock_skew(time, (self.clock)()) {
            return refusal_response("the clock of who signed is too far off");
        }
        match name_of.parse::<UserId>() {
            Ok(user) => {
                let user = self.pseudonyms.user_ref(&user);
                BreakGlassResponse::Name(self.rules.seal_user(person, user))
            }
            Err(error) => BreakGlassResponse::Refused(error.to_string()),
        }
    }

    async fn handle_step(&self, signed: &SignedStatement) -> BreakGlassResponse {
        let Some(person) = self.rules.operators.find_signer(&signed.statement, &signed.signature) else {
            return self.refuse_unauthorized(signed).await;
        };
        if signed.statement.len() > STATEMENT_BYTES_MAX {
            return refusal_response("the statement is too long");
        }
        let Ok(statement) = serde_json::from_str::<BreakGlassStatement>(&signed.statement) else {
            return refusal_response("that is no statement");
        };
        let Some(user) = self.rules.resolve_user(&statement, person) else {
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
        let refusal = match stateless_refusal(statement, (self.clock)()) {
            Some(refusal) => Some(refusal),
            None => {
                let steps = self.load_request_steps(user, statement.request, &signed.statement).await?;
                steps.refusal(statement.step, person, (self.clock)())
            }
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
                // The answer is sent only after the log has the look-up, and the log accepts one look-up per request.
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

    /// Reads the user's events since the request and folds the request's steps.
    async fn load_request_steps<'s>(
        &'s self,
        user: UserRef,
        request: EventId,
        statement: &'s str,
    ) -> Result<RequestSteps<'s>, HandleStepError> {
        let mut steps = RequestSteps::new(&self.rules, user, request, statement);
        let since = created_at(request).saturating_sub(CLOCK_SKEW_MAX).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut from = ScanFrom::Time(since);
        let mut seen = 0;
        loop {
            let events = self.log.scan(from, Some(&user)).await?;
            let Some(last) = events.last() else { return Ok(steps) };
            from = ScanFrom::Sequence(last.sequence().get() + 1);
            seen += events.len();
            if seen > SCANNED_EVENTS_MAX {
                return Err(HandleStepError::TooManyEvents);
            }
            events.iter().for_each(|event| steps.apply(event.bytes(), event.stored_at()));
        }
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
}

fn refusal_response(reason: &str) -> BreakGlassResponse {
    BreakGlassResponse::Refused(reason.to_owned())
}
