//! The answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jetstream::{AppendError, Appender, Broker, NewMessage, ExpectedSequence, ReceivedMessage, StoredMessage, Stream};

use super::KeeperError;
use crate::UserRef;
use crate::compromised::{COMPROMISED_SUBJECT, ReportRequest};
use crate::data_key::Year;
use crate::erasing::{ERASING_SUBJECT, EraseDeed};
use crate::kek::{Kek, UnwrapError};
use crate::key_client::{CurrentRequest, KeysAnswer, RINGS_SUBJECT, RINGS_USERS_MAX};
use crate::keys_stream::{ERASED, ERASING};
use crate::own_id::DeviceId;
use crate::record::{self, Record, Told};
use crate::revoked::{REVOKED_SUBJECT, RevokeRequest};
use crate::signing::KeyHolder;

/// How often a lost race is run again.
pub(super) const RACES_MAX: usize = 8;

/// What answering needs.
#[derive(Clone)]
pub(super) struct Answering {
    pub(super) broker: Broker,
    pub(super) stream: Stream,
    pub(super) appender: Appender,
    pub(super) kek: Arc<Kek>,
    /// The newest version that has its check: nothing is wrapped under one that has not.
    pub(super) checked: Arc<AtomicU32>,
}

impl Answering {
    pub(super) async fn check_kek(&self) -> Result<(), KeeperError> {
        let version = self.kek.current_version();
        self.check_version(version).await?;
        self.checked.store(version, Ordering::Release);
        Ok(())
    }

    async fn check_version(&self, version: u32) -> Result<(), KeeperError> {
        let subject = format!("$KV.keys.kek.{version}");
        // Every version that ever wrapped a key must be held, and be the same key.
        let checks = self.stream.last_per_subject("$KV.keys.kek.*").await?;
        for stored in &checks {
            record::check(&self.kek, &stored.payload).await?;
        }
        if checks.iter().any(|stored| stored.subject == subject) {
            return Ok(());
        }
        let check = record::check_record(&self.kek).await?;
        let draft = draft(subject.clone(), subject.clone(), 0, check);
        match self.appender.append(draft).await {
            Ok(_) => Ok(()),
            // Another keeper was first, or our own record was stored after all: it must be of the same key.
            Err(AppendError::Conflict | AppendError::Unknown) => match self.stream.last_for_subject(&subject).await? {
                Some(stored) => Ok(record::check(&self.kek, &stored.payload).await?),
                None => Err(AppendError::Unknown.into()),
            },
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn answer(&self, question: ReceivedMessage) {
        let Some(reply) = question.reply_subject else { return };
        let answer = match parse(&question.subject, &question.payload) {
            Some((user, Question::Current(year))) => self.current(&user, year).await,
            Some((user, Question::Ring)) => self.records(&user).await.map(|held| held.answer()),
            Some((user, Question::Revoke(device))) => self.revoke(&user, device).await,
            Some((user, Question::Report(holder, told))) => self.report(&user, holder, told).await,
            Some((user, Question::Erase(deed))) => self.erase(&user, deed).await,
            None if question.subject == ERASING_SUBJECT => self.erasing(&question.payload).await,
            None if question.subject == REVOKED_SUBJECT => self.revoked(&question.payload).await,
            None if question.subject == COMPROMISED_SUBJECT => self.compromised(&question.payload).await,
            None if question.subject == RINGS_SUBJECT => self.rings(&question.payload).await,
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
            if held.erased || held.erasing {
                return Ok(KeysAnswer::Erased);
            }
            if let Some(record) = held.newest_of(&self.kek, user, year).await? {
                return Ok(KeysAnswer::Records(vec![record]));
            }
            if self.checked.load(Ordering::Acquire) != self.kek.current_version() {
                self.check_kek().await?;
            }
            let (key, record) = record::create(&self.kek, user, year).await?;
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

    /// The keys of several users at once: a view that is folded anew needs everybody's.
    async fn rings(&self, payload: &[u8]) -> Result<KeysAnswer, KeeperError> {
        let users = serde_json::from_slice::<Vec<String>>(payload).ok();
        let users = users.filter(|users| (1..=RINGS_USERS_MAX).contains(&users.len()));
        let users = users.and_then(|users| {
            users.iter().map(|user| user.parse::<UserRef>()).collect::<Result<Vec<_>, _>>().ok()
        });
        let Some(users) = users else { return Ok(KeysAnswer::Unavailable) };
        let filters: Vec<_> = users.iter().map(|user| format!("$KV.keys.{user}.*")).collect();
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let mut by_user: BTreeMap<String, Vec<StoredMessage>> = BTreeMap::new();
        for stored in self.stream.last_per_subject_multi(&filters).await? {
            let user = stored.subject.strip_prefix("$KV.keys.").and_then(|rest| rest.split_once('.'));
            if let Some((user, _)) = user {
                by_user.entry(user.to_owned()).or_default().push(stored);
            }
        }
        let rings = by_user.into_iter().filter_map(|(user, stored)| match Held::from(stored).answer() {
            KeysAnswer::Records(records) => Some((user, records)),
            KeysAnswer::Erased
            | KeysAnswer::Unavailable
            | KeysAnswer::Done
            | KeysAnswer::Marked(_)
            | KeysAnswer::Revoked { .. }
            | KeysAnswer::Compromised { .. }
            | KeysAnswer::Erasing { .. }
            | KeysAnswer::Destroyed(_)
            | KeysAnswer::Rings(_) => None,
        });
        Ok(KeysAnswer::Rings(rings.collect()))
    }

    async fn records(&self, user: &UserRef) -> Result<Held, KeeperError> {
        let stored = self.stream.last_per_subject(&format!("$KV.keys.{user}.*")).await?;
        Ok(Held::from(stored))
    }
}

/// A user's records.
struct Held {
    records: Vec<(String, Vec<u8>)>,
    erased: bool,
    /// No key is made any more, and those that are there still open.
    erasing: bool,
    last: u64,
}

impl Held {
    fn from(stored: Vec<StoredMessage>) -> Self {
        let last = stored.iter().map(|stored| stored.sequence).max().unwrap_or(0);
        let mut records = Vec::with_capacity(stored.len());
        let (mut erased, mut erasing) = (false, false);
        for stored in stored {
            match stored.subject.rsplit('.').next() {
                Some(ERASED) => erased = true,
                Some(ERASING) => erasing = true,
                Some(id) => records.push((id.to_owned(), stored.payload.to_vec())),
                None => {}
            }
        }
        Self { records, erased, erasing, last }
    }

    async fn newest_of(
        &self,
        kek: &Kek,
        user: &UserRef,
        year: Year,
    ) -> Result<Option<(String, String)>, KeeperError> {
        for (id, record) in self.records.iter().rev() {
            let name = id.parse().map_err(|_| UnwrapError::Format)?;
            if let Record::Key(key) = record::unwrap(kek, user, name, record).await?
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
    Revoke(DeviceId),
    Report(KeyHolder, Told),
    Erase(EraseDeed),
}

fn parse(subject: &str, payload: &[u8]) -> Option<(UserRef, Question)> {
    let (kind, user) = subject.strip_prefix("keys.v1.")?.split_once('.')?;
    let question = match kind {
        "current" => Question::Current(serde_json::from_slice::<CurrentRequest>(payload).ok()?.year),
        "ring" => Question::Ring,
        "revoke" => {
            Question::Revoke(serde_json::from_slice::<RevokeRequest>(payload).ok()?.device.parse().ok()?)
        }
        "report" => {
            let request: ReportRequest = serde_json::from_slice(payload).ok()?;
            let told = Told {
                is_compromised: request.compromised,
                signed_at_ms: request.signed_at.as_millisecond(),
            };
            Question::Report(request.holder.parse().ok()?, told)
        }
        "erase" => Question::Erase(serde_json::from_slice(payload).ok()?),
        _ => return None,
    };
    Some((user.parse().ok()?, question))
}

pub(crate) fn draft(subject: String, filter: String, sequence: u64, record: Vec<u8>) -> NewMessage {
    NewMessage {
        subject,
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: filter, sequence }),
        payload: record.into(),
    }
}
