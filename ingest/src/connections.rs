//! `POST /v1/connections`, its `/authorize` and `/reauth`, and `DELETE`: a user's connection to a provider begins, is
//! agreed to, is agreed to again, and ends.
//!
//! What is asked for becomes an event; the worker does it and appends what came of it, named after the event that asked
//! ([`events::answer_id`]). So the door can wait for an answer that it can't read. Where it must know how a connection
//! stands, it asks the projector ([`question`]).

mod authorization_url;
mod authorize;
mod question;
mod revoke;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use events::{ConnectionReauthRequested, ConnectionRequested, EventKind, SealedContent};
use http::{HeaderValue, StatusCode, header};
use http_edge::{Caller, Observed, Refusal, Scope, Verification};
use keys::{ConnectionId, OAuthState};
use schemas::{
    Code, ConnectRequest, ConnectionDocument, ConnectionStarted, ReauthRequest, Violation, ViolationCode,
};

use crate::append::{Asked, OfAccount, answer, refuse_body};
use crate::door::Door;
use crate::headers;
use crate::provider_settings::Connectable;
use authorization_url::authorization_url;

/// Bytes of a request's body: a code, a state and a verifier, each as long as it may be.
const BODY_BYTES_MAX: usize = 8 * 1_024;

type IdInPath = Result<Path<String>, PathRejection>;

pub(crate) async fn post_connection(State(door): State<Arc<Door>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.connect(&asked, &body, &mut observed).await;
    answer(answered, observed)
}

pub(crate) async fn reauth_connection(
    State(door): State<Arc<Door>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.reauth(&asked, id, &body, &mut observed).await;
    answer(answered, observed)
}

pub(crate) async fn authorize_connection(
    State(door): State<Arc<Door>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.authorize(&asked, id, &body, &mut observed).await;
    answer(answered, observed)
}

pub(crate) async fn delete_connection(
    State(door): State<Arc<Door>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, _) = Asked::take(request);
    let mut observed = Observed::default();
    let answered = door.disconnect(&asked, id, &mut observed).await;
    answer(answered, observed)
}

impl Door {
    async fn connect(
        &self,
        asked: &Asked,
        body: &[u8],
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let caller = self.let_in_to_connections(asked, observed).await?;
        headers::content_type(&asked.headers)?;
        let request =
            ConnectRequest::read(body).map_err(|rejected| refuse_body(Code::InvalidRequest, rejected))?;
        let provider = self.check_request(&request)?;
        let connection_id = ConnectionId::new(&self.pseudonyms, &caller.user);
        let requested = ConnectionRequested {
            connection_id,
            provider: request.provider.clone(),
            redirect_uri: request.redirect_uri.clone(),
            jti: caller.token_id.clone(),
        };
        let now = (self.gate.clock)();
        let event = OfAccount::new(EventKind::ConnectionRequestedV1, now, self.settings.wait);
        self.store_of_account(caller.user, event, observed, |head, key| requested.seal(head, key)).await?;
        let challenge = request.code_challenge.as_deref();
        let started = self.started(&caller, connection_id, &provider, &request.redirect_uri, challenge);
        let mut response = (StatusCode::CREATED, started).into_response();
        response.headers_mut().insert(header::LOCATION, location(connection_id));
        Ok(response)
    }

    async fn reauth(
        &self,
        asked: &Asked,
        id: IdInPath,
        body: &[u8],
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let caller = self.let_in_to_connections(asked, observed).await?;
        let connection_id = self.own_connection(&caller, id)?;
        if !body.is_empty() {
            headers::content_type(&asked.headers)?;
        }
        let ReauthRequest { code_challenge } =
            ReauthRequest::read(body).map_err(|rejected| refuse_body(Code::InvalidRequest, rejected))?;
        let found = self.ask_for_connection(&caller.user, connection_id).await?;
        check_open(&found.connection)?;
        let provider = self.still_connectable(&found.connection, &found.redirect_uri)?;
        let requested = ConnectionReauthRequested { connection_id, jti: caller.token_id.clone() };
        let now = (self.gate.clock)();
        let event = OfAccount::new(EventKind::ConnectionReauthRequestedV1, now, self.settings.wait);
        self.store_of_account(caller.user, event, observed, |head, key| requested.seal(head, key)).await?;
        let challenge = code_challenge.as_deref();
        Ok(self.started(&caller, connection_id, &provider, &found.redirect_uri, challenge).into_response())
    }

    /// With the token all is verified: nothing else says who is asking.
    async fn let_in_to_connections(&self, asked: &Asked, observed: &mut Observed) -> Result<Caller, Refusal> {
        let caller = self.let_in(asked, Scope::AccountManage, observed).await?;
        observed.verification = Verification::Passed;
        Ok(caller)
    }

    /// A name that was given to a connection of this caller; told from any other without a look-up.
    fn own_connection(&self, caller: &Caller, id: IdInPath) -> Result<ConnectionId, Refusal> {
        let id: Option<ConnectionId> = id.ok().and_then(|Path(id)| id.parse().ok());
        id.filter(|id| id.is_owned_by(&self.pseudonyms, &caller.user)).ok_or_else(no_connection)
    }

    fn check_request(&self, request: &ConnectRequest) -> Result<Connectable<'_>, Refusal> {
        let settings = &self.settings.providers;
        let provider = settings.connectable(&request.provider);
        let mut violations = Vec::new();
        let mut refuse = |pointer: &str, detail: &str| {
            violations.push(Violation {
                pointer: pointer.to_owned(),
                code: ViolationCode::OutOfRange,
                detail: detail.to_owned(),
            });
        };
        if provider.is_none() {
            refuse("/provider", "must be a provider that this installation connects to");
        }
        if !settings.allows_redirect_to(&request.redirect_uri) {
            refuse("/redirect_uri", "must be one that the operator allows, letter by letter");
        }
        match provider {
            Some(provider) if violations.is_empty() => Ok(provider),
            Some(_) | None => Err(Refusal::violations(Code::InvalidRequest, violations)),
        }
    }

    /// The provider of a connection that was begun under other settings, perhaps.
    fn still_connectable(
        &self,
        connection: &ConnectionDocument,
        redirect_uri: &str,
    ) -> Result<Connectable<'_>, Refusal> {
        let settings = &self.settings.providers;
        settings.connectable(&connection.provider).filter(|_| settings.allows_redirect_to(redirect_uri)).ok_or_else(
            || {
                let detail = "This installation no longer connects to the connection's provider, or not by way of its \
                    redirect URI. Revoke it and begin a new one.";
                Refusal::new(Code::InvalidRequest, detail)
            },
        )
    }

    fn started(
        &self,
        caller: &Caller,
        connection_id: ConnectionId,
        provider: &Connectable<'_>,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> impl IntoResponse + use<> {
        let now = (self.gate.clock)();
        let state = OAuthState::new(&self.pseudonyms, &caller.user, connection_id, now);
        let url = authorization_url(provider, redirect_uri, &state, &self.pseudonyms, challenge);
        let started = ConnectionStarted {
            connection_id: connection_id.to_string(),
            authorization_url: url.into(),
            state: state.to_string(),
        };
        // Whoever has the state can hand in a code: nothing on the way may keep it.
        ([(header::CACHE_CONTROL, "no-store")], Json(started))
    }
}

fn check_open(connection: &ConnectionDocument) -> Result<(), Refusal> {
    if connection.status.is_open() {
        return Ok(());
    }
    let detail = "The connection is being revoked, or was. Begin a new one.";
    Err(Refusal::new(Code::WrongStatus, detail))
}

fn no_connection() -> Refusal {
    Refusal::new(Code::NotFound, "There is no connection of yours here.")
}

/// Not known in time: the connection as it is, and where it will stand.
fn accepted(id: ConnectionId, connection: &ConnectionDocument) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, location(id))], Json(connection)).into_response()
}

fn location(id: ConnectionId) -> HeaderValue {
    let location = format!("/v1/connections/{id}");
    location.parse().unwrap_or_else(|_| unreachable!("BUG: a connection's id is ASCII"))
}
