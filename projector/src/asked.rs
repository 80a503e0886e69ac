//! What is asked over core NATS: how it is heard and answered, and what other roles ask. Ingest asks where a connection is
//! and how a user's exports stand, the worker says that a receiver of the change feed came or went, or that an account
//! ends. Operators' questions are in [`crate::operator`].

use std::sync::Arc;
use std::time::Duration;

use events::{
    CONNECTION_SUBJECT, ConnectionAnswer, ConnectionQuestion, ERASE_SUBJECT, EXPORT_SUBJECT, EraseAnswer,
    EraseQuestion, ExportAnswer, ExportQuestion, FEED_SUBJECT, FeedAnswer,
};
use futures_util::StreamExt;
use futures_util::future::try_join_all;
use futures_util::stream::select_all;
use jetstream::{Broker, ReceivedMessage};
use keys::{ConnectionId, UserRef};
use tokio::time::sleep;

use crate::batch::EntryFailure;
use crate::feed::Feed;
use crate::open::OpenFailure;
use crate::reader::{ReadFailure, Reader};

/// Pause before a subscription is tried again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);
/// Questions of other roles answered at the same time.
const QUESTIONS_IN_FLIGHT_MAX: usize = 64;

/// Answers what is heard on these subjects, so many at the same time, for as long as the process runs.
pub(crate) async fn answer_all<A: Future<Output = Vec<u8>>>(
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
pub(crate) struct Asked {
    pub(crate) broker: Broker,
    pub(crate) reader: Arc<Reader>,
    pub(crate) feed: Arc<Feed>,
}

impl Asked {
    /// Answers for as long as the process runs.
    pub(crate) async fn serve(self) {
        let subjects = [CONNECTION_SUBJECT, FEED_SUBJECT, ERASE_SUBJECT, EXPORT_SUBJECT];
        answer_all(&self.broker, &subjects, QUESTIONS_IN_FLIGHT_MAX, |heard| self.answer(heard)).await;
    }

    async fn answer(&self, heard: ReceivedMessage) -> Vec<u8> {
        let answer = if heard.subject == FEED_SUBJECT {
            serde_json::to_vec(&FeedAnswer { wanted: self.feed.look().await.ok() })
        } else if heard.subject == EXPORT_SUBJECT {
            serde_json::to_vec(&self.exports(&heard.payload).await)
        } else if heard.subject == ERASE_SUBJECT {
            serde_json::to_vec(&self.erase(&heard.payload).await)
        } else {
            serde_json::to_vec(&self.connection(&heard.payload).await)
        };
        answer.unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"))
    }

    async fn exports(&self, question: &[u8]) -> ExportAnswer {
        let question: Option<ExportQuestion> = serde_json::from_slice(question).ok();
        let Some(user) = question.and_then(|question| question.user_ref.parse().ok()) else {
            return ExportAnswer::Unavailable;
        };
        self.reader.exports(user).await.unwrap_or(ExportAnswer::Unavailable)
    }

    async fn erase(&self, question: &[u8]) -> EraseAnswer {
        let question: Option<EraseQuestion> = serde_json::from_slice(question).ok();
        let asked = question.and_then(|asked| Some((asked.user_ref.parse().ok()?, asked.sequence)));
        let Some((user, sequence)) = asked else { return EraseAnswer::Unavailable };
        self.reader.clear(user, sequence).await
    }

    async fn connection(&self, question: &[u8]) -> ConnectionAnswer {
        let question: Option<ConnectionQuestion> = serde_json::from_slice(question).ok();
        // Of another version, perhaps: that says nothing of the connection.
        let Some(question) = question else { return ConnectionAnswer::Unavailable };
        let (user, id) =
            (question.user_ref.parse::<UserRef>(), question.connection_id.parse::<ConnectionId>());
        let (Ok(user), Ok(id)) = (user, id) else { return ConnectionAnswer::Unknown };
        if self.reader.is_closed(&user).unwrap_or(false) {
            return ConnectionAnswer::Erased;
        }
        match self.reader.connection(user, id).await {
            Ok(Some((connection, redirect_uri))) => {
                ConnectionAnswer::Found { connection: Box::new(connection), redirect_uri }
            }
            Ok(None) => ConnectionAnswer::Unknown,
            Err(failure) => refused(&failure),
        }
    }
}

fn refused(failure: &ReadFailure) -> ConnectionAnswer {
    match failure {
        ReadFailure::Entry(EntryFailure::Erased) => ConnectionAnswer::Erased,
        ReadFailure::Closed
        | ReadFailure::Open(OpenFailure::Unavailable)
        | ReadFailure::Entry(EntryFailure::Unavailable) => ConnectionAnswer::Unavailable,
        ReadFailure::View(_)
        | ReadFailure::Open(OpenFailure::Poison(_))
        | ReadFailure::Entry(EntryFailure::Key(_) | EntryFailure::Damaged(_))
        | ReadFailure::Proof(_)
        | ReadFailure::Log(_)
        | ReadFailure::TooLong
        | ReadFailure::BeyondTheLog(_) => {
            tracing::error!(error = failure as &dyn std::error::Error, "a connection can't be read");
            ConnectionAnswer::Unavailable
        }
    }
}
