//! `POST /v1/connections`, its `/authorize` and `/reauth`, and `DELETE`: a user's connection to a provider begins, is
//! agreed to, is agreed to again, and ends.
//!
//! What is asked for becomes an event; the worker does it and appends what came of it, named after the event that asked
//! ([`events::answer_id`]). So the door can wait for an answer that it can't read. Where it must know how a connection
//! stands, it asks the projector ([`question`]).

mod authorization_url;
mod authorize;
mod lookup;
mod revoke;

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::response::{IntoResponse, Response};
use events::{ConnectionReauthRequested, ConnectionRequested, EventKind, SealedContent};
use http::{HeaderValue, StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification};
use keys::{ConnectionId, OAuthState};
use schemas::{
    ConnectRequest, ConnectionDocument, ConnectionStarted, ProblemCode, ReauthRequest, Violation,
    ViolationCode,
};

use crate::append::{NewAccountEvent, RequestParts, body_error, respond_with_access_log};
use crate::provider_settings::ConnectableProvider;
use crate::request_headers;
use crate::state::IngestState;
use authorization_url::authorization_url;

/// Bytes of a request's body: a code, a state and a verifier, each as long as it may be.
const BODY_BYTES_MAX: usize = 8 * 1_024;

type IdInPath = Result<Path<String>, PathRejection>;

pub(crate) async fn post_connection(State(door): State<Arc<IngestState>>, request: Request) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.request_connection(&asked, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

pub(crate) async fn reauth_connection(
    State(door): State<Arc<IngestState>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.request_reauth(&asked, id, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

pub(crate) async fn authorize_connection(
    State(door): State<Arc<IngestState>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.submit_authorization_code(&asked, id, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

pub(crate) async fn delete_connection(
    State(door): State<Arc<IngestState>>,
    id: IdInPath,
    request: Request,
) -> Response {
    let (asked, _) = RequestParts::from_request(request);
    let mut observed = AccessLogFields::default();
    let answered = door.request_revocation(&asked, id, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn request_connection(
        &self,
        asked: &RequestParts,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_for_connections(asked, observed).await?;
        request_headers::check_content_type(&asked.headers)?;
        let request = ConnectRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected))?;
        let provider = self.check_connect_request(&request)?;
        let connection_id = ConnectionId::new(&self.pseudonyms, &caller.user);
        let requested = ConnectionRequested {
            connection_id,
            provider: request.provider.clone(),
            redirect_uri: request.redirect_uri.clone(),
            jti: caller.token_id.clone(),
        };
        let now = (self.authenticator.clock)();
        let event = NewAccountEvent::new(EventKind::ConnectionRequestedV1, now, self.settings.outcome_wait);
        self.append_account_event(caller.user, event, observed, |head, key| requested.seal(head, key))
            .await?;
        let challenge = request.code_challenge.as_deref();
        let started =
            self.started_response(&caller, connection_id, &provider, &request.redirect_uri, challenge);
        let mut response = (StatusCode::CREATED, started).into_response();
        response.headers_mut().insert(header::LOCATION, connection_location(connection_id));
        Ok(response)
    }

    async fn request_reauth(
        &self,
        asked: &RequestParts,
        id: IdInPath,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_for_connections(asked, observed).await?;
        let connection_id = self.parse_own_connection(&caller, id)?;
        if !body.is_empty() {
            request_headers::check_content_type(&asked.headers)?;
        }
        let ReauthRequest { code_challenge } = ReauthRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected))?;
        let found = self.fetch_connection(&caller.user, connection_id).await?;
        check_connection_open(&found.connection)?;
        let provider = self.check_connectable(&found.connection, &found.redirect_uri)?;
        let requested = ConnectionReauthRequested { connection_id, jti: caller.token_id.clone() };
        let now = (self.authenticator.clock)();
        let event =
            NewAccountEvent::new(EventKind::ConnectionReauthRequestedV1, now, self.settings.outcome_wait);
        self.append_account_event(caller.user, event, observed, |head, key| requested.seal(head, key))
            .await?;
        let challenge = code_challenge.as_deref();
        Ok(self
            .started_response(&caller, connection_id, &provider, &found.redirect_uri, challenge)
            .into_response())
    }

    /// With the token all is verified: nothing else says who is asking.
    async fn authenticate_for_connections(
        &self,
        asked: &RequestParts,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticate(asked, Scope::AccountManage, observed).await?;
        observed.verification = Verification::Passed;
        Ok(caller)
    }

    /// A name that was given to a connection of this caller; told from any other without a look-up.
    fn parse_own_connection(&self, caller: &Caller, id: IdInPath) -> Result<ConnectionId, ApiError> {
        let id: Option<ConnectionId> = id.ok().and_then(|Path(id)| id.parse().ok());
        id.filter(|id| id.is_owned_by(&self.pseudonyms, &caller.user)).ok_or_else(connection_not_found)
    }

    fn check_connect_request(&self, request: &ConnectRequest) -> Result<ConnectableProvider<'_>, ApiError> {
        let settings = &self.settings.providers;
        let provider = settings.connectable_provider(&request.provider);
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
            Some(_) | None => Err(ApiError::violations(ProblemCode::InvalidRequest, violations)),
        }
    }

    /// The provider of a connection that was begun under other settings, perhaps.
    fn check_connectable(
        &self,
        connection: &ConnectionDocument,
        redirect_uri: &str,
    ) -> Result<ConnectableProvider<'_>, ApiError> {
        let settings = &self.settings.providers;
        settings.connectable_provider(&connection.provider).filter(|_| settings.allows_redirect_to(redirect_uri)).ok_or_else(
            || {
                let detail = "This installation no longer connects to the connection's provider, or not by way of its \
                    redirect URI. Revoke it and begin a new one.";
                ApiError::new(ProblemCode::InvalidRequest, detail)
            },
        )
    }

    fn started_response(
        &self,
        caller: &Caller,
        connection_id: ConnectionId,
        provider: &ConnectableProvider<'_>,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> impl IntoResponse + use<> {
        let now = (self.authenticator.clock)();
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

fn check_connection_open(connection: &ConnectionDocument) -> Result<(), ApiError> {
    if connection.status.is_open() {
        return Ok(());
    }
    let detail = "The connection is being revoked, or was. Begin a new one.";
    Err(ApiError::new(ProblemCode::WrongStatus, detail))
}

fn connection_not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "There is no connection of yours here.")
}

/// Not known in time: the connection as it is, and where it will stand.
fn accepted_response(id: ConnectionId, connection: &ConnectionDocument) -> Response {
    (StatusCode::ACCEPTED, [(header::LOCATION, connection_location(id))], Json(connection)).into_response()
}

fn connection_location(id: ConnectionId) -> HeaderValue {
    let location = format!("/v1/connections/{id}");
    location.parse().unwrap_or_else(|_| unreachable!("BUG: a connection's id is ASCII"))
}
