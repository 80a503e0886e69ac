//! Wrapping every data key anew, under the newest version of the KEK, while the system runs.
//!
//! A record is replaced only if it is still the one that was read, so a key that is made, destroyed or wrapped anew
//! meanwhile is never overwritten. Both versions open all the while; a rotation that was killed is simply run again,
//! and goes on where records of older versions are left.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt, stream};
use jetstream::{AppendError, Appender, Broker, CommitMode, ScanFrom, StoredMessage, Stream};
use keys::keys_stream::{ALL_KEYS_FILTER, ERASED_TOKEN, ERASING_TOKEN, record};
use keys::{DataKeyId, KEYS_STREAM, Kek, UserRef};

use crate::error::KeeperError;
use crate::request_handler::record_message;

/// Records read at a time.
const PAGE_RECORDS_MAX: usize = 1_000;
/// Records wrapped anew at the same time.
const IN_FLIGHT_MAX: usize = 256;

/// Which versions of the KEK wrap how many data keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KekUsage {
    /// Data keys by the version that they are wrapped under.
    pub keys: BTreeMap<u32, u64>,
    /// Versions that have a check.
    pub checked_versions: Vec<u32>,
    /// Users who were erased, and yet have a data key that is left.
    pub erased_users_with_keys: u64,
    /// Users who were erased.
    pub erased_users: u64,
}

impl KekUsage {
    /// Data keys that are wrapped under a version below this one.
    pub fn keys_below(&self, version: u32) -> u64 {
        self.keys.range(..version).map(|(_, keys)| keys).sum()
    }
}

/// How far a pass has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RewrapProgress {
    /// Records looked at.
    pub records_read: u64,
    /// Of these, wrapped anew.
    pub rewrapped: u64,
}

/// Rotates the KEK, with the keeper's own credentials.
pub struct KekRotation {
    stream: Stream,
    appender: Appender,
    kek: Arc<Kek>,
}

impl KekRotation {
    /// Over this connection.
    pub fn new(broker: Broker, kek: Arc<Kek>) -> Self {
        let appender = Appender::start(broker.clone(), CommitMode::Grouped);
        Self { stream: KEYS_STREAM.stream(broker), appender, kek }
    }

    /// Reads every record's version. Opens nothing.
    pub async fn read_usage(&self) -> Result<KekUsage, KeeperError> {
        let mut found = KekUsage::default();
        let mut users: BTreeMap<String, (bool, bool)> = BTreeMap::new();
        let mut from = 1;
        while let Some(page) = self.read_page(&mut from).await? {
            for stored in page {
                let Some((owner, name)) = split_subject(&stored) else { continue };
                let (erased, has_keys) = users.entry(owner.to_owned()).or_default();
                match (owner, name, record::kek_version(&stored.payload)) {
                    (_, ERASED_TOKEN, _) => *erased = true,
                    (_, ERASING_TOKEN, _) => {}
                    ("kek", _, Ok(Some(version))) => found.checked_versions.push(version),
                    (_, _, Ok(Some(version))) => {
                        *has_keys = true;
                        *found.keys.entry(version).or_default() += 1;
                    }
                    (_, _, Ok(None)) => {}
                    (_, _, Err(error)) => return Err(error.into()),
                }
            }
        }
        found.erased_users = users.values().filter(|(erased, _)| *erased).count() as u64;
        found.erased_users_with_keys = users.values().filter(|state| **state == (true, true)).count() as u64;
        Ok(found)
    }

    /// Makes sure that the newest version is the one that has this number everywhere: leaves its check, or holds the
    /// KEK against the check that is there. Every older check must open too.
    pub async fn ensure_kek_check(&self) -> Result<(), KeeperError> {
        if self.verify_kek_checks().await? {
            return Ok(());
        }
        let subject = kek_check_subject(self.kek.current_version());
        let check = record::create_kek_check(&self.kek).await?;
        self.appender.append(record_message(subject.clone(), subject, 0, check)).await?;
        Ok(())
    }

    /// Holds the KEK against every check that is there. Says whether the newest version has one.
    pub async fn verify_kek_checks(&self) -> Result<bool, KeeperError> {
        let current = kek_check_subject(self.kek.current_version());
        let mut has_current = false;
        for stored in self.stream.last_per_subject("$KV.keys.kek.*").await? {
            record::verify_kek_check(&self.kek, &stored.payload).await?;
            has_current |= stored.subject == current;
        }
        Ok(has_current)
    }

    /// One pass over every record. Tells how far it has come after each page.
    pub async fn rewrap_pass(
        &self,
        mut tell: impl FnMut(RewrapProgress),
    ) -> Result<RewrapProgress, KeeperError> {
        let mut progress = RewrapProgress::default();
        let mut from = 1;
        while let Some(page) = self.read_page(&mut from).await? {
            let seen = page.len() as u64;
            let rewrapped = stream::iter(page)
                .map(|stored| self.rewrap_record(stored))
                .buffer_unordered(IN_FLIGHT_MAX)
                .try_fold(0, async |sum, done| Ok(sum + u64::from(done)))
                .await?;
            progress.records_read += seen;
            progress.rewrapped += rewrapped;
            tell(progress);
        }
        Ok(progress)
    }

    /// Destroys the checks of versions below this one, which wrap nothing any more; the bytes are overwritten.
    pub async fn delete_checks_below(&self, version: u32) -> Result<(), KeeperError> {
        for stored in self.stream.last_per_subject("$KV.keys.kek.*").await? {
            if record::kek_version(&stored.payload)?.is_some_and(|checked| checked < version) {
                self.stream.secure_delete(stored.sequence).await?;
            }
        }
        Ok(())
    }

    async fn read_page(&self, from: &mut u64) -> Result<Option<Vec<StoredMessage>>, KeeperError> {
        let page = self.stream.scan(ScanFrom::Sequence(*from), ALL_KEYS_FILTER, PAGE_RECORDS_MAX).await?;
        let Some(last) = page.last() else { return Ok(None) };
        *from = last.sequence + 1;
        Ok(Some(page))
    }

    /// Says whether the record was wrapped anew.
    async fn rewrap_record(&self, stored: StoredMessage) -> Result<bool, KeeperError> {
        let Some((user, id)) = parse_data_key_subject(&stored) else { return Ok(false) };
        let Some(record) = record::rewrap_data_key(&self.kek, &user, id, &stored.payload).await? else {
            return Ok(false);
        };
        let draft = record_message(stored.subject.clone(), stored.subject, stored.sequence, record);
        match self.appender.append(draft).await {
            Ok(_) => Ok(true),
            // Somebody else changed it: the next pass looks again.
            Err(AppendError::Conflict | AppendError::Unknown) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

fn kek_check_subject(version: u32) -> String {
    format!("$KV.keys.kek.{version}")
}

fn split_subject(stored: &StoredMessage) -> Option<(&str, &str)> {
    stored.subject.strip_prefix("$KV.keys.")?.split_once('.')
}

/// `None` for what is no data key: a check of the KEK, the mark of an erased user.
fn parse_data_key_subject(stored: &StoredMessage) -> Option<(UserRef, DataKeyId)> {
    let (user, id) = split_subject(stored)?;
    Some((user.parse().ok()?, id.parse().ok()?))
}
