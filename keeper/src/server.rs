//! The keeper's server: subscribes to the subjects and answers requests concurrently.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jetstream::{Appender, Broker, CommitMode, ReadError, Subscription};
use keys::protocol::{
    COMPROMISE_REPORT_PREFIX, CURRENT_KEY_PREFIX, ERASE_PREFIX, KEY_RING_PREFIX, KEY_RINGS_SUBJECT,
    LIST_COMPROMISED_SUBJECT, LIST_ERASED_SUBJECT, LIST_REVOKED_SUBJECT, REVOKE_DEVICE_PREFIX,
};
use keys::{KEYS_STREAM, Kek};

use crate::error::KeeperError;
use crate::request_handler::RequestHandler;

/// Questions answered at the same time.
const REQUESTS_IN_FLIGHT_MAX: usize = 1_024;

/// Answers questions for data keys.
pub struct KeeperServer {
    handler: RequestHandler,
    // One subscription per kind of question: the broker lets this role hear exactly these.
    subscriptions: Vec<Subscription>,
}

impl KeeperServer {
    /// Checks that the KEK is the right one before anything is heard. Questions that come from here on are answered.
    pub async fn start(broker: Broker, kek: Arc<Kek>) -> Result<Self, KeeperError> {
        let stream = KEYS_STREAM.stream(broker.clone());
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        stream.verify().await?;
        let answering = RequestHandler {
            broker: broker.clone(),
            stream,
            appender,
            kek,
            checked_kek_version: Arc::default(),
        };
        answering.check_kek().await?;
        let mut questions = Vec::new();
        for subject in [
            format!("{CURRENT_KEY_PREFIX}*"),
            format!("{KEY_RING_PREFIX}*"),
            KEY_RINGS_SUBJECT.to_owned(),
            format!("{REVOKE_DEVICE_PREFIX}*"),
            LIST_REVOKED_SUBJECT.to_owned(),
            format!("{COMPROMISE_REPORT_PREFIX}*"),
            LIST_COMPROMISED_SUBJECT.to_owned(),
            format!("{ERASE_PREFIX}*"),
            LIST_ERASED_SUBJECT.to_owned(),
        ] {
            let heard = broker.subscribe(&subject, Some("keeper")).await;
            questions.push(heard.map_err(|_| ReadError::Unavailable)?);
        }
        broker.flush().await.map_err(|_| ReadError::Unavailable)?;
        Ok(Self { handler: answering, subscriptions: questions })
    }

    /// Answers until the connection is closed for good.
    pub async fn serve(self) {
        let Self { handler: answering, subscriptions: questions } = self;
        let heard = questions.into_iter().map(|questions| Box::pin(questions.into_stream()));
        let mut heard = futures_util::stream::select_all(heard);
        let mut under_way = FuturesUnordered::new();
        loop {
            let has_room = under_way.len() < REQUESTS_IN_FLIGHT_MAX;
            let question = tokio::select! {
                question = heard.next(), if has_room => question,
                Some(()) = under_way.next() => continue,
            };
            match question {
                Some(question) => under_way.push(answering.handle(question)),
                None => return,
            }
        }
    }
}
