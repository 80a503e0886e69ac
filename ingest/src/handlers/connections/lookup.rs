//! What ingest must know of a connection, and does not: it asks the projector.

use events::{CONNECTION_LOOKUP_SUBJECT, ConnectionLookupRequest, ConnectionLookupResponse};
use http_edge::ApiError;
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionDocument, ProblemCode};

use super::connection_not_found;
use crate::state::IngestState;

/// A connection as the view has it.
pub(super) struct FoundConnection {
    pub(super) connection: ConnectionDocument,
    /// Where the provider sends the user back to.
    pub(super) redirect_uri: String,
}

impl IngestState {
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
