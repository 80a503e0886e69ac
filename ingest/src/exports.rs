//! `POST /v1/exports`: a person wants to take their data along. What is asked for becomes an event; the worker makes it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{EXPORT_SUBJECT, EventKind, ExportAnswer, ExportQuestion, ExportRequested, SealedContent};
use http::{HeaderValue, StatusCode, header};
use http_edge::{Observed, Refusal, Scope, Verification};
use keys::{ExportId, UserRef};
use schemas::{Code, ExportAccepted};

use crate::append::{Asked, OfAccount, answer};
use crate::door::Door;

/// Bytes of a request's body, which says nothing.
const BODY_BYTES_MAX: usize = 1_024;

pub(crate) async fn post_export(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.export(&asked, &body, &mut observed).await;
    answer(answered, observed)
}

impl Door {
    async fn export(&self, asked: &Asked, body: &[u8], observed: &mut Observed) -> Result<Response, Refusal> {
        let caller = self.let_in(asked, Scope::AccountManage, observed).await?;
        observed.verification = Verification::Passed;
        check_empty(body)?;
        self.check_turn(&caller.user).await?;
        let export_id = ExportId::new(&self.pseudonyms, &caller.user);
        let requested = ExportRequested { export_id, jti: caller.token_id.clone() };
        let event = OfAccount::new(EventKind::ExportRequestedV1, (self.gate.clock)(), self.settings.wait);
        self.store_of_account(caller.user, event, observed, |head, key| requested.seal(head, key)).await?;
        let location: HeaderValue = format!("/v1/exports/{export_id}")
            .parse()
            .unwrap_or_else(|_| unreachable!("BUG: an export's id is ASCII"));
        let accepted = ExportAccepted { export_id: export_id.to_string() };
        Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], Json(accepted)).into_response())
    }

    /// One at a time, and so many a day as the operator says.
    async fn check_turn(&self, user: &UserRef) -> Result<(), Refusal> {
        let question = ExportQuestion { user_ref: user.to_string() };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let asked = self.broker.request(EXPORT_SUBJECT.to_owned(), question.into()).await;
        let told = asked.ok().and_then(|told| serde_json::from_slice(&told).ok());
        let (requested_at, is_pending) = match told {
            Some(ExportAnswer::Latest { requested_at, is_pending }) => (requested_at, is_pending),
            Some(ExportAnswer::Erased) => return Err(Refusal::account_erased()),
            Some(ExportAnswer::Unavailable) | None => {
                let detail = "Nothing was done: how your exports stand can't be told now. Send the same request again.";
                return Err(Refusal::new(Code::ViewUnavailable, detail));
            }
        };
        let pause_seconds = self.settings.export_pause.as_secs();
        let age_seconds = requested_at
            .map(|requested| (self.gate.clock)().as_second().saturating_sub(requested.as_second()))
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
        Err(Refusal::new(Code::RateLimited, detail).with_header(header::RETRY_AFTER, &left_seconds))
    }
}

/// Nothing, or an empty object.
fn check_empty(body: &[u8]) -> Result<(), Refusal> {
    if body.is_empty() {
        return Ok(());
    }
    match serde_json::from_slice(body) {
        Ok(serde_json::Value::Object(members)) if members.is_empty() => Ok(()),
        Ok(_) => Err(Refusal::new(Code::InvalidRequest, "The body may be an empty object, or nothing.")),
        Err(_) => {
            Err(Refusal::new(Code::InvalidJson, "The body must be one JSON text in UTF-8, or nothing."))
        }
    }
}
