//! The keeper: the one role that reaches the stream of wrapped data keys.
//!
//! `KV_keys` is shaped as a key-value bucket (`$KV.keys.<user ref>.<key id>`), but allows a message to be deleted:
//! an ordinary bucket refuses the secure delete that overwrites bytes, and a purge leaves them on disk.

use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use serde_json::json;
use stream::{
    AppendError, Appender, Broker, Commit, Draft, Expected, Heard, ReadError, Stored, Stream, Subscription,
};

use crate::UserRef;
use crate::data_key::Year;
use crate::kek::{Kek, Record, UnwrapError};
use crate::key_client::{CurrentRequest, KeysAnswer};

/// The stream of wrapped data keys.
pub const KEYS_STREAM: &str = "KV_keys";
/// The keys' stream as the roles that may reach it see it.
const API_PREFIX: &str = "KEYS.API";
/// Questions answered at the same time.
const QUESTIONS_IN_FLIGHT_MAX: usize = 1_024;
/// How often a lost race for a user's new key is run again.
const RACES_MAX: usize = 8;

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
    BrokenPromise(&'static str, String),
    /// The KEK given is not the one that the stored keys are wrapped under. Nothing was changed.
    #[error(
        "the key-encryption key is not the one that the stored keys are wrapped under; nothing was changed"
    )]
    WrongKek(#[from] UnwrapError),
}

/// The stream of wrapped keys, as setup creates it.
pub struct KeysStream;

impl KeysStream {
    /// Over this connection, which must have the rights for what is asked.
    pub fn over(broker: Broker) -> Stream {
        Stream::new(broker, API_PREFIX, KEYS_STREAM)
    }

    /// What the stream must be.
    pub fn config(replicas: u8) -> serde_json::Value {
        json!({
            "name": KEYS_STREAM,
            "description": "SyncWell: wrapped data keys",
            "subjects": ["$KV.keys.>"],
            "retention": "limits",
            "storage": "file",
            "discard": "new",
            "max_msgs_per_subject": 1,
            "num_replicas": replicas,
            "allow_direct": true,
            "allow_atomic": true,
            "allow_rollup_hdrs": false,
            "deny_delete": false,
            "deny_purge": true,
        })
    }
}

impl KeysStream {
    /// Holds what is there against what setup creates. A key that is lost takes every event under it along.
    async fn verify(stream: &Stream) -> Result<(), KeeperError> {
        let info = stream.info().await?.ok_or(ReadError::Unavailable)?;
        let promised = Self::config(1);
        for key in ["subjects", "retention", "storage", "discard", "max_msgs_per_subject", "deny_purge"] {
            if info.config[key] != promised[key] {
                return Err(KeeperError::BrokenPromise(key, info.config[key].to_string()));
            }
        }
        for (key, unlimited) in [("max_msgs", -1), ("max_bytes", -1), ("max_age", 0)] {
            if info.config[key].as_i64().is_some_and(|limit| limit != unlimited) {
                return Err(KeeperError::BrokenPromise(key, info.config[key].to_string()));
            }
        }
        Ok(())
    }
}

/// Answers questions for data keys.
pub struct Keeper {
    answering: Answering,
    // One subscription per kind of question: the broker lets this role hear exactly these.
    current: Subscription,
    ring: Subscription,
}

/// What answering needs.
#[derive(Clone)]
struct Answering {
    broker: Broker,
    stream: Stream,
    appender: Appender,
    kek: Arc<Kek>,
}

impl Keeper {
    /// Checks that the KEK is the right one before anything is heard. Questions that come from here on are answered.
    pub async fn start(broker: Broker, kek: Arc<Kek>) -> Result<Self, KeeperError> {
        let stream = KeysStream::over(broker.clone());
        let appender = Appender::start(broker.clone(), Commit::Grouped);
        KeysStream::verify(&stream).await?;
        let answering = Answering { broker: broker.clone(), stream, appender, kek };
        answering.check_kek().await?;
        let hear = async |subject: &str| {
            broker.subscribe(subject, Some("keeper")).await.map_err(|_| ReadError::Unavailable)
        };
        let (current, ring) = (hear("keys.v1.current.*").await?, hear("keys.v1.ring.*").await?);
        broker.flush().await.map_err(|_| ReadError::Unavailable)?;
        Ok(Self { answering, current, ring })
    }

    /// Answers until the connection is closed for good.
    pub async fn serve(self) {
        let Self { answering, mut current, mut ring } = self;
        let mut under_way = FuturesUnordered::new();
        loop {
            let has_room = under_way.len() < QUESTIONS_IN_FLIGHT_MAX;
            let question = tokio::select! {
                question = current.next(), if has_room => question,
                question = ring.next(), if has_room => question,
                Some(()) = under_way.next() => continue,
            };
            match question {
                Some(question) => under_way.push(answering.answer(question)),
                None => return,
            }
        }
    }
}

impl Answering {
    async fn check_kek(&self) -> Result<(), KeeperError> {
        let subject = format!("$KV.keys.kek.{}", self.kek.current_version());
        // Every version that ever wrapped a key must be held, and be the same key.
        let checks = self.stream.last_by_subject("$KV.keys.kek.*").await?;
        for stored in &checks {
            self.kek.check(&stored.payload)?;
        }
        if checks.iter().any(|stored| stored.subject == subject) {
            return Ok(());
        }
        let draft = draft(subject.clone(), subject.clone(), 0, self.kek.check_record());
        match self.appender.append(draft).await {
            Ok(_) => Ok(()),
            // Another keeper was first, or our own record was stored after all: it must be of the same key.
            Err(AppendError::Conflict | AppendError::Unknown) => match self.stream.last(&subject).await? {
                Some(stored) => Ok(self.kek.check(&stored.payload)?),
                None => Err(AppendError::Unknown.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    async fn answer(&self, question: Heard) {
        let Some(reply) = question.reply else { return };
        let answer = match parse(&question.subject, &question.payload) {
            Some((user, Question::Current(year))) => self.current(&user, year).await,
            Some((user, Question::Ring)) => self.records(&user).await.map(|held| held.answer()),
            None => Ok(KeysAnswer::Unavailable),
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a question for data keys was not answered"
            );
            KeysAnswer::Unavailable
        });
        let answer = serde_json::to_vec(&answer).unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"));
        // The one who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    /// The user's newest key of the year; made now where there is none, unless the user was erased.
    async fn current(&self, user: &UserRef, year: Year) -> Result<KeysAnswer, KeeperError> {
        for _ in 0..RACES_MAX {
            let held = self.records(user).await?;
            if held.erased {
                return Ok(KeysAnswer::Erased);
            }
            if let Some(record) = held.newest_of(&self.kek, user, year)? {
                return Ok(KeysAnswer::Records(vec![record]));
            }
            let (key, record) = self.kek.create(user, year);
            let answer =
                KeysAnswer::Records(vec![(key.id().to_string(), data_encoding::BASE64.encode(&record))]);
            // Only if nothing at all has happened to this user's keys since: no second key for the year, and no new
            // key for a user who is being erased.
            let draft = draft(
                format!("$KV.keys.{user}.{}", key.id()),
                format!("$KV.keys.{user}.*"),
                held.last,
                record,
            );
            match self.appender.append(draft).await {
                Ok(_) => return Ok(answer),
                Err(AppendError::Conflict | AppendError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(KeysAnswer::Unavailable)
    }

    async fn records(&self, user: &UserRef) -> Result<Held, KeeperError> {
        let stored = self.stream.last_by_subject(&format!("$KV.keys.{user}.*")).await?;
        Ok(Held::from(stored))
    }
}

/// A user's records.
struct Held {
    records: Vec<(String, Vec<u8>)>,
    erased: bool,
    last: u64,
}

impl Held {
    fn from(stored: Vec<Stored>) -> Self {
        let last = stored.iter().map(|stored| stored.sequence).max().unwrap_or(0);
        let mut records = Vec::with_capacity(stored.len());
        let mut erased = false;
        for stored in stored {
            match stored.subject.rsplit('.').next() {
                Some("erased") => erased = true,
                Some(id) => records.push((id.to_owned(), stored.payload.to_vec())),
                None => {}
            }
        }
        Self { records, erased, last }
    }

    fn newest_of(
        &self,
        kek: &Kek,
        user: &UserRef,
        year: Year,
    ) -> Result<Option<(String, String)>, KeeperError> {
        for (id, record) in self.records.iter().rev() {
            let name = id.parse().map_err(|_| UnwrapError::Format)?;
            if let Record::Key(key) = kek.unwrap(user, name, record)?
                && key.year() == year
            {
                return Ok(Some((id.clone(), data_encoding::BASE64.encode(record))));
            }
        }
        Ok(None)
    }

    fn answer(self) -> KeysAnswer {
        if self.erased {
            return KeysAnswer::Erased;
        }
        let encode = |(id, record): (String, Vec<u8>)| (id, data_encoding::BASE64.encode(&record));
        KeysAnswer::Records(self.records.into_iter().map(encode).collect())
    }
}

enum Question {
    Current(Year),
    Ring,
}

fn parse(subject: &str, payload: &[u8]) -> Option<(UserRef, Question)> {
    let (kind, user) = subject.strip_prefix("keys.v1.")?.split_once('.')?;
    let question = match kind {
        "current" => Question::Current(serde_json::from_slice::<CurrentRequest>(payload).ok()?.year),
        "ring" => Question::Ring,
        _ => return None,
    };
    Some((user.parse().ok()?, question))
}

fn draft(subject: String, filter: String, sequence: u64, record: Vec<u8>) -> Draft {
    Draft {
        subject,
        id: None,
        headers: Vec::new(),
        expected: Some(Expected { filter, sequence }),
        payload: record.into(),
    }
}
