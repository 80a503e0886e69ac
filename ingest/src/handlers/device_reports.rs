//! `POST /v1/device-reports`: a phone tells how it is, signed like a summary.
//!
//! A report is the phone's own word: a phone that lies is not found out here. It is kept for whoever has to judge what
//! the phone sent, and, where the operator wants that, a phone that says that its system is compromised posts no more
//! summaries until it says otherwise.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{EventKind, request_event_id};
use http::StatusCode;
use http_edge::{AccessLogFields, ApiError, Scope, Verification};
use keys::ACCOUNT_YEAR;
use schemas::{DeviceReport, DeviceReportAccepted, KeyStorage, ProblemCode};

use crate::api_errors::body_error;
use crate::append::NewAccountEvent;
use crate::request::{RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;

/// Bytes of a report.
const BODY_BYTES_MAX: usize = 4 * 1_024;

pub(crate) async fn post_device_report(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.store_device_report(&asked, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn store_device_report(
        &self,
        asked: &RequestParts,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate(asked, Scope::SyncWrite, observed).await?;
        let signed = self.verify_signature(&caller, &asked.headers, body, observed)?;
        request_headers::check_content_type(&asked.headers)?;
        let report = DeviceReport::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        observed.verification = Verification::Passed;
        let content = signed.to_signed_request(&caller, body);
        let id = request_event_id(
            &self.pseudonyms,
            &caller.user,
            signed.signed_at,
            &content.timestamp,
            &content.signature,
        );
        // Nothing is kept of an account that is no more.
        self.current_data_key(&caller.user, ACCOUNT_YEAR).await?;
        // First what keeps the device out, then the event that tells of it: whoever sees an error reports again.
        let holder = signed.signing_key.holder();
        let marked =
            self.compromised_devices.report(&caller.user, holder, report.os_compromised, signed.signed_at);
        marked.await.map_err(|_| {
            ApiError::new(
                ProblemCode::LogUnavailable,
                "The report may not be kept yet. Send the same bytes again.",
            )
        })?;
        let event = NewAccountEvent {
            kind: EventKind::DeviceReportedV1,
            id,
            awaited_event_id: id,
            wait: request_headers::preferred_wait(&asked.headers, self.settings.outcome_wait),
        };
        let stored =
            self.append_account_event(caller.user, event, observed, |head, key| content.seal(head, key));
        let (appended, _) = stored.await?;
        let status = if appended.replayed {
            StatusCode::OK
        } else {
            count_device_report(&report);
            StatusCode::CREATED
        };
        let accepted =
            DeviceReportAccepted { event_id: id, sequence: appended.sequence, replayed: appended.replayed };
        Ok((status, Json(accepted)).into_response())
    }
}

fn count_device_report(report: &DeviceReport) {
    let key_storage = match report.key_storage {
        KeyStorage::Hardware => "hardware",
        KeyStorage::Software => "software",
        KeyStorage::None => "none",
    };
    let os_compromised = if report.os_compromised { "true" } else { "false" };
    metrics::counter!(
        "syncwell_device_reports_total",
        "os_compromised" => os_compromised,
        "key_storage" => key_storage
    )
    .increment(1);
}
