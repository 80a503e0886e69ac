//! The keeper: the one role that reaches the stream of wrapped data keys, of revoked devices and of compromised ones.
//!
//! It is asked over core NATS, one subject per kind of question, so that the broker can say who may ask what:
//!
//! | subject | who asks | for |
//! |---|---|---|
//! | `keys.v1.current.<user ref>` | ingest | the key of a year, made now where there is none |
//! | `keys.v1.ring.<user ref>` | projector, worker | all the user's keys |
//! | `keys.v1.rings` | projector, worker | all the keys of several users |
//! | `keys.v1.revoke.<user ref>` | ingest | a device to be revoked |
//! | `keys.v1.revoked` | ingest | the devices that were revoked since it last asked |
//! | `keys.v1.report.<user ref>` | ingest | a device to be marked as compromised, or not |
//! | `keys.v1.compromised` | ingest | the marks that changed since it last asked |
//! | `keys.v1.erase.<user ref>` | worker | a step of an erasure ([`crate::erased_users::EraseDeed`]) |
//! | `keys.v1.erasing` | ingest | who is being erased, or was, since it last asked |

mod answering;
mod erasing;
mod marks;
mod retention;

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jetstream::{AppendError, Appender, Broker, CommitMode, ReadError, Subscription};

use crate::compromised_devices::LIST_COMPROMISED_SUBJECT;
use crate::erased_users::LIST_ERASED_SUBJECT;
use crate::kek::{Kek, UnwrapError};
use crate::key_client::KEY_RINGS_SUBJECT;
use crate::keys_stream::KeysStream;
use crate::revoked_devices::LIST_REVOKED_SUBJECT;
use answering::RequestHandler;
pub(crate) use answering::record_message;
pub use retention::DataKeyRetention;

/// Questions answered at the same time.
const REQUESTS_IN_FLIGHT_MAX: usize = 1_024;

/// Why the keeper can't start.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The stream can't be read.
    #[error("the keys' stream can't be read")]
    Read(#[from] ReadError),
    /// The stream can't be written.
    #[error("the keys' stream can't be written")]
    Append(#[from] AppendError),
    /// The stream is not one that keeps keys.
    #[error("the keys' stream can't be trusted: its `{0}` is {1}, and keys could be lost")]
    ConfigMismatch(&'static str, String),
    /// The KEK given is not the one that the stored keys are wrapped under. Nothing was changed.
    #[error(
        "the key-encryption key is not the one that the stored keys are wrapped under; nothing was changed"
    )]
    WrongKek(#[source] UnwrapError),
    /// The KEK is one of KMS, which can't be asked now.
    #[error(transparent)]
    KmsUnavailable(UnwrapError),
}

impl From<UnwrapError> for KeeperError {
    fn from(error: UnwrapError) -> Self {
        match error {
            UnwrapError::Unavailable => Self::KmsUnavailable(error),
            UnwrapError::Format
            | UnwrapError::UnknownVersion(_)
            | UnwrapError::WrongKey(_)
            | UnwrapError::Refused(_) => Self::WrongKek(error),
        }
    }
}

/// Answers questions for data keys.
pub struct KeeperServer {
    handler: RequestHandler,
    // One subscription per kind of question: the broker lets this role hear exactly these.
    subscriptions: Vec<Subscription>,
}

impl KeeperServer {
    /// Checks that the KEK is the right one before anything is heard. Questions that come from here on are answered.
    pub async fn start(broker: Broker, kek: Arc<Kek>) -> Result<Self, KeeperError> {
        let stream = KeysStream::open(broker.clone());
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        KeysStream::verify(&stream).await?;
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
            "keys.v1.current.*",
            "keys.v1.ring.*",
            KEY_RINGS_SUBJECT,
            "keys.v1.revoke.*",
            LIST_REVOKED_SUBJECT,
            "keys.v1.report.*",
            LIST_COMPROMISED_SUBJECT,
            "keys.v1.erase.*",
            LIST_ERASED_SUBJECT,
        ] {
            let heard = broker.subscribe(subject, Some("keeper")).await;
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
