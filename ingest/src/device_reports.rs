//! `POST /v1/device-reports`: a phone tells how it is, signed like a summary.
//!
//! A report is the phone's own word: a phone that lies is not found out here. It is kept for whoever has to judge what
//! the phone sent, and, where the operator wants that, a phone that says that its system is compromised posts no more
//! summaries until it says otherwise.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{EventKind, event_id};
use http::StatusCode;
use http_edge::{Observed, Refusal, Scope, Verification};
use keys::ACCOUNT_YEAR;
use schemas::{Code, DeviceReport, DeviceReportAccepted, KeyStorage};

use crate::append::{Asked, OfAccount, answer, refuse_body};
use crate::door::Door;
use crate::headers;

/// Bytes of a report.
const BODY_BYTES_MAX: usize = 4 * 1_024;

pub(crate) async fn post_device_report(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.report(&asked, &body, &mut observed).await;
    answer(answered, observed)
}

impl Door {
    async fn report(&self, asked: &Asked, body: &[u8], observed: &mut Observed) -> Result<Response, Refusal> {
        let caller = self.let_in(asked, Scope::SyncWrite, observed).await?;
        let signed = self.verify_signed(&caller, &asked.headers, body, observed)?;
        headers::content_type(&asked.headers)?;
        let report =
            DeviceReport::read(body).map_err(|rejected| refuse_body(Code::InvalidRequest, rejected))?;
        observed.verification = Verification::Passed;
        let content = signed.content(&caller, body);
        let id = event_id(
            &self.pseudonyms,
            &caller.user,
            signed.signed_at,
            &content.timestamp,
            &content.signature,
        );
        // Nothing is kept of an account that is no more.
        self.key_to_seal(&caller.user, ACCOUNT_YEAR).await?;
        // First what keeps the device out, then the event that tells of it: whoever sees an error reports again.
        let holder = signed.signing_key.holder();
        let marked = self.compromised.report(&caller.user, holder, report.os_compromised, signed.signed_at);
        marked.await.map_err(|_| {
            Refusal::new(Code::LogUnavailable, "The report may not be kept yet. Send the same bytes again.")
        })?;
        let event = OfAccount {
            kind: EventKind::DeviceReportedV1,
            id,
            awaited: id,
            wait: headers::wait(&asked.headers, self.settings.wait),
        };
        let stored = self.store_of_account(caller.user, event, observed, |head, key| content.seal(head, key));
        let (appended, _) = stored.await?;
        let status = if appended.replayed {
            StatusCode::OK
        } else {
            count(&report);
            StatusCode::CREATED
        };
        let accepted =
            DeviceReportAccepted { event_id: id, sequence: appended.sequence, replayed: appended.replayed };
        Ok((status, Json(accepted)).into_response())
    }
}

fn count(report: &DeviceReport) {
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
