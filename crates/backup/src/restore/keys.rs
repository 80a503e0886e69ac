//! Putting the records of the keys' stream back: first what says that somebody was erased, then the rest.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use bytes::Bytes;
use futures_util::future::join_all;
use jetstream::{AppendError, Appender, ExpectedSequence, NewMessage, ReadError, Stream};

use super::error::RestoreError;
use crate::backup_folder::{BackupLines, KeyRecord, ReadBackupError, is_tombstone};
use crate::chunk_reader::{ChunkBounds, ChunkReader};
use crate::limits::{KEY_BATCH_MAX, LINE_BYTES_MAX};
use crate::retry::BoundedRetry;

/// What came of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct KeyCounts {
    pub(super) appended: u64,
    pub(super) already_present: u64,
    pub(super) of_erased_users: u64,
    pub(super) tombstones: u64,
}

/// Appends the records that are missing.
pub(super) async fn append_missing(
    stream: &Stream,
    appender: &Appender,
    folder: &Path,
    mut on_progress: impl FnMut(u64),
) -> Result<KeyCounts, RestoreError> {
    let mut filled = KeyCounts::default();
    for part in [RestorePass::Erasures, RestorePass::Rest] {
        let mut chunks = record_chunks(folder, part);
        while let Some(chunk) = chunks.next_chunk().await? {
            ensure_stored(stream, appender, &chunk, &mut filled).await?;
            on_progress(filled.appended + filled.already_present + filled.of_erased_users);
        }
        if part == RestorePass::Erasures {
            filled.tombstones = filled.appended + filled.already_present + filled.of_erased_users;
        }
    }
    Ok(filled)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RestorePass {
    Erasures,
    Rest,
}

fn record_chunks(folder: &Path, part: RestorePass) -> ChunkReader<KeyRecord, ReadBackupError> {
    let folder = folder.to_owned();
    let open = move || {
        let lines = BackupLines::<KeyRecord>::open(&folder)?;
        let is_in = move |record: &KeyRecord| record.is_erasure() == (part == RestorePass::Erasures);
        Ok(lines.filter(move |line| line.as_ref().map_or(true, is_in)))
    };
    let bounds = ChunkBounds {
        items_max: KEY_BATCH_MAX,
        bytes_max: LINE_BYTES_MAX,
        item_bytes: |record: &KeyRecord| record.subject.len() + record.record.len(),
    };
    ChunkReader::start(open, bounds)
}

/// Sees that the stream holds these records, or knows better.
async fn ensure_stored(
    stream: &Stream,
    appender: &Appender,
    chunk: &[KeyRecord],
    filled: &mut KeyCounts,
) -> Result<(), RestoreError> {
    let mut tries = BoundedRetry::new();
    let mut sent = BTreeSet::new();
    loop {
        let error = match existing_records(stream, chunk).await {
            Ok(there) => {
                let found = chunk.iter().map(|record| Ok((record, classify(record, &there)?)));
                let found: Vec<_> = found.collect::<Result<_, RestoreError>>()?;
                let missing = found.iter().filter(|(_, found)| *found == RecordState::Missing);
                let missing: Vec<_> = missing.map(|(record, _)| *record).collect();
                if missing.is_empty() {
                    found.iter().for_each(|(record, found)| {
                        filled.count(*found, sent.contains(record.subject.as_str()));
                    });
                    return Ok(());
                }
                sent.extend(missing.iter().map(|record| record.subject.as_str()));
                match append(appender, &missing).await? {
                    // What is there now is looked up once more.
                    None => continue,
                    Some(passing) => RestoreError::AppendKeys(passing),
                }
            }
            Err(error @ ReadError::Unavailable) => RestoreError::ReadKeys(error),
            Err(error @ (ReadError::Refused { .. } | ReadError::Malformed)) => {
                return Err(RestoreError::ReadKeys(error));
            }
        };
        if !tries.wait_for_next().await {
            return Err(error);
        }
    }
}

/// What the stream holds under the subjects of these records, and under the marks of their users. The owner may read
/// the stream by filters alone, not by a subject in the request's own.
async fn existing_records(stream: &Stream, chunk: &[KeyRecord]) -> Result<ExistingRecords, ReadError> {
    let marks: BTreeSet<_> = chunk.iter().filter_map(KeyRecord::erasure_mark_subject).collect();
    let subjects = chunk.iter().map(|record| record.subject.as_str());
    let filters: BTreeSet<_> = marks.iter().map(String::as_str).chain(subjects).collect();
    let filters: Vec<_> = filters.into_iter().collect();
    let stored = stream.last_per_subject_multi(&filters).await?;
    Ok(stored.into_iter().map(|stored| (stored.subject, stored.payload)).collect())
}

/// Records by subject.
type ExistingRecords = HashMap<String, Bytes>;

/// How the stream stands to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RecordState {
    /// To be appended.
    Missing,
    /// It is there.
    Present,
    /// The user was erased, and the record is of a key that must not come back.
    Erased,
}

fn classify(record: &KeyRecord, there: &ExistingRecords) -> Result<RecordState, RestoreError> {
    let held = there.get(&record.subject);
    if held.is_some_and(|held| *held == record.record) {
        return Ok(RecordState::Present);
    }
    let is_erased = record
        .erasure_mark_subject()
        .is_some_and(|mark| there.contains_key(&mark) || held.is_some_and(|held| is_tombstone(held)));
    match held {
        // A tombstone gives nothing back.
        None if is_erased && !record.is_erasure() => Ok(RecordState::Erased),
        None => Ok(RecordState::Missing),
        Some(_) if is_erased => Ok(RecordState::Erased),
        Some(_) => Err(RestoreError::KeyConflict { subject: record.subject.clone() }),
    }
}

impl KeyCounts {
    fn count(&mut self, found: RecordState, is_sent: bool) {
        match found {
            RecordState::Present if is_sent => self.appended += 1,
            RecordState::Present => self.already_present += 1,
            RecordState::Erased => self.of_erased_users += 1,
            RecordState::Missing => unreachable!("BUG: a record is missing and was counted"),
        }
    }
}

/// Appends records where there is none yet. Returns an error after which another look may do.
async fn append(appender: &Appender, missing: &[&KeyRecord]) -> Result<Option<AppendError>, RestoreError> {
    let mut passing = None;
    for result in join_all(missing.iter().map(|record| appender.append(key_message(record)))).await {
        match result {
            Ok(_) => {}
            Err(error @ (AppendError::Unavailable | AppendError::Unknown | AppendError::Conflict)) => {
                passing = Some(error);
            }
            Err(error @ AppendError::Refused { .. }) => return Err(RestoreError::AppendKeys(error)),
        }
    }
    Ok(passing)
}

fn key_message(record: &KeyRecord) -> NewMessage {
    NewMessage {
        subject: record.subject.clone(),
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: record.subject.clone(), sequence: 0 }),
        payload: Bytes::copy_from_slice(&record.record),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: &str = "$KV.keys.gaytemzugu3doobzmfrggzdfmy";

    fn record(subject: &str, record: &[u8]) -> KeyRecord {
        KeyRecord { subject: subject.to_owned(), record: record.to_vec() }
    }

    fn classify_against(backup: &KeyRecord, there: &[&KeyRecord]) -> Option<RecordState> {
        let there = there.iter().map(|held| (held.subject.clone(), held.record.clone().into()));
        match classify(backup, &there.collect()) {
            Ok(found) => Some(found),
            Err(RestoreError::KeyConflict { subject }) if subject == backup.subject => None,
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn an_erased_user_never_gets_a_key_back() {
        let subject = format!("{USER}.abc");
        let key = record(&subject, &[1, 1, 7]);
        let rewrapped = record(&subject, &[1, 1, 8]);
        let tombstone = record(&subject, &[1, 2]);
        let mark = record(&format!("{USER}.erased"), b"");
        let later_mark = record(&format!("{USER}.erased"), b"later");
        let other_mark = record("$KV.keys.aaaaaaaaaaaaaaaaaaaaaaaaaa.erased", b"");
        for (backup, there, expected) in [
            (&key, &[][..], Some(RecordState::Missing)),
            (&key, &[&other_mark], Some(RecordState::Missing)),
            (&key, &[&key], Some(RecordState::Present)),
            (&key, &[&mark], Some(RecordState::Erased)),
            (&key, &[&tombstone], Some(RecordState::Erased)),
            (&key, &[&mark, &tombstone], Some(RecordState::Erased)),
            (&key, &[&mark, &rewrapped], Some(RecordState::Erased)),
            (&key, &[&rewrapped], None),
            (&tombstone, &[], Some(RecordState::Missing)),
            (&tombstone, &[&mark], Some(RecordState::Missing)),
            (&tombstone, &[&tombstone], Some(RecordState::Present)),
            (&tombstone, &[&key], None),
            (&mark, &[], Some(RecordState::Missing)),
            (&mark, &[&mark], Some(RecordState::Present)),
            (&mark, &[&later_mark], Some(RecordState::Erased)),
        ] {
            assert_eq!(classify_against(backup, there), expected, "{backup:?} where there is {there:?}");
        }
    }

    #[test]
    fn what_is_no_users_key_must_be_the_same() {
        let check = record("$KV.keys.kek.1", &[1, 3, 0]);
        assert_eq!(classify_against(&check, &[&record("$KV.keys.kek.1", &[1, 3, 1])]), None);
        assert_eq!(classify_against(&check, &[&record("$KV.keys.kek.1", &[1, 2])]), None);
        let revoked = record("$KV.keys.revoked.gaytemzugu3doobzmfrggzdfmy.abc", &[1, 4]);
        let mark = record(&format!("{USER}.erased"), b"");
        assert_eq!(classify_against(&revoked, &[&mark]), Some(RecordState::Missing));
        assert_eq!(classify_against(&revoked, &[&revoked]), Some(RecordState::Present));
    }
}
