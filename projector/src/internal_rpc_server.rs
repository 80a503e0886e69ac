//! What is asked over core NATS: how it is heard and answered, and what other roles ask. Ingest asks where a connection is
//! and how a user's exports stand, the worker says that a receiver of the change feed came or went, or that an account
//! ends. Operators' questions are in [`crate::operator`].

use std::sync::Arc;
use std::time::Duration;

use events::{
    CONNECTION_LOOKUP_SUBJECT, ConnectionLookupRequest, ConnectionLookupResponse, ERASE_USER_SUBJECT,
    EraseUserRequest, EraseUserResponse, LATEST_EXPORT_SUBJECT, LatestExportRequest, LatestExportResponse,
    RELOAD_CHANGE_FEED_SUBJECT, ReloadChangeFeedResponse,
};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::select_all;
use jetstream::{Broker, ReceivedMessage};
use keys::{ConnectionId, UserRef};
use tokio::time::sleep;

use crate::change_publisher::ChangePublisher;
use crate::decrypt::DecryptError;
use crate::projection::ReadEntryError;
use crate::query_service::{QueryError, QueryService};

/// Pause before a subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Questions of other roles answered at the same time.
const REQUESTS_IN_FLIGHT_MAX: usize = 64;

/// Answers what is heard on these subjects, so many at the same time, for as long as the process runs.
pub(crate) async fn serve_requests<A: Future<Output = Vec<u8>>>(
    broker: &Broker,
    subjects: &[&str],
    in_flight_max: usize,
    answer: impl Fn(ReceivedMessage) -> A,
) {
    loop {
        let subscribing = subjects.iter().map(|subject| broker.subscribe(subject, Some("projector")));
        if let Ok(subscriptions) = try_join_all(subscribing).await {
            let heard = select_all(subscriptions.into_iter().map(|heard| Box::pin(heard.into_stream())));
            let answering = heard.for_each_concurrent(in_flight_max, |mut heard| {
                let reply = heard.reply_subject.take();
                let answering = reply.map(|reply| (reply, answer(heard)));
                async move {
                    if let Some((reply, answer)) = answering {
                        // Who asked gives up by itself where the answer is lost.
                        let _ = broker.publish(reply, answer.await.into()).await;
                    }
                }
            });
            answering.await;
        }
        sleep(RETRY_INTERVAL).await;
    }
}

/// Answers the other roles.
pub(crate) struct InternalRpcServer {
    pub(crate) broker: Broker,
    pub(crate) queries: Arc<QueryService>,
    pub(crate) change_publisher: Arc<ChangePublisher>,
}

impl InternalRpcServer {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self) {
        let subjects = [
            CONNECTION_LOOKUP_SUBJECT,
            RELOAD_CHANGE_FEED_SUBJECT,
            ERASE_USER_SUBJECT,
            LATEST_EXPORT_SUBJECT,
        ];
        serve_requests(&self.broker, &subjects, REQUESTS_IN_FLIGHT_MAX, |heard| self.handle(heard)).await;
    }

    async fn handle(&self, heard: ReceivedMessage) -> Vec<u8> {
        let answer = if heard.subject == RELOAD_CHANGE_FEED_SUBJECT {
            serde_json::to_vec(&ReloadChangeFeedResponse {
                wanted: self.change_publisher.poll_endpoints().await.ok(),
            })
        } else if heard.subject == LATEST_EXPORT_SUBJECT {
            serde_json::to_vec(&self.latest_export(&heard.payload).await)
        } else if heard.subject == ERASE_USER_SUBJECT {
            serde_json::to_vec(&self.erase_user(&heard.payload).await)
        } else {
            serde_json::to_vec(&self.find_connection(&heard.payload).await)
        };
        answer.unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"))
    }

    async fn latest_export(&self, question: &[u8]) -> LatestExportResponse {
        let question: Option<LatestExportRequest> = serde_json::from_slice(question).ok();
        let Some(user) = question.and_then(|question| question.user_ref.parse().ok()) else {
            return LatestExportResponse::Unavailable;
        };
        self.queries.latest_export(user).await.unwrap_or(LatestExportResponse::Unavailable)
    }

    async fn erase_user(&self, question: &[u8]) -> EraseUserResponse {
        let question: Option<EraseUserRequest> = serde_json::from_slice(question).ok();
        let asked = question.and_then(|asked| Some((asked.user_ref.parse().ok()?, asked.sequence)));
        let Some((user, sequence)) = asked else { return EraseUserResponse::Unavailable };
        self.queries.erase_from_views(user, sequence).await
    }

    async fn find_connection(&self, question: &[u8]) -> ConnectionLookupResponse {
        let question: Option<ConnectionLookupRequest> = serde_json::from_slice(question).ok();
        // Of another version, perhaps: that says nothing of the connection.
        let Some(question) = question else { return ConnectionLookupResponse::Unavailable };
        let (user, id) =
            (question.user_ref.parse::<UserRef>(), question.connection_id.parse::<ConnectionId>());
        let (Ok(user), Ok(id)) = (user, id) else { return ConnectionLookupResponse::Unknown };
        if self.queries.is_account_closed(&user).unwrap_or(false) {
            return ConnectionLookupResponse::Erased;
        }
        match self.queries.connection(user, id).await {
            Ok(Some((connection, redirect_uri))) => {
                ConnectionLookupResponse::Found { connection: Box::new(connection), redirect_uri }
            }
            Ok(None) => ConnectionLookupResponse::Unknown,
            Err(failure) => response_for_error(&failure),
        }
    }
}

fn response_for_error(failure: &QueryError) -> ConnectionLookupResponse {
    match failure {
        QueryError::Entry(ReadEntryError::Erased) => ConnectionLookupResponse::Erased,
        QueryError::ViewNotOpen
        | QueryError::Decrypt(DecryptError::Unavailable)
        | QueryError::Entry(ReadEntryError::Unavailable) => ConnectionLookupResponse::Unavailable,
        QueryError::View(_)
        | QueryError::Decrypt(DecryptError::Poison(_))
        | QueryError::Entry(ReadEntryError::KeyUnusable(_) | ReadEntryError::Damaged(_))
        | QueryError::Proof(_)
        | QueryError::Log(_)
        | QueryError::TooManyEvents
        | QueryError::BeyondLogEnd(_) => {
            tracing::error!(error = failure as &dyn std::error::Error, "a connection can't be read");
            ConnectionLookupResponse::Unavailable
        }
    }
}
