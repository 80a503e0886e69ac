//! `POST /v1/summaries`: one post from bytes to answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use edge::{Caller, Gate, Observed, PeerAddress, Refusal, Scope, noted, read_body, single_header};
use events::{EventKind, Head, NewEvent, SummaryReceived, event_id};
use http::{HeaderMap, StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use schemas::{Accepted, Code, Outcome, Rejected, SUMMARY_BODY_BYTES_MAX, Summary};
use stream::AppendError;
use vault::{KeyError, Signature, SigningKeyId};

use crate::door::Door;
use crate::headers;

/// The handler: takes apart, verifies, appends, answers.
pub(crate) async fn post_summary(State(door): State<Arc<Door>>, request: Request) -> Response {
    let peer = Gate::peer(&request);
    let (parts, body) = request.into_parts();
    let read = read_body(&parts.headers, body, SUMMARY_BODY_BYTES_MAX, door.settings.body_timeout).await;
    let body = match read {
        Ok(body) => body,
        Err(refusal) => return refusal.into_response(),
    };
    let mut observed = Observed { body_bytes: Some(body.len()), ..Observed::default() };
    let answered = door.post(peer, &parts.headers, body, &mut observed).await;
    noted(answered.unwrap_or_else(IntoResponse::into_response), observed)
}

/// A post that was verified: from here on only the log can refuse it.
struct Verified {
    caller: Caller,
    received_at: Timestamp,
    summary: Summary,
    signed_at: Timestamp,
    content: SummaryReceived,
}

impl Door {
    async fn post(
        &self,
        peer: PeerAddress,
        headers: &HeaderMap,
        body: Bytes,
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let caller = self.gate.enter(peer, headers, &[Scope::SyncWrite])?;
        observed.user = Some(caller.user);
        let verified = self.verify(caller, headers, &body)?;
        let wait = headers::wait(headers, self.settings.wait);
        let answer = self.append(verified, wait).await?;
        observed.outcome = answer.outcome.map(Outcome::as_str);
        metrics::counter!("syncwell_summaries_total", "outcome" => label(&answer)).increment(1);
        Ok(respond(&answer))
    }

    /// Timestamp, signature, content type, syntax, schema and bounds. Nothing is parsed before it is authenticated.
    fn verify(&self, caller: Caller, headers: &HeaderMap, body: &Bytes) -> Result<Verified, Refusal> {
        let received_at = (self.gate.clock)();
        let (timestamp, signed_at) = headers::timestamp(headers)?;
        self.check_window(signed_at, received_at)?;
        let (signing_key, signature) = self.check_signature(&caller, headers, timestamp, body)?;
        headers::content_type(headers)?;
        let summary =
            Summary::read(body, &self.settings.bounds, received_at).map_err(|rejected| match rejected {
                Rejected::NotJson => {
                    Refusal::new(Code::InvalidJson, "The body must be one JSON text in UTF-8.")
                }
                Rejected::Violations(violations) => Refusal::violations(violations),
            })?;
        let body = String::from_utf8(body.to_vec())
            .unwrap_or_else(|_| unreachable!("BUG: JSON that was read is UTF-8"));
        let token_id = caller.token_id.clone();
        let content =
            SummaryReceived { body, timestamp: timestamp.to_owned(), signature, signing_key, token_id };
        Ok(Verified { caller, received_at, summary, signed_at, content })
    }

    fn check_window(&self, signed_at: Timestamp, now: Timestamp) -> Result<(), Refusal> {
        let window_seconds = self.settings.timestamp_window_seconds;
        let window = SignedDuration::from_secs(i64::try_from(window_seconds).unwrap_or(i64::MAX));
        let distance = signed_at.duration_since(now).abs();
        if distance <= window { Ok(()) } else { Err(Refusal::stale(window_seconds, now)) }
    }

    /// The key and the signature that are right.
    fn check_signature(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        timestamp: &str,
        body: &[u8],
    ) -> Result<(SigningKeyId, Signature), Refusal> {
        let wrong = || {
            Refusal::new(Code::InvalidSignature, "No signature is right for this key, timestamp and body.")
        };
        let signatures = headers::signatures(headers)?;
        let ids: Vec<_> = match single_header(headers, "x-sync-key-id")? {
            Some(id) => vec![id.parse().map_err(|()| wrong())?],
            None => self.signing_keys.default_ids().collect(),
        };
        for id in ids {
            let Some(key) = self.signing_keys.key(&caller.user, id) else { continue };
            if let Some(signature) =
                signatures.iter().find(|signature| key.verifies(timestamp, body, signature))
            {
                return Ok((id, *signature));
            }
        }
        Err(wrong())
    }

    /// Seals, appends, and waits for the outcome.
    async fn append(&self, verified: Verified, wait: std::time::Duration) -> Result<Accepted, Refusal> {
        let Verified { caller, received_at, summary, signed_at, content } = verified;
        if let Err(reason) = self.log_watch.check() {
            return Err(Refusal::new(
                Code::LogUnavailable,
                format!("Nothing was stored: {reason}. Send the same bytes again."),
            ));
        }
        let user = caller.user;
        let key =
            self.data_keys.current(&user, summary.date.year()).await.map_err(|error| refuse_key(&error))?;
        let id = event_id(&self.pseudonyms, &user, signed_at, &content.timestamp, &content.signature);
        let head = Head { id, kind: EventKind::SummaryReceivedV1, user, time: received_at, key_id: key.id() };
        let bytes = content.seal(&head, &key);
        let expected = self.outcomes.expect(id);
        let event = NewEvent { id, user, bytes, outcome_to: self.outcomes.address() };
        let appended = self.log.append(event).await.map_err(|error| refuse_append(&error))?;
        let outcome = if appended.replayed { Some(Outcome::Unchanged) } else { expected.within(wait).await };
        Ok(Accepted {
            outcome,
            date: summary.date,
            event_id: id,
            sequence: appended.sequence,
            replayed: appended.replayed,
        })
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

fn refuse_append(error: &AppendError) -> Refusal {
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

fn label(answer: &Accepted) -> &'static str {
    match answer {
        Accepted { replayed: true, .. } => "replayed",
        Accepted { outcome: Some(outcome), .. } => outcome.as_str(),
        Accepted { outcome: None, .. } => "unknown",
    }
}

fn respond(answer: &Accepted) -> Response {
    let status = match answer.outcome {
        Some(Outcome::Created) => StatusCode::CREATED,
        Some(Outcome::Merged | Outcome::Unchanged) => StatusCode::OK,
        None => StatusCode::ACCEPTED,
    };
    let mut response = (status, Json(answer)).into_response();
    if answer.outcome.is_none() {
        let location = format!("/v1/events/{}", answer.event_id);
        let location = location.parse().unwrap_or_else(|_| unreachable!("BUG: an event id is ASCII"));
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
