//! The app hands in what the provider handed back (RFC 6749, section 4.1.2).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{ConnectionAuthorized, EventKind, SealedContent, authorization_event_id, result_event_id};
use http_edge::{AccessLogFields, ApiError};
use keys::OAuthState;
use providers::OAuthSettings;
use schemas::{AuthorizeRequest, ProblemCode};

use super::responses::{accepted_response, check_connection_open};
use crate::api_errors::body_error;
use crate::append::NewAccountEvent;
use crate::request::{PathId, RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;

/// Limit of a request's body, in bytes: a code, a state and a verifier of the greatest length.
pub(super) const BODY_BYTES_MAX: usize = 8 * 1_024;

pub(crate) async fn authorize_connection(
    State(door): State<Arc<IngestState>>,
    id: PathId,
    request: Request,
) -> Response {
    let (asked, body, mut observed) = match door.read_request(request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return refusal.into_response(),
    };
    let answered = door.submit_authorization_code(&asked, id, &body, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn submit_authorization_code(
        &self,
        asked: &RequestParts,
        id: PathId,
        body: &[u8],
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_for_connections(asked, observed).await?;
        let user = caller.user;
        let connection_id = self.parse_own_connection(&caller, id)?;
        request_headers::check_content_type(&asked.headers)?;
        let AuthorizeRequest { code, state, code_verifier, iss } = AuthorizeRequest::parse(body)
            .map_err(|rejected| body_error(ProblemCode::InvalidRequest, rejected, (self.clock)()))?;
        let now = (self.clock)();
        let used = OAuthState::verify(&state, &self.pseudonyms, &user, connection_id, now).map_err(|_| {
            let detail = "The state is not of this connection, or was made more than 10 minutes ago. Ask for another \
                authorisation.";
            ApiError::new(ProblemCode::InvalidState, detail)
        })?;
        let found = self.fetch_connection(&user, connection_id).await?;
        check_connection_open(&found.connection)?;
        let provider = self.check_connectable(&found.connection, &found.redirect_uri)?;
        check_issuer(provider.oauth, iss.as_deref())?;
        let authorized =
            ConnectionAuthorized { connection_id, code, state, code_verifier, jti: caller.token_id.clone() };
        // A state is used once: a second event of this name is dropped by the log.
        let event_id = authorization_event_id(&self.pseudonyms, &used);
        let event = NewAccountEvent {
            kind: EventKind::ConnectionAuthorizedV1,
            id: event_id,
            awaited_event_id: result_event_id(event_id),
            wait: request_headers::preferred_wait(&asked.headers, self.settings.outcome_wait),
        };
        let stored = self.append_account_event(user, event, observed, |head, key| authorized.seal(head, key));
        let (appended, answered) = stored.await?;
        if appended.replayed {
            let detail = "The state was used already; read the connection.";
            return Err(ApiError::new(ProblemCode::InvalidState, detail));
        }
        let (connection, should_send) =
            self.refetch_connection(&user, connection_id, found.connection).await?;
        if answered.is_some() && should_send {
            return Ok(Json(connection).into_response());
        }
        Ok(accepted_response(connection_id, &connection))
    }
}

/// Whether the response is the provider's own and no other's (RFC 9207, section 2.4). Of a provider whose issuer is not
/// known nothing can be told.
fn check_issuer(oauth: &OAuthSettings, iss: Option<&str>) -> Result<(), ApiError> {
    let Some(issuer) = &oauth.issuer else { return Ok(()) };
    let detail = match iss {
        Some(iss) if iss == issuer => return Ok(()),
        Some(_) => "The authorisation response is of another issuer than the provider. Don't use its code.",
        None if oauth.sends_issuer => {
            "The provider's authorisation responses have an iss: it must be handed in."
        }
        None => return Ok(()),
    };
    Err(ApiError::new(ProblemCode::InvalidIssuer, detail))
}

#[cfg(test)]
mod tests {
    use providers::ProviderRegistry;

    use super::*;

    #[test]
    fn an_issuer_must_be_the_providers() {
        let mut oauth = ProviderRegistry::from_built_in().get("fitbit").unwrap().oauth.clone().unwrap();
        let judge = |oauth: &OAuthSettings, iss| check_issuer(oauth, iss).map_err(|refusal| refusal.code());
        (oauth.issuer, oauth.sends_issuer) = (None, false);
        assert_eq!([judge(&oauth, None), judge(&oauth, Some("https://other.test"))], [Ok(()), Ok(())]);
        oauth.issuer = Some("https://provider.test".to_owned());
        assert_eq!([judge(&oauth, None), judge(&oauth, Some("https://provider.test"))], [Ok(()), Ok(())]);
        for wrong in ["", "https://provider.test/", "https://other.test"] {
            assert_eq!(judge(&oauth, Some(wrong)), Err(ProblemCode::InvalidIssuer), "{wrong}");
        }
        oauth.sends_issuer = true;
        assert_eq!(judge(&oauth, None), Err(ProblemCode::InvalidIssuer));
        assert_eq!(judge(&oauth, Some("https://provider.test")), Ok(()));
    }
}
