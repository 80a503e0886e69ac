//! `POST /v1/summaries`: one post from bytes to answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::{EventKind, Head, SignedRequest, event_id};
use http::{HeaderMap, StatusCode, header};
use http_edge::{Caller, Observed, Refusal, Scope, Verification, single_header};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyHolder, RequestSignature, SigningKeyId, UserRef};
use schemas::{Accepted, Code, Outcome, SUMMARY_BODY_BYTES_MAX, Summary};

use crate::append::{Asked, answer, refuse_append, refuse_body};
use crate::door::Door;
use crate::headers;

/// The handler: takes apart, verifies, appends, answers.
pub(crate) async fn post_summary(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read(request, SUMMARY_BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.post(&asked, body, &mut observed).await;
    answer(answered, observed)
}

/// A post that was verified: from here on only the log can refuse it.
struct Verified {
    caller: Caller,
    received_at: Timestamp,
    summary: Summary,
    signed_at: Timestamp,
    content: SignedRequest,
}

/// What a request's signature says.
pub(crate) struct Signed<'h> {
    pub(crate) received_at: Timestamp,
    timestamp: &'h str,
    pub(crate) signed_at: Timestamp,
    pub(crate) signing_key: SigningKeyId,
    signature: RequestSignature,
}

impl Signed<'_> {
    /// What is kept of the request, once its body was read as JSON.
    pub(crate) fn content(&self, caller: &Caller, body: &[u8]) -> SignedRequest {
        let body = String::from_utf8(body.to_vec())
            .unwrap_or_else(|_| unreachable!("BUG: JSON that was read is UTF-8"));
        SignedRequest {
            body,
            timestamp: self.timestamp.to_owned(),
            signature: self.signature,
            signing_key: self.signing_key,
            token_id: caller.token_id.clone(),
        }
    }
}

impl Door {
    async fn post(&self, asked: &Asked, body: Bytes, observed: &mut Observed) -> Result<Response, Refusal> {
        let caller = self.let_in(asked, Scope::SyncWrite, observed).await?;
        let verified = self.verify(caller, &asked.headers, &body, observed)?;
        observed.verification = Verification::Passed;
        let wait = headers::wait(&asked.headers, self.settings.wait);
        let accepted = self.append(verified, wait).await?;
        observed.outcome = accepted.outcome.map(Outcome::as_str);
        metrics::counter!("syncwell_summaries_total", "outcome" => label(&accepted)).increment(1);
        Ok(respond(&accepted))
    }

    /// The signed timestamp, as spelled and as an instant, and the key and signature that are right.
    pub(crate) fn verify_signed<'h>(
        &self,
        caller: &Caller,
        headers: &'h HeaderMap,
        body: &[u8],
        observed: &mut Observed,
    ) -> Result<Signed<'h>, Refusal> {
        let received_at = (self.gate.clock)();
        let (timestamp, signed_at) = headers::timestamp(headers)?;
        observed.sync_timestamp = Some(timestamp.to_owned());
        self.check_window(signed_at, received_at)?;
        let (signing_key, signature) = self.check_signature(caller, headers, timestamp, body)?;
        Ok(Signed { received_at, timestamp, signed_at, signing_key, signature })
    }

    /// Timestamp, signature, content type, syntax, schema and bounds. Nothing is parsed before it is authenticated.
    fn verify(
        &self,
        caller: Caller,
        headers: &HeaderMap,
        body: &Bytes,
        observed: &mut Observed,
    ) -> Result<Verified, Refusal> {
        let signed = self.verify_signed(&caller, headers, body, observed)?;
        self.check_not_compromised(&caller.user, signed.signing_key.holder())?;
        headers::content_type(headers)?;
        let summary = Summary::read(body, &self.settings.bounds, signed.received_at)
            .map_err(|rejected| refuse_body(Code::InvalidSummary, rejected))?;
        let content = signed.content(&caller, body);
        let Signed { received_at, signed_at, .. } = signed;
        Ok(Verified { caller, received_at, summary, signed_at, content })
    }

    /// Refuses a phone that told of itself that its system is compromised, where the operator wants that; and any phone
    /// while it can't be told which did.
    fn check_not_compromised(&self, user: &UserRef, holder: KeyHolder) -> Result<(), Refusal> {
        if !self.settings.refuse_compromised {
            return Ok(());
        }
        match self.compromised.is_compromised(user, holder) {
            Some(false) => Ok(()),
            Some(true) => {
                let detail =
                    "The device reported that its system is compromised. Report again once it is not.";
                Err(Refusal::new(Code::DeviceCompromised, detail))
            }
            None => Err(Refusal::new(
                Code::LogUnavailable,
                "Nothing was stored: whether the device is compromised can't be told now. Send the same bytes again.",
            )),
        }
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
    ) -> Result<(SigningKeyId, RequestSignature), Refusal> {
        let wrong = || {
            Refusal::new(Code::InvalidSignature, "No signature is right for this key, timestamp and body.")
        };
        let signatures = headers::signatures(headers)?;
        let ids: Vec<SigningKeyId> = match single_header(headers, "x-sync-key-id")? {
            Some(id) => vec![id.parse().map_err(|()| wrong())?],
            None => self.signing_keys.default_ids(),
        };
        for id in ids {
            let Some(key) = self.signing_keys.accepted_key(&caller.user, id) else { continue };
            if let Some(signature) =
                signatures.iter().find(|signature| key.verify(timestamp, body, signature))
            {
                self.check_holder(caller, id.holder())?;
                return Ok((id, *signature));
            }
        }
        Err(wrong())
    }

    /// Whether this caller may sign with a key of this holder. Only who signed rightly is told.
    fn check_holder(&self, caller: &Caller, holder: KeyHolder) -> Result<(), Refusal> {
        let device = match holder {
            KeyHolder::User => None,
            KeyHolder::Device(device) => Some(device),
        };
        if caller.device.is_some() && caller.device != device {
            let detail = "The token is for another device than the key that signed.";
            return Err(Refusal::new(Code::InvalidSignature, detail));
        }
        device.map_or(Ok(()), |device| self.check_not_revoked(&caller.user, device))
    }

    /// Seals, appends, and waits for the outcome.
    async fn append(&self, verified: Verified, wait: std::time::Duration) -> Result<Accepted, Refusal> {
        let Verified { caller, received_at, summary, signed_at, content } = verified;
        let user = caller.user;
        let key = self.key_to_seal(&user, summary.date.year()).await?;
        let id = event_id(&self.pseudonyms, &user, signed_at, &content.timestamp, &content.signature);
        let kind = EventKind::SummaryReceivedV1;
        let head = Head { id, kind, user, time: received_at, key_id: Some(key.id()) };
        let (appended, outcome) = self
            .store(&head, content.seal(&head, &key), id, wait)
            .await
            .map_err(|error| refuse_append(&error))?;
        Ok(Accepted {
            outcome,
            date: summary.date,
            event_id: id,
            sequence: appended.sequence,
            replayed: appended.replayed,
        })
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
