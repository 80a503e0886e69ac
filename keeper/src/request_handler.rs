//! The answers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jetstream::{
    AppendError, Appender, Broker, ExpectedSequence, NewMessage, ReceivedMessage, StoredMessage, Stream,
};
use keys::keys_stream::record::{self, CompromiseReport, UnwrappedRecord};
use keys::keys_stream::{ERASED_TOKEN, ERASING_TOKEN};
use keys::protocol::{
    COMPROMISE_REPORT_PREFIX, CURRENT_KEY_PREFIX, CompromiseReportRequest, CurrentKeyRequest, ERASE_PREFIX,
    EraseStep, KEY_RING_PREFIX, KEY_RINGS_SUBJECT, KEY_RINGS_USERS_MAX, KeysResponse,
    LIST_COMPROMISED_SUBJECT, LIST_ERASED_SUBJECT, LIST_REVOKED_SUBJECT, REVOKE_DEVICE_PREFIX,
    RevokeDeviceRequest,
};
use keys::{DeviceId, Kek, KeyHolder, UnwrapError, UserRef, Year};

use crate::error::KeeperError;

/// How often a lost race is run again.
pub(super) const CONFLICT_ATTEMPTS_MAX: usize = 8;

/// What answering needs.
#[derive(Clone)]
pub(super) struct RequestHandler {
    pub(super) broker: Broker,
    pub(super) stream: Stream,
    pub(super) appender: Appender,
    pub(super) kek: Arc<Kek>,
    /// The newest version that has its check: nothing is wrapped under one that has not.
    pub(super) checked_kek_version: Arc<AtomicU32>,
}

impl RequestHandler {
    pub(super) async fn check_kek(&self) -> Result<(), KeeperError> {
        let version = self.kek.current_version();
        self.check_kek_version(version).await?;
        self.checked_kek_version.store(version, Ordering::Release);
        Ok(())
    }

    async fn check_kek_version(&self, version: u32) -> Result<(), KeeperError> {
        let subject = format!("$KV.keys.kek.{version}");
        // Every version that ever wrapped a key must be held, and be the same key.
        let checks = self.stream.last_per_subject("$KV.keys.kek.*").await?;
        for stored in &checks {
            record::verify_kek_check(&self.kek, &stored.payload).await?;
        }
        if checks.iter().any(|stored| stored.subject == subject) {
            return Ok(());
        }
        let check = record::create_kek_check(&self.kek).await?;
        let draft = record_message(subject.clone(), subject.clone(), 0, check);
        match self.appender.append(draft).await {
            Ok(_) => Ok(()),
            // Another keeper was first, or our own record was stored after all: it must be of the same key.
            Err(AppendError::Conflict | AppendError::Unknown) => {
                match self.stream.last_for_subject(&subject).await? {
                    Some(stored) => Ok(record::verify_kek_check(&self.kek, &stored.payload).await?),
                    None => Err(AppendError::Unknown.into()),
                }
            }
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn handle(&self, question: ReceivedMessage) {
        let Some(reply) = question.reply_subject else { return };
        let answer = match parse_request(&question.subject, &question.payload) {
            Some((user, KeeperRequest::Current(year))) => self.current_key(&user, year).await,
            Some((user, KeeperRequest::KeyRing)) => {
                self.user_records(&user).await.map(|held| held.into_response())
            }
            Some((user, KeeperRequest::Revoke(device))) => self.revoke(&user, device).await,
            Some((user, KeeperRequest::Report(holder, told))) => {
                self.record_report(&user, holder, told).await
            }
            Some((user, KeeperRequest::Erase(deed))) => self.erase(&user, deed).await,
            None if question.subject == LIST_ERASED_SUBJECT => self.list_erased(&question.payload).await,
            None if question.subject == LIST_REVOKED_SUBJECT => self.list_revoked(&question.payload).await,
            None if question.subject == LIST_COMPROMISED_SUBJECT => {
                self.list_compromised(&question.payload).await
            }
            None if question.subject == KEY_RINGS_SUBJECT => self.key_rings(&question.payload).await,
            None => Ok(KeysResponse::Unavailable),
        };
        let answer = answer.unwrap_or_else(|error| {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "a question for data keys was not answered"
            );
            KeysResponse::Unavailable
        });
        let answer = serde_json::to_vec(&answer).unwrap_or_else(|_| unreachable!("BUG: an answer is JSON"));
        // The one who asked gives up by itself where the answer is lost.
        let _ = self.broker.publish(reply, answer.into()).await;
    }

    /// The user's newest key of the year; made now where there is none, unless the user was erased.
    async fn current_key(&self, user: &UserRef, year: Year) -> Result<KeysResponse, KeeperError> {
        for _ in 0..CONFLICT_ATTEMPTS_MAX {
            let held = self.user_records(user).await?;
            if held.is_erased || held.is_being_erased {
                return Ok(KeysResponse::Erased);
            }
            if let Some(record) = held.newest_of_year(&self.kek, user, year).await? {
                return Ok(KeysResponse::Records(vec![record]));
            }
            if self.checked_kek_version.load(Ordering::Acquire) != self.kek.current_version() {
                self.check_kek().await?;
            }
            let (key, record) = record::create_data_key(&self.kek, user, year).await?;
            let answer =
                KeysResponse::Records(vec![(key.id().to_string(), data_encoding::BASE64.encode(&record))]);
            // Only if nothing at all has happened to this user's keys since: no second key for the year, and no new
            // key for a user who is being erased.
            let draft = record_message(
                format!("$KV.keys.{user}.{}", key.id()),
                format!("$KV.keys.{user}.*"),
                held.last_sequence,
                record,
            );
            match self.appender.append(draft).await {
                Ok(_) => return Ok(answer),
                Err(AppendError::Conflict | AppendError::Unknown) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(KeysResponse::Unavailable)
    }

    /// The keys of several users at once: a view that is folded anew needs everybody's.
    async fn key_rings(&self, payload: &[u8]) -> Result<KeysResponse, KeeperError> {
        let users = serde_json::from_slice::<Vec<String>>(payload).ok();
        let users = users.filter(|users| (1..=KEY_RINGS_USERS_MAX).contains(&users.len()));
        let users = users.and_then(|users| {
            users.iter().map(|user| user.parse::<UserRef>()).collect::<Result<Vec<_>, _>>().ok()
        });
        let Some(users) = users else { return Ok(KeysResponse::Unavailable) };
        let filters: Vec<_> = users.iter().map(|user| format!("$KV.keys.{user}.*")).collect();
        let filters: Vec<_> = filters.iter().map(String::as_str).collect();
        let mut by_user: BTreeMap<String, Vec<StoredMessage>> = BTreeMap::new();
        for stored in self.stream.last_per_subject_multi(&filters).await? {
            let user = stored.subject.strip_prefix("$KV.keys.").and_then(|rest| rest.split_once('.'));
            if let Some((user, _)) = user {
                by_user.entry(user.to_owned()).or_default().push(stored);
            }
        }
        let rings = by_user.into_iter().filter_map(|(user, stored)| {
            match UserKeyRecords::from_stored(stored).into_response() {
                KeysResponse::Records(records) => Some((user, records)),
                KeysResponse::Erased
                | KeysResponse::Unavailable
                | KeysResponse::Done
                | KeysResponse::Marked(_)
                | KeysResponse::Revoked { .. }
                | KeysResponse::Compromised { .. }
                | KeysResponse::Erasing { .. }
                | KeysResponse::Destroyed(_)
                | KeysResponse::Rings(_) => None,
            }
        });
        Ok(KeysResponse::Rings(rings.collect()))
    }

    async fn user_records(&self, user: &UserRef) -> Result<UserKeyRecords, KeeperError> {
        let stored = self.stream.last_per_subject(&format!("$KV.keys.{user}.*")).await?;
        Ok(UserKeyRecords::from_stored(stored))
    }
}

/// A user's records.
struct UserKeyRecords {
    records: Vec<(String, Vec<u8>)>,
    is_erased: bool,
    /// No key is made any more, and those that are there still open.
    is_being_erased: bool,
    last_sequence: u64,
}

impl UserKeyRecords {
    fn from_stored(stored: Vec<StoredMessage>) -> Self {
        let last = stored.iter().map(|stored| stored.sequence).max().unwrap_or(0);
        let mut records = Vec::with_capacity(stored.len());
        let (mut erased, mut erasing) = (false, false);
        for stored in stored {
            match stored.subject.rsplit('.').next() {
                Some(ERASED_TOKEN) => erased = true,
                Some(ERASING_TOKEN) => erasing = true,
                Some(id) => records.push((id.to_owned(), stored.payload.to_vec())),
                None => {}
            }
        }
        Self { records, is_erased: erased, is_being_erased: erasing, last_sequence: last }
    }

    async fn newest_of_year(
        &self,
        kek: &Kek,
        user: &UserRef,
        year: Year,
    ) -> Result<Option<(String, String)>, KeeperError> {
        for (id, record) in self.records.iter().rev() {
            let name = id.parse().map_err(|_| UnwrapError::Format)?;
            if let UnwrappedRecord::Key(key) = record::unwrap_data_key(kek, user, name, record).await?
                && key.year() == year
            {
                return Ok(Some((id.clone(), data_encoding::BASE64.encode(record))));
            }
        }
        Ok(None)
    }

    fn into_response(self) -> KeysResponse {
        if self.is_erased {
            return KeysResponse::Erased;
        }
        let encode = |(id, record): (String, Vec<u8>)| (id, data_encoding::BASE64.encode(&record));
        KeysResponse::Records(self.records.into_iter().map(encode).collect())
    }
}

enum KeeperRequest {
    Current(Year),
    KeyRing,
    Revoke(DeviceId),
    Report(KeyHolder, CompromiseReport),
    Erase(EraseStep),
}

fn parse_request(subject: &str, payload: &[u8]) -> Option<(UserRef, KeeperRequest)> {
    let (prefix, user) = subject.split_at(subject.rfind('.')? + 1);
    let question = match prefix {
        CURRENT_KEY_PREFIX => {
            KeeperRequest::Current(serde_json::from_slice::<CurrentKeyRequest>(payload).ok()?.year)
        }
        KEY_RING_PREFIX => KeeperRequest::KeyRing,
        REVOKE_DEVICE_PREFIX => KeeperRequest::Revoke(
            serde_json::from_slice::<RevokeDeviceRequest>(payload).ok()?.device.parse().ok()?,
        ),
        COMPROMISE_REPORT_PREFIX => {
            let request: CompromiseReportRequest = serde_json::from_slice(payload).ok()?;
            let told = CompromiseReport {
                is_compromised: request.compromised,
                signed_at_ms: request.signed_at.as_millisecond(),
            };
            KeeperRequest::Report(request.holder.parse().ok()?, told)
        }
        ERASE_PREFIX => KeeperRequest::Erase(serde_json::from_slice(payload).ok()?),
        _ => return None,
    };
    Some((user.parse().ok()?, question))
}

pub(crate) fn record_message(subject: String, filter: String, sequence: u64, record: Vec<u8>) -> NewMessage {
    NewMessage {
        subject,
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: filter, sequence }),
        payload: record.into(),
    }
}
