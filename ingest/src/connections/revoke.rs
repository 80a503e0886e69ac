//! The user wants a connection gone: at the provider, and what is kept of it here.

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use events::{ConnectionRevocationRequested, EventKind, SealedContent, answer_id};
use http::StatusCode;
use http_edge::{Observed, Refusal};
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionDocument, ConnectionStatus, ConnectionStep};
use tokio::time::{Instant, sleep};

use super::{IdInPath, accepted};
use crate::append::{Asked, OfAccount};
use crate::door::Door;
use crate::headers;

/// Between two looks at a connection that is being revoked.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);

impl Door {
    pub(super) async fn disconnect(
        &self,
        asked: &Asked,
        id: IdInPath,
        observed: &mut Observed,
    ) -> Result<Response, Refusal> {
        let caller = self.let_in_to_connections(asked, observed).await?;
        let user = caller.user;
        let connection_id = self.own_connection(&caller, id)?;
        let wait = headers::wait(&asked.headers, self.settings.wait);
        let before = self.ask_for_connection(&user, connection_id).await?.connection;
        let connection = match before.status {
            ConnectionStatus::Revoked => before,
            ConnectionStatus::Revoking => self.look_until_revoked(&user, connection_id, before, wait).await?,
            ConnectionStatus::Pending | ConnectionStatus::Active | ConnectionStatus::NeedsReauth => {
                let requested = ConnectionRevocationRequested { connection_id, jti: caller.token_id.clone() };
                let event =
                    OfAccount::new(EventKind::ConnectionRevocationRequestedV1, (self.gate.clock)(), wait);
                let event = OfAccount { awaited: answer_id(event.id), ..event };
                self.store_of_account(user, event, observed, |head, key| requested.seal(head, key)).await?;
                let mut connection = self.ask_again(&user, connection_id, before).await?.0;
                // The view may be a moment behind what is in the log.
                let step = ConnectionStep::RevocationRequested;
                if let Some(status) = ConnectionStatus::after(Some(connection.status), step) {
                    connection.status = status;
                }
                connection
            }
        };
        Ok(match connection.status {
            ConnectionStatus::Revoked => StatusCode::NO_CONTENT.into_response(),
            ConnectionStatus::Pending
            | ConnectionStatus::Active
            | ConnectionStatus::NeedsReauth
            | ConnectionStatus::Revoking => accepted(connection_id, &connection),
        })
    }

    /// Whoever asks again waits as well. Nothing is appended, so nobody tells of an outcome; the name of the event that
    /// the first request became is not known here.
    async fn look_until_revoked(
        &self,
        user: &UserRef,
        id: ConnectionId,
        mut connection: ConnectionDocument,
        wait: Duration,
    ) -> Result<ConnectionDocument, Refusal> {
        let until = Instant::now() + wait;
        while connection.status != ConnectionStatus::Revoked && Instant::now() + LOOK_INTERVAL <= until {
            sleep(LOOK_INTERVAL).await;
            connection = self.ask_again(user, id, connection).await?.0;
        }
        Ok(connection)
    }
}
