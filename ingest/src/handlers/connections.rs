//! `POST /v1/connections`, its `/authorize` and `/reauth`, and `DELETE`: a user connects to a provider, authorizes the
//! connection, authorizes it again, and revokes it.
//!
//! A request becomes an event. The worker processes it and appends the result, whose id is derived from the id of the
//! request's event ([`events::result_event_id`]). So ingest can wait for a result that it can't decrypt. If ingest needs the
//! state of a connection, it asks the projector ([`lookup`]).

mod authorization_url;
mod authorize;
mod lookup;
mod responses;
mod revoke;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{ConnectionReauthRequested, ConnectionRequested, EventKind, SealedContent};
use http::{StatusCode, header};
use http_edge::{AccessLogFields, ApiError, Caller};
use keys::{ConnectionId, OAuthState};
use schemas::{ConnectRequest, ConnectionStarted, ProblemCode, ReauthRequest, ViolationCode, Violations};

use crate::api_errors::body_error;
use crate::append::NewAccountEvent;
use crate::provider_settings::ConnectableProvider;
use crate::request::{PathId, RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;
use authorization_url::authorization_url;
use authorize::BODY_BYTES_MAX;
pub(crate) use authorize::authorize_connection;
use responses::{check_connection_open, connection_location};
pub(crate) use revoke::delete_connection;

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
    id: PathId,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.request_reauth(&asked, id, &body, &mut observed).await;
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
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        let provider = self.check_connect_request(&request)?;
        let connection_id = ConnectionId::new(&self.pseudonyms, &caller.user);
        let requested = ConnectionRequested {
            connection_id,
            provider: request.provider.clone(),
            redirect_uri: request.redirect_uri.clone(),
            jti: caller.token_id.clone(),
        };
        let now = (self.clock)();
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
        id: PathId,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_for_connections(asked, observed).await?;
        let connection_id = self.parse_own_connection(&caller, id)?;
        if !body.is_empty() {
            request_headers::check_content_type(&asked.headers)?;
        }
        let ReauthRequest { code_challenge } = ReauthRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        let found = self.fetch_connection(&caller.user, connection_id).await?;
        check_connection_open(&found.connection)?;
        let provider = self.check_connectable(&found.connection, &found.redirect_uri)?;
        let requested = ConnectionReauthRequested { connection_id, jti: caller.token_id.clone() };
        let now = (self.clock)();
        let event =
            NewAccountEvent::new(EventKind::ConnectionReauthRequestedV1, now, self.settings.outcome_wait);
        self.append_account_event(caller.user, event, observed, |head, key| requested.seal(head, key))
            .await?;
        let challenge = code_challenge.as_deref();
        Ok(self
            .started_response(&caller, connection_id, &provider, &found.redirect_uri, challenge)
            .into_response())
    }

    fn check_connect_request(&self, request: &ConnectRequest) -> Result<ConnectableProvider<'_>, ApiError> {
        let settings = &self.settings.providers;
        let provider = settings.connectable_provider(&request.provider);
        let mut violations = Violations::default();
        if provider.is_none() {
            let detail = "must be a provider that this installation connects to";
            violations.push("/provider", ViolationCode::OutOfRange, detail);
        }
        if !settings.allows_redirect_to(&request.redirect_uri) {
            let detail = "must be one that the operator allows, letter by letter";
            violations.push("/redirect_uri", ViolationCode::OutOfRange, detail);
        }
        match provider {
            Some(provider) if violations.is_empty() => Ok(provider),
            Some(_) | None => Err(ApiError::from_violations(ProblemCode::InvalidRequest, violations)),
        }
    }

    fn started_response(
        &self,
        caller: &Caller,
        connection_id: ConnectionId,
        provider: &ConnectableProvider<'_>,
        redirect_uri: &str,
        challenge: Option<&str>,
    ) -> impl IntoResponse + use<> {
        let now = (self.clock)();
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
