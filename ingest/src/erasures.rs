//! `POST /v1/erasures` and `POST /v1/erasures/{erasure_id}/cancel`: an account ends, and its user may take that back while
//! there is a grace period.
//!
//! What is asked for becomes an event in clear under the user's pseudonym, since it must be read when no key is left. The
//! worker carries it out. The answer's receipt token reads what came of it when no token of the account is accepted any
//! more; it is derived, so whoever lost it asks again with a fresh token and is given the same.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use events::{ErasureEvent, ErasureFact, Head, new_event_id};
use http::{HeaderValue, StatusCode, header};
use http_edge::{Caller, Observed, Refusal, Scope, Verification, bearer};
use keys::{ErasureId, ReceiptToken, UserRef};
use schemas::{Code, EraseRequest, ErasureAccepted, Outcome, Violation, ViolationCode};

use crate::append::{Asked, answer, refuse_body, refuse_of_account};
use crate::door::Door;
use crate::headers;

/// Bytes of a request's body.
const BODY_BYTES_MAX: usize = 1_024;
/// A token that was issued longer ago does not say that its user wants this now.
const TOKEN_AGE_MAX: Duration = Duration::from_secs(300);

type IdInPath = Result<Path<String>, PathRejection>;

pub(crate) async fn post_erasure(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.erase(&asked, &body, &mut observed).await;
    answer(answered, observed)
}

pub(crate) async fn cancel_erasure(
    State(door): State<Arc<Door>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, _, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let id = id.ok().and_then(|Path(id)| id.parse().ok());
    let answered = door.cancel(&asked, id, &mut observed).await;
    answer(answered, observed)
}

impl Door {
    async fn erase(&self, asked: &Asked, body: &[u8], observed: &mut Observed) -> Result<Response, Refusal> {
        let caller = self.let_in_also_erased(asked, Scope::AccountManage, observed).await?;
        self.check_fresh(&caller)?;
        headers::content_type(&asked.headers)?;
        let request =
            EraseRequest::read(body).map_err(|rejected| refuse_body(Code::InvalidRequest, rejected))?;
        self.check_named(&caller, &request)?;
        observed.verification = Verification::Passed;
        self.erasing.check_ready().map_err(unavailable)?;
        if let Some(begun) = self.erasing.erasure_of(&caller.user) {
            return Ok(self.accepted(&caller.user, begun));
        }
        let erasure_id = ErasureId::new(&self.pseudonyms, &caller.user);
        let now = (self.gate.clock)();
        let due_at = now.saturating_add(self.settings.erasure_grace).unwrap_or(now);
        let requested = ErasureEvent { erasure_id, fact: ErasureFact::Requested { due_at } };
        self.store_erasure(caller.user, &requested, self.settings.wait, observed).await?;
        Ok(self.accepted(&caller.user, erasure_id))
    }

    async fn cancel(
        &self,
        asked: &Asked,
        id: Option<ErasureId>,
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let none = || Refusal::new(Code::NotFound, "There is no erasure of yours here.");
        let user = match bearer(&asked.headers)?.parse::<ReceiptToken>() {
            Ok(token) => {
                self.gate.count_address(asked.peer, &asked.headers)?;
                id.and_then(|id| token.verify(&self.pseudonyms, id)).ok_or_else(none)?
            }
            Err(_) => self.let_in_also_erased(asked, Scope::AccountManage, observed).await?.user,
        };
        let erasure_id = id.filter(|id| id.is_owned_by(&self.pseudonyms, &user)).ok_or_else(none)?;
        (observed.user, observed.verification) = (Some(user), Verification::Passed);
        self.erasing.check_ready().map_err(unavailable)?;
        if self.erasing.erasure_of(&user).is_some() {
            return Err(begun());
        }
        let cancelled = ErasureEvent { erasure_id, fact: ErasureFact::Cancelled };
        let wait = headers::wait(&asked.headers, self.settings.wait);
        match self.store_erasure(user, &cancelled, wait, observed).await? {
            Some(Outcome::Created | Outcome::Merged) => Ok(StatusCode::NO_CONTENT.into_response()),
            Some(Outcome::Unchanged) => Err(begun()),
            None => Ok((StatusCode::ACCEPTED, [(header::LOCATION, location(erasure_id))]).into_response()),
        }
    }

    /// Who lost a phone that is still logged in must not lose the account with it.
    fn check_fresh(&self, caller: &Caller) -> Result<(), Refusal> {
        let age_seconds = (self.gate.clock)().as_second().saturating_sub(caller.issued_at);
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
        Err(Refusal::new(Code::InvalidToken, detail).with_header(header::WWW_AUTHENTICATE, &challenge))
    }

    /// The body names the token's own user: whoever sends it says whom it ends.
    fn check_named(&self, caller: &Caller, request: &EraseRequest) -> Result<(), Refusal> {
        let named = request.user_id.parse().map(|id| self.pseudonyms.user_ref(&id));
        if named.is_ok_and(|named| named == caller.user) {
            return Ok(());
        }
        let violation = Violation {
            pointer: "/user_id".to_owned(),
            code: ViolationCode::OutOfRange,
            detail: "must be the user id of the token".to_owned(),
        };
        Err(Refusal::violations(Code::InvalidRequest, vec![violation]))
    }

    async fn store_erasure(
        &self,
        user: UserRef,
        event: &ErasureEvent,
        wait: Duration,
        observed: &mut Observed,
    ) -> Result<Option<Outcome>, Refusal> {
        self.check_log()?;
        let time = (self.gate.clock)();
        let head = Head { id: new_event_id(time), kind: event.fact.kind(), user, time, key_id: None };
        let bytes = event.store(&head, &self.pseudonyms);
        let stored = self.store(&head, bytes, head.id, wait).await;
        let (_, outcome) = stored.map_err(|error| refuse_of_account(&error))?;
        observed.outcome = outcome.map(Outcome::as_str);
        Ok(outcome)
    }

    fn accepted(&self, user: &UserRef, erasure_id: ErasureId) -> Response {
        let accepted = ErasureAccepted {
            erasure_id: erasure_id.to_string(),
            receipt_token: ReceiptToken::new(&self.pseudonyms, user, erasure_id).reveal(),
        };
        let headers = [
            (header::LOCATION, location(erasure_id)),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        ];
        (StatusCode::ACCEPTED, headers, Json(accepted)).into_response()
    }

    /// Refuses whoever is being erased, or was, and everybody while that can't be told of anybody yet.
    pub(crate) fn check_account(&self, user: &UserRef) -> Result<(), Refusal> {
        if self.erasing.erasure_of(user).is_some() {
            return Err(Refusal::account_erased());
        }
        self.erasing.check_ready().map_err(unavailable)
    }
}

fn begun() -> Refusal {
    let detail = "The erasure has begun, or was taken back already.";
    Refusal::new(Code::WrongStatus, detail)
}

fn unavailable(reason: String) -> Refusal {
    let detail = format!("Nothing was stored: {reason}. Send the same bytes again.");
    Refusal::new(Code::LogUnavailable, detail)
}

fn location(id: ErasureId) -> HeaderValue {
    let location = format!("/v1/erasures/{id}");
    location.parse().unwrap_or_else(|_| unreachable!("BUG: an erasure's id is ASCII"))
}
