//! The user wants a connection gone: at the provider, and what is kept of it here.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use events::{ConnectionRevocationRequested, EventKind, SealedContent, result_event_id};
use http::StatusCode;
use http_edge::{AccessLogFields, ApiError};
use keys::{ConnectionId, UserRef};
use schemas::{ConnectionDocument, ConnectionStatus, ConnectionTransition};
use tokio::time::{Instant, sleep};

use super::responses::accepted_response;
use crate::append::NewAccountEvent;
use crate::request::{PathId, RequestParts, respond_with_access_log};
use crate::request_headers;
use crate::state::IngestState;

/// Between two looks at a connection that is being revoked.
const POLL_INTERVAL: Duration = Duration::from_millis(250);

pub(crate) async fn delete_connection(
    State(door): State<Arc<IngestState>>,
    id: PathId,
    request: Request,
) -> Response {
    let (asked, _) = RequestParts::from_request(request);
    let mut observed = AccessLogFields::default();
    let answered = door.request_revocation(&asked, id, &mut observed).await;
    respond_with_access_log(answered, observed)
}

impl IngestState {
    async fn request_revocation(
        &self,
        asked: &RequestParts,
        id: PathId,
        observed: &mut AccessLogFields,
    ) -> Result<Response, ApiError> {
        let caller = self.authenticate_for_connections(asked, observed).await?;
        let user = caller.user;
        let connection_id = self.parse_own_connection(&caller, id)?;
        let wait = request_headers::preferred_wait(&asked.headers, self.settings.outcome_wait);
        let before = self.fetch_connection(&user, connection_id).await?.connection;
        let connection = match before.status {
            ConnectionStatus::Revoked => before,
            ConnectionStatus::Revoking => self.poll_until_revoked(&user, connection_id, before, wait).await?,
            ConnectionStatus::Pending | ConnectionStatus::Active | ConnectionStatus::NeedsReauth => {
                let requested = ConnectionRevocationRequested { connection_id, jti: caller.token_id.clone() };
                let event =
                    NewAccountEvent::new(EventKind::ConnectionRevocationRequestedV1, (self.clock)(), wait);
                let event = NewAccountEvent { awaited_event_id: result_event_id(event.id), ..event };
                self.append_account_event(user, event, observed, |head, key| requested.seal(head, key))
                    .await?;
                let mut connection = self.refetch_connection(&user, connection_id, before).await?.0;
                // The view may be a moment behind what is in the log.
                let step = ConnectionTransition::RevocationRequested;
                if let Some(status) = ConnectionStatus::next(Some(connection.status), step) {
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
            | ConnectionStatus::Revoking => accepted_response(connection_id, &connection),
        })
    }

    /// Whoever asks again waits as well. Nothing is appended, so nobody tells of an outcome; the name of the event that
    /// the first request became is not known here.
    async fn poll_until_revoked(
        &self,
        user: &UserRef,
        id: ConnectionId,
        mut connection: ConnectionDocument,
        wait: Duration,
    ) -> Result<ConnectionDocument, ApiError> {
        let until = Instant::now() + wait;
        while connection.status != ConnectionStatus::Revoked && Instant::now() + POLL_INTERVAL <= until {
            sleep(POLL_INTERVAL).await;
            connection = self.refetch_connection(user, id, connection).await?.0;
        }
        Ok(connection)
    }
}
