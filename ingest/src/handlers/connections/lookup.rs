//! The connection that a request is about: whose it is, and its state, for which ingest asks the projector.

use axum::extract::Path;
use events::{CONNECTION_LOOKUP_SUBJECT, ConnectionLookupRequest, ConnectionLookupResponse};
use http_edge::{AccessLogFields, ApiError, Caller, Scope, Verification};
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionDocument, ProblemCode};

use crate::provider_settings::ConnectableProvider;
use crate::request::{PathId, RequestParts};
use crate::state::IngestState;

/// A connection as the view has it.
pub(super) struct FoundConnection {
    pub(super) connection: ConnectionDocument,
    /// Where the provider sends the user back to.
    pub(super) redirect_uri: String,
}

impl IngestState {
    /// Authenticates the caller. The token is all that is verified: these requests are not signed.
    pub(super) async fn authenticate_for_connections(
        &self,
        asked: &RequestParts,
        observed: &mut AccessLogFields,
    ) -> Result<Caller, ApiError> {
        let caller = self.authenticate(asked, Scope::AccountManage, observed).await?;
        observed.verification = Verification::Passed;
        Ok(caller)
    }

    /// Parses the id of a connection of this caller. The id itself shows its owner, so nothing is looked up.
    pub(super) fn parse_own_connection(&self, caller: &Caller, id: PathId) -> Result<ConnectionId, ApiError> {
        let id: Option<ConnectionId> = id.ok().and_then(|Path(id)| id.parse().ok());
        id.filter(|id| id.is_owned_by(&self.pseudonyms, &caller.user)).ok_or_else(connection_not_found)
    }

    /// Returns the connection's provider, unless the settings no longer allow it or its redirect URI.
    pub(super) fn check_connectable(
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

    /// How a connection of this user stands.
    pub(super) async fn fetch_connection(
        &self,
        user: &UserRef,
        id: ConnectionId,
    ) -> Result<FoundConnection, ApiError> {
        let question = ConnectionLookupRequest { user_ref: user.to_string(), connection_id: id.to_string() };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(CONNECTION_LOOKUP_SUBJECT.to_owned(), question.into()).await;
        let answer = answer.map_err(|_| connection_unavailable())?;
        match serde_json::from_slice(&answer).map_err(|_| connection_unavailable())? {
            ConnectionLookupResponse::Found { connection, redirect_uri } => {
                Ok(FoundConnection { connection: *connection, redirect_uri })
            }
            ConnectionLookupResponse::Unknown => Err(connection_not_found()),
            ConnectionLookupResponse::Erased => Err(ApiError::account_erased()),
            ConnectionLookupResponse::Unavailable => Err(connection_unavailable()),
        }
    }

    /// How it stands once something was appended, or how it stood before where that can't be told now: what was
    /// accepted must not be answered with an error that asks for it again. Also whether it is the new one.
    pub(super) async fn refetch_connection(
        &self,
        user: &UserRef,
        id: ConnectionId,
        before: ConnectionDocument,
    ) -> Result<(ConnectionDocument, bool), ApiError> {
        match self.fetch_connection(user, id).await {
            Ok(found) => Ok((found.connection, true)),
            Err(refusal) if refusal.code() == ProblemCode::ViewUnavailable => Ok((before, false)),
            Err(refusal) => Err(refusal),
        }
    }
}

fn connection_unavailable() -> ApiError {
    ApiError::new(
        ProblemCode::ViewUnavailable,
        "Nothing was done: how the connection stands can't be told now. Send the same request again.",
    )
}

fn connection_not_found() -> ApiError {
    ApiError::new(ProblemCode::NotFound, "There is no connection of yours here.")
}
