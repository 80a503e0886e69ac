//! `POST /v1/erasures` and `POST /v1/erasures/{erasure_id}/cancel`: an account ends, and its user may take that back while
//! there is a grace period.
//!
//! What is asked for becomes an event in clear under the user's pseudonym, since it must be read when no key is left. The
//! worker carries it out. The answer's receipt token reads what came of it when no token of the account is accepted any
//! more; it is derived, so whoever lost it asks again with a fresh token and is given the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use events::{ErasureChange, ErasureEvent, EventHeader, new_event_id};
use http::{HeaderValue, StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification, bearer_token};
use keys::{ErasureId, ReceiptToken, UserRef};
use schemas::{EraseRequest, ErasureAccepted, Outcome, ProblemCode, ViolationCode, Violations};

use crate::api_errors::{account_append_error, body_error, log_unavailable};
use crate::request::{PathId, RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1_024;
/// A token that was issued longer ago does not say that its user wants this now.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(300);

pub(crate) async fn post_erasure(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.request_erasure(&asked, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

pub(crate) async fn cancel_erasure(
    State(door): State<Arc<IngestState>>,
    id: PathId,
    request: Request,
) -> Response {
    let (asked, _, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let answered = door.request_erasure_cancellation(&asked, id, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn request_erasure(
        &self,
        asked: &RequestParts,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_including_erased(asked, Scope::AccountManage, observed).await?;
        self.check_token_age(&caller)?;
        request_headers::check_content_type(&asked.headers)?;
        let request = EraseRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        self.check_user_id(&caller, &request)?;
        observed.verification = Verification::Passed;
        self.erased_users.check_ready().map_err(log_unavailable)?;
        if let Some(begun) = self.erased_users.erasure_of(&caller.user) {
            return Ok(self.accepted_response(&caller.user, begun));
        }
        let erasure_id = ErasureId::new(&self.pseudonyms, &caller.user);
        let now = (self.clock)();
        let due_at = now.saturating_add(self.settings.erasure_grace_period).unwrap_or(now);
        let requested = ErasureEvent { erasure_id, change: ErasureChange::Requested { due_at } };
        self.append_erasure_event(caller.user, &requested, self.settings.outcome_wait, observed).await?;
        Ok(self.accepted_response(&caller.user, erasure_id))
    }

    async fn request_erasure_cancellation(
        &self,
        asked: &RequestParts,
        id: Option<ErasureId>,
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let none = || ApiError::new(ProblemCode::NotFound, "There is no erasure of yours here.");
        let user = match bearer_token(&asked.headers)?.parse::<ReceiptToken>() {
            Ok(token) => {
                self.authenticator.check_address_rate(asked.peer_address, &asked.headers)?;
                id.and_then(|id| token.verify(&self.pseudonyms, id)).ok_or_else(none)?
            }
            Err(_) => self.authenticate_including_erased(asked, Scope::AccountManage, observed).await?.user,
        };
        let erasure_id = id.filter(|id| id.is_owned_by(&self.pseudonyms, &user)).ok_or_else(none)?;
        (observed.user, observed.verification) = (Some(user), Verification::Passed);
        self.erased_users.check_ready().map_err(log_unavailable)?;
        if self.erased_users.erasure_of(&user).is_some() {
            return Err(erasure_in_progress());
        }
        let cancelled = ErasureEvent { erasure_id, change: ErasureChange::Cancelled };
        let wait = request_headers::preferred_wait(&asked.headers, self.settings.outcome_wait);
        match self.append_erasure_event(user, &cancelled, wait, observed).await? {
            Some(Outcome::Created | Outcome::Merged) => Ok(StatusCode::NO_CONTENT.into_response()),
            Some(Outcome::Unchanged) => Err(erasure_in_progress()),
            None => {
                Ok((StatusCode::ACCEPTED, [(header::LOCATION, erasure_location(erasure_id))]).into_response())
            }
        }
    }

    /// Who lost a phone that is still logged in must not lose the account with it.
    fn check_token_age(&self, caller: &Caller) -> Result<(), ApiError> {
        let age_seconds = (self.clock)().as_second().saturating_sub(caller.issued_at);
        if u64::try_from(age_seconds).unwrap_or(0) <= TOKEN_AGE_MAX.as_secs() {
            return Ok(());
        }
        let detail =
            "The token was issued more than 5 minutes ago: log in again, and ask with the new token.";
        let challenge = format!(
            r#"Bearer error="insufficient_user_authentication", max_age="{}""#,
            TOKEN_AGE_MAX.as_secs()
        );
        // RFC 9470, section 3.
        Err(ApiError::new(ProblemCode::InvalidToken, detail)
            .with_header(header::WWW_AUTHENTICATE, &challenge))
    }

    /// The body names the token's own user: whoever sends it says whom it ends.
    fn check_user_id(&self, caller: &Caller, request: &EraseRequest) -> Result<(), ApiError> {
        let named = request.user_id.parse().map(|id| self.pseudonyms.user_ref(&id));
        if named.is_ok_and(|named| named == caller.user) {
            return Ok(());
        }
        let mut violations = Violations::default();
        violations.push("/user_id", ViolationCode::OutOfRange, "must be the user id of the token");
        Err(ApiError::from_violations(ProblemCode::InvalidRequest, violations))
    }

    async fn append_erasure_event(
        &self,
        user: UserRef,
        event: &ErasureEvent,
        wait: Duration,
        observed: &mut AccessLogFields,
    ) -> Result<Option<Outcome>, ApiError> {
        self.check_log_available()?;
        let time = (self.clock)();
        let head =
            EventHeader { id: new_event_id(time), kind: event.change.kind(), user, time, key_id: None };
        let bytes = event.encode(&head, &self.pseudonyms);
        let stored = self.append_and_await_outcome(&head, bytes, head.id, wait).await;
        let (_, outcome) = stored.map_err(|error| account_append_error(&error))?;
        observed.outcome = outcome.map(Outcome::as_str);
        Ok(outcome)
    }

    fn accepted_response(&self, user: &UserRef, erasure_id: ErasureId) -> Response {
        let accepted = ErasureAccepted {
            erasure_id: erasure_id.to_string(),
            receipt_token: ReceiptToken::new(&self.pseudonyms, user, erasure_id).reveal(),
        };
        let headers = [
            (header::LOCATION, erasure_location(erasure_id)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::ACCEPTED, headers, Json(accepted)).into_response()
    }
}

fn erasure_in_progress() -> ApiError {
    let detail = "The erasure has begun, or was taken back already.";
    ApiError::new(ProblemCode::WrongStatus, detail)
}

fn erasure_location(id: ErasureId) -> HeaderValue {
    let location = format!("/v1/erasures/{id}");
    location.parse().unwrap_or_else(|_| unreachable!("BUG: an erasure's id is ASCII"))
}
