//! What ingest must know of a connection, and does not: it asks the projector.

use events::{CONNECTION_SUBJECT, ConnectionAnswer, ConnectionQuestion};
use http_edge::Refusal;
use keys::{ConnectionId, UserRef};
use schemas::{Code, ConnectionDocument};

use super::no_connection;
use crate::door::Door;

/// A connection as the view has it.
pub(super) struct FoundConnection {
    pub(super) connection: ConnectionDocument,
    /// Where the provider sends the user back to.
    pub(super) redirect_uri: String,
}

impl Door {
    /// How a connection of this user stands.
    pub(super) async fn ask_for_connection(
        &self,
        user: &UserRef,
        id: ConnectionId,
    ) -> Result<FoundConnection, Refusal> {
        let question = ConnectionQuestion { user_ref: user.to_string(), connection_id: id.to_string() };
        let question =
            serde_json::to_vec(&question).unwrap_or_else(|_| unreachable!("BUG: a question is JSON"));
        let answer = self.broker.request(CONNECTION_SUBJECT.to_owned(), question.into()).await;
        let answer = answer.map_err(|_| unavailable())?;
        match serde_json::from_slice(&answer).map_err(|_| unavailable())? {
            ConnectionAnswer::Found { connection, redirect_uri } => {
                Ok(FoundConnection { connection: *connection, redirect_uri })
            }
            ConnectionAnswer::Unknown => Err(no_connection()),
            ConnectionAnswer::Erased => Err(Refusal::account_erased()),
            ConnectionAnswer::Unavailable => Err(unavailable()),
        }
    }

    /// How it stands once something was appended, or how it stood before where that can't be told now: what was
    /// accepted must not be answered with an error that asks for it again. Also whether it is the new one.
    pub(super) async fn ask_again(
        &self,
        user: &UserRef,
        id: ConnectionId,
        before: ConnectionDocument,
    ) -> Result<(ConnectionDocument, bool), Refusal> {
        match self.ask_for_connection(user, id).await {
            Ok(found) => Ok((found.connection, true)),
            Err(refusal) if refusal.code() == Code::ViewUnavailable => Ok((before, false)),
            Err(refusal) => Err(refusal),
        }
    }
}

fn unavailable() -> Refusal {
    Refusal::new(
        Code::ViewUnavailable,
        "Nothing was done: how the connection stands can't be told now. Send the same request again.",
    )
}
