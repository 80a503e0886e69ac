//! `POST /v1/exports`: a person wants to take their data along. What is asked for becomes an event; the worker makes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{
    EventKind, ExportRequested, LATEST_EXPORT_SUBJECT, LatestExportRequest, LatestExportResponse,
    SealedContent,
};
use http::{HeaderValue, StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Scope, Verification};
use keys::{ExportId, UserRef};
use schemas::{EmptyRequest, ExportAccepted, ProblemCode};

use crate::api_errors::body_error;
use crate::append::NewAccountEvent;
use crate::request::{RequestParts, respond_with_access_log};
use crate::state::IngestState;

/// Bytes of a request's body, which says nothing.
const BODY_BYTES_MAX: usize = 1_024;

pub(crate) async fn post_export(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.request_export(&asked, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn request_export(
        &self,
        asked: &RequestParts,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate(asked, Scope::AccountManage, observed).await?;
        observed.verification = Verification::Passed;
        EmptyRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        self.check_export_limit(&caller.user).await?;
        let export_id = ExportId::new(&self.pseudonyms, &caller.user);
        let requested = ExportRequested { export_id, jti: caller.token_id.clone() };
        let event =
            NewAccountEvent::new(EventKind::ExportRequestedV1, (self.clock)(), self.settings.outcome_wait);
        self.append_account_event(caller.user, event, observed, |head, key| requested.seal(head, key))
            .await?;
        let location: HeaderValue = format!("/v1/exports/{export_id}")
            .parse()
            .unwrap_or_else(|_| unreachable!("BUG: an export's id is ASCII"));
        let accepted = ExportAccepted { export_id: export_id.to_string() };
        Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(accepted)).into_response())
    }

    /// One at a time, and so many a day as the operator says.
    async fn check_export_limit(&self, user: &UserRef) -> Result<(), ApiError> {
        let question = LatestExportRequest { user_ref: user.to_string() };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let asked = self.broker.request(LATEST_EXPORT_SUBJECT.to_owned(), question.into()).await;
        let told = asked.ok().and_then(|told| serde_json::from_slice(&told).ok());
        let (requested_at, is_pending) = match told {
            Some(LatestExportResponse::Latest { requested_at, is_pending }) => (requested_at, is_pending),
            Some(LatestExportResponse::Erased) => return Err(ApiError::account_erased()),
            Some(LatestExportResponse::Unavailable) | None => {
                let detail = "Nothing was done: how your exports stand can't be told now. Send the same request again.";
                return Err(ApiError::new(ProblemCode::ViewUnavailable, detail));
            }
        };
        let pause_seconds = self.settings.export_interval_min.as_secs();
        let age_seconds = requested_at
            .map(|requested| (self.clock)().as_second().saturating_sub(requested.as_second()))
            .and_then(|age| u64::try_from(age.max(0)).ok());
        let left_seconds = age_seconds.map_or(0, |age| pause_seconds.saturating_sub(age));
        if left_seconds == 0 && !is_pending {
            return Ok(());
        }
        let detail = if is_pending {
            "An export is being made: one at a time."
        } else {
            "An export was made a short while ago. Ask again after Retry-After, or fetch that one."
        };
        let left_seconds = left_seconds.max(1).to_string();
        Err(ApiError::new(ProblemCode::RateLimited, detail).with_header(header::RETRY_AFTER, &left_seconds))
    }
}
