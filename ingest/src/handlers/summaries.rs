//! `POST /v1/summaries`: one post from bytes to answer.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use events::{EventHeader, EventKind, SignedRequest, request_event_id};
use http::{HeaderMap, StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification};
use jiff::Timestamp;
use schemas::{Accepted, Outcome, ProblemCode, SUMMARY_BODY_BYTES_MAX, Summary};

use crate::api_errors::{append_error, body_error};
use crate::request::{RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::request_signature::VerifiedSignature;
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
            .map_err(|rejected| body_error(ProblemCode::InvalidSummary, rejected, signed.received_at))?;
        let content = signed.to_signed_request(&caller, body);
        let VerifiedSignature { received_at, signed_at, .. } = signed;
        Ok(VerifiedSummary { caller, received_at, summary, signed_at, content })
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
