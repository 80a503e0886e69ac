//! The app hands in what the provider handed back (RFC 6749, section 4.1.2).

use axum::Json;
use axum::response::{IntoResponse, Response};
use events::{ConnectionAuthorized, EventKind, SealedContent, answer_id, authorization_event_id};
use http_edge::{Observed, Refusal};
use keys::OAuthState;
use providers::OAuth;
use schemas::{AuthorizeRequest, Code};

use super::{IdInPath, accepted, check_open};
use crate::append::{Asked, OfAccount, refuse_body};
use crate::door::Door;
use crate::headers;

impl Door {
    pub(super) async fn authorize(
        &self,
        asked: &Asked,
        id: IdInPath,
        body: &[u8],
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let caller = self.let_in_to_connections(asked, observed).await?;
        let user = caller.user;
        let connection_id = self.own_connection(&caller, id)?;
        headers::content_type(&asked.headers)?;
        let AuthorizeRequest { code, state, code_verifier, iss } =
            AuthorizeRequest::read(body).map_err(|rejected| refuse_body(Code::InvalidRequest, rejected))?;
        let now = (self.gate.clock)();
        let used = OAuthState::verify(&state, &self.pseudonyms, &user, connection_id, now).map_err(|_| {
            let detail = "The state is not of this connection, or was made more than 10 minutes ago. Ask for another \
                authorisation.";
            Refusal::new(Code::InvalidState, detail)
        })?;
        let found = self.ask_for_connection(&user, connection_id).await?;
        check_open(&found.connection)?;
        let provider = self.still_connectable(&found.connection, &found.redirect_uri)?;
        check_issuer(provider.oauth, iss.as_deref())?;
        let authorized =
            ConnectionAuthorized { connection_id, code, state, code_verifier, jti: caller.token_id.clone() };
        // A state is used once: a second event of this name is dropped by the log.
        let event_id = authorization_event_id(&self.pseudonyms, &used);
        let event = OfAccount {
            kind: EventKind::ConnectionAuthorizedV1,
            id: event_id,
            awaited: answer_id(event_id),
            wait: headers::wait(&asked.headers, self.settings.wait),
        };
        let stored = self.store_of_account(user, event, observed, |head, key| authorized.seal(head, key));
        let (appended, answered) = stored.await?;
        if appended.replayed {
            let detail = "The state was used already; read the connection.";
            return Err(Refusal::new(Code::InvalidState, detail));
        }
        let (connection, is_new) = self.ask_again(&user, connection_id, found.connection).await?;
        if answered.is_some() && is_new {
            return Ok(Json(connection).into_response());
        }
        Ok(accepted(connection_id, &connection))
    }
}

/// Whether the response is the provider's own and no other's (RFC 9207, section 2.4). Of a provider whose issuer is not
/// known nothing can be told.
fn check_issuer(oauth: &OAuth, iss: Option<&str>) -> Result<(), Refusal> {
    let Some(issuer) = &oauth.issuer else { return Ok(()) };
    let detail = match iss {
        Some(iss) if iss == issuer => return Ok(()),
        Some(_) => "The authorisation response is of another issuer than the provider. Don't use its code.",
        None if oauth.sends_issuer => {
            "The provider's authorisation responses have an iss: it must be handed in."
        }
        None => return Ok(()),
    };
    Err(Refusal::new(Code::InvalidIssuer, detail))
}

#[cfg(test)]
mod tests {
    use providers::Providers;

    use super::*;

    #[test]
    fn an_issuer_must_be_the_providers() {
        let mut oauth = Providers::shipped().get("fitbit").unwrap().oauth.clone().unwrap();
        let judge = |oauth: &OAuth, iss| check_issuer(oauth, iss).map_err(|refusal| refusal.code());
        (oauth.issuer, oauth.sends_issuer) = (None, false);
        assert_eq!([judge(&oauth, None), judge(&oauth, Some("https://other.test"))], [Ok(()), Ok(())]);
        oauth.issuer = Some("https://provider.test".to_owned());
        assert_eq!([judge(&oauth, None), judge(&oauth, Some("https://provider.test"))], [Ok(()), Ok(())]);
        for wrong in ["", "https://provider.test/", "https://other.test"] {
            assert_eq!(judge(&oauth, Some(wrong)), Err(Code::InvalidIssuer), "{wrong}");
        }
        oauth.sends_issuer = true;
        assert_eq!(judge(&oauth, None), Err(Code::InvalidIssuer));
        assert_eq!(judge(&oauth, Some("https://provider.test")), Ok(()));
    }
}
