//! `POST /v1/summaries`: one post from bytes to answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::{EventHeader, EventKind, SignedRequest, request_event_id};
use http::{HeaderMap, StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification, single_header};
use jiff::{SignedDuration, Timestamp};
use keys::{KeyHolder, RequestSignature, SigningKeyId, UserRef};
use schemas::{Accepted, Outcome, ProblemCode, SUMMARY_BODY_BYTES_MAX, Summary};

use crate::append::{RequestParts, append_error, body_error, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;

/// The handler: takes apart, verifies, appends, answers.
pub(crate) async fn post_summary(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, SUMMARY_BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.store_summary(&asked, body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

/// A post that was verified: from here on only the log can refuse it.
struct VerifiedSummary {
    caller: Caller,
    received_at: Timestamp,
    summary: Summary,
    signed_at: Timestamp,
    content: SignedRequest,
}

/// What a request's signature says.
pub(crate) struct VerifiedSignature<'h> {
    pub(crate) received_at: Timestamp,
    timestamp: &'h str,
    pub(crate) signed_at: Timestamp,
    pub(crate) signing_key: SigningKeyId,
    signature: RequestSignature,
}

impl VerifiedSignature<'_> {
    /// What is kept of the request, once its body was read as JSON.
    pub(crate) fn to_signed_request(&self, caller: &Caller, body: &[u8]) -> SignedRequest {
        let body = String::from_utf8(body.to_vec())
            .unwrap_or_else(|_| unreachable!("BUG: JSON that was read is UTF-8"));
        SignedRequest {
            body,
            timestamp: self.timestamp.to_owned(),
            signature: self.signature,
            signing_key_id: self.signing_key,
            token_id: caller.token_id.clone(),
        }
    }
}

impl IngestState {
    async fn store_summary(
        &self,
        asked: &RequestParts,
        body: Bytes,
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate(asked, Scope::SyncWrite, observed).await?;
        let verified = self.verify_summary(caller, &asked.headers, &body, observed)?;
        observed.verification = Verification::Passed;
        let wait = request_headers::preferred_wait(&asked.headers, self.settings.outcome_wait);
        let accepted = self.append_summary(verified, wait).await?;
        observed.outcome = accepted.outcome.map(Outcome::as_str);
        metrics::counter!("syncwell_summaries_total", "outcome" => outcome_label(&accepted)).increment(1);
        Ok(accepted_response(&accepted))
    }

    /// The signed timestamp, as spelled and as an instant, and the key and signature that are right.
    pub(crate) fn verify_signature<'h>(
        &self,
        caller: &Caller,
        headers: &'h HeaderMap,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<VerifiedSignature<'h>, ApiError> {
        let received_at = (self.authenticator.clock)();
        let (timestamp, signed_at) = request_headers::signed_timestamp(headers)?;
        observed.sync_timestamp = Some(timestamp.to_owned());
        self.check_timestamp_window(signed_at, received_at)?;
        let (signing_key, signature) = self.find_signing_key(caller, headers, timestamp, body)?;
        Ok(VerifiedSignature { received_at, timestamp, signed_at, signing_key, signature })
    }

    /// Timestamp, signature, content type, syntax, schema and bounds. Nothing is parsed before it is authenticated.
    fn verify_summary(
        &self,
        caller: Caller,
        headers: &HeaderMap,
        body: &Bytes,
        observed: &mut AccessLogFields,
    ) -> Result<VerifiedSummary, ApiError> {
        let signed = self.verify_signature(&caller, headers, body, observed)?;
        self.check_device_not_compromised(&caller.user, signed.signing_key.holder())?;
        request_headers::check_content_type(headers)?;
        let summary = Summary::parse(body, &self.settings.bounds, signed.received_at)
            .map_err(|rejected| body_error(ProblemCode::InvalidSummary, rejected))?;
        let content = signed.to_signed_request(&caller, body);
        let VerifiedSignature { received_at, signed_at, .. } = signed;
        Ok(VerifiedSummary { caller, received_at, summary, signed_at, content })
    }

    /// Refuses a phone that told of itself that its system is compromised, where the operator wants that; and any phone
    /// while it can't be told which did.
    fn check_device_not_compromised(&self, user: &UserRef, holder: KeyHolder) -> Result<(), ApiError> {
        if !self.settings.reject_compromised_devices {
            return Ok(());
        }
        match self.compromised_devices.is_compromised(user, holder) {
            Some(false) => Ok(()),
            Some(true) => {
                let detail =
                    "The device reported that its system is compromised. Report again once it is not.";
                Err(ApiError::new(ProblemCode::DeviceCompromised, detail))
            }
            None => Err(ApiError::new(
                ProblemCode::LogUnavailable,
                "Nothing was stored: whether the device is compromised can't be told now. Send the same bytes again.",
            )),
        }
    }

    fn check_timestamp_window(&self, signed_at: Timestamp, now: Timestamp) -> Result<(), ApiError> {
        let window_seconds = self.settings.timestamp_window_seconds;
        let window = SignedDuration::from_secs(i64::try_from(window_seconds).unwrap_or(i64::MAX));
        let distance = signed_at.duration_since(now).abs();
        if distance <= window { Ok(()) } else { Err(ApiError::stale_timestamp(window_seconds, now)) }
    }

    /// The key and the signature that are right.
    fn find_signing_key(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        timestamp: &str,
        body: &[u8],
    ) -> Result<(SigningKeyId, RequestSignature), ApiError> {
        let wrong = || {
            ApiError::new(
                ProblemCode::InvalidSignature,
                "No signature is right for this key, timestamp and body.",
            )
        };
        let signatures = request_headers::parse_signatures(headers)?;
        let ids: Vec<SigningKeyId> = match single_header(headers, "x-sync-key-id")? {
            Some(id) => vec![id.parse().map_err(|()| wrong())?],
            None => self.signing_keys.default_ids(),
        };
        for id in ids {
            let Some(key) = self.signing_keys.accepted_key(&caller.user, id) else { continue };
            if let Some(signature) =
                signatures.iter().find(|signature| key.verify(timestamp, body, signature))
            {
                self.check_key_holder(caller, id.holder())?;
                return Ok((id, *signature));
            }
        }
        Err(wrong())
    }

    /// Whether this caller may sign with a key of this holder. Only who signed rightly is told.
    fn check_key_holder(&self, caller: &Caller, holder: KeyHolder) -> Result<(), ApiError> {
        let device = match holder {
            KeyHolder::User => None,
            KeyHolder::Device(device) => Some(device),
        };
        if caller.device.is_some() && caller.device != device {
            let detail = "The token is for another device than the key that signed.";
            return Err(ApiError::new(ProblemCode::InvalidSignature, detail));
        }
        device.map_or(Ok(()), |device| self.check_device_not_revoked(&caller.user, device))
    }

    /// Seals, appends, and waits for the outcome.
    async fn append_summary(
        &self,
        verified: VerifiedSummary,
        wait: std::time::Duration,
    ) -> Result<Accepted, ApiError> {
        let VerifiedSummary { caller, received_at, summary, signed_at, content } = verified;
        let user = caller.user;
        let key = self.current_data_key(&user, summary.date.year()).await?;
        let id = request_event_id(&self.pseudonyms, &user, signed_at, &content.timestamp, &content.signature);
        let kind = EventKind::SummaryReceivedV1;
        let head = EventHeader { id, kind, user, time: received_at, key_id: Some(key.id()) };
        let (appended, outcome) = self
            .append_and_await_outcome(&head, content.seal(&head, &key), id, wait)
            .await
            .map_err(|error| append_error(&error))?;
        Ok(Accepted {
            outcome,
            date: summary.date,
            event_id: id,
            sequence: appended.sequence,
            replayed: appended.replayed,
        })
    }
}

fn outcome_label(answer: &Accepted) -> &'static str {
    match answer {
        Accepted { replayed: true, .. } => "replayed",
        Accepted { outcome: Some(outcome), .. } => outcome.as_str(),
        Accepted { outcome: None, .. } => "unknown",
    }
}

fn accepted_response(answer: &Accepted) -> Response {
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
