//! Putting the records of the keys' stream back: first what says that somebody was erased, then the rest.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use bytes::Bytes;
use futures_util::future::join_all;
use jetstream::{AppendError, Appender, NewMessage, ExpectedSequence, ReadError, Stream};

use super::RestoreError;
use crate::chunks::{ChunkBounds, Chunks};
use crate::folder::{FileLines, KeyRecord, ReadBackupError, is_tombstone};
use crate::limits::{KEYS_TOGETHER_MAX, LINE_BYTES_MAX};
use crate::tries::Tries;

/// What came of the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) appended: u64,
    pub(super) held: u64,
    pub(super) erased: u64,
    pub(super) tombstones: u64,
}

/// Appends the records that are missing.
pub(super) async fn fill(
    stream: &Stream,
    appender: &Appender,
    folder: &Path,
    mut on_progress: impl FnMut(u64),
) -> Result<Filled, RestoreError> {
    let mut filled = Filled::default();
    for part in [Part::Erasures, Part::Rest] {
        let mut chunks = chunks(folder, part);
        while let Some(chunk) = chunks.next().await? {
            settle(stream, appender, &chunk, &mut filled).await?;
            on_progress(filled.appended + filled.held + filled.erased);
        }
        if part == Part::Erasures {
            filled.tombstones = filled.appended + filled.held + filled.erased;
        }
    }
    Ok(filled)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Erasures,
    Rest,
}

fn chunks(folder: &Path, part: Part) -> Chunks<KeyRecord, ReadBackupError> {
    let folder = folder.to_owned();
    let open = move || {
        let lines = FileLines::<KeyRecord>::open(&folder)?;
        let is_in = move |record: &KeyRecord| record.is_erasure() == (part == Part::Erasures);
        Ok(lines.filter(move |line| line.as_ref().map_or(true, is_in)))
    };
    let bounds = ChunkBounds {
        items_max: KEYS_TOGETHER_MAX,
        bytes_max: LINE_BYTES_MAX,
        bytes_of: |record: &KeyRecord| record.subject.len() + record.record.len(),
    };
    Chunks::read(open, bounds)
}

/// Sees that the stream holds these records, or knows better.
async fn settle(
    stream: &Stream,
    appender: &Appender,
    chunk: &[KeyRecord],
    filled: &mut Filled,
) -> Result<(), RestoreError> {
    let mut tries = Tries::new();
    let mut sent = BTreeSet::new();
    loop {
        let error = match there(stream, chunk).await {
            Ok(there) => {
                let found = chunk.iter().map(|record| Ok((record, judge(record, &there)?)));
                let found: Vec<_> = found.collect::<Result<_, RestoreError>>()?;
                let missing = found.iter().filter(|(_, found)| *found == Found::Missing);
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
        if !tries.again().await {
            return Err(error);
        }
    }
}

/// What the stream holds under the subjects of these records, and under the marks of their users. The owner may read
/// the stream by filters alone, not by a subject in the request's own.
async fn there(stream: &Stream, chunk: &[KeyRecord]) -> Result<There, ReadError> {
    let marks: BTreeSet<_> = chunk.iter().filter_map(KeyRecord::mark).collect();
    let subjects = chunk.iter().map(|record| record.subject.as_str());
    let filters: BTreeSet<_> = marks.iter().map(String::as_str).chain(subjects).collect();
    let filters: Vec<_> = filters.into_iter().collect();
    let stored = stream.last_per_subject_multi(&filters).await?;
    Ok(stored.into_iter().map(|stored| (stored.subject, stored.payload)).collect())
}

/// Records by subject.
type There = HashMap<String, Bytes>;

/// How the stream stands to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Found {
    /// To be appended.
    Missing,
    /// It is there.
    Held,
    /// The user was erased, and the record is of a key that must not come back.
    Erased,
}

fn judge(record: &KeyRecord, there: &There) -> Result<Found, RestoreError> {
    let held = there.get(&record.subject);
    if held.is_some_and(|held| *held == record.record) {
        return Ok(Found::Held);
    }
    let is_erased = record
        .mark()
        .is_some_and(|mark| there.contains_key(&mark) || held.is_some_and(|held| is_tombstone(held)));
    match held {
        // A tombstone gives nothing back.
        None if is_erased && !record.is_erasure() => Ok(Found::Erased),
        None => Ok(Found::Missing),
        Some(_) if is_erased => Ok(Found::Erased),
        Some(_) => Err(RestoreError::OtherKey { subject: record.subject.clone() }),
    }
}

impl Filled {
    fn count(&mut self, found: Found, is_sent: bool) {
        match found {
            Found::Held if is_sent => self.appended += 1,
            Found::Held => self.held += 1,
            Found::Erased => self.erased += 1,
            Found::Missing => unreachable!("BUG: a record is missing and was counted"),
        }
    }
}

/// Appends records where there is none yet. Returns an error after which another look may do.
async fn append(appender: &Appender, missing: &[&KeyRecord]) -> Result<Option<AppendError>, RestoreError> {
    let mut passing = None;
    for result in join_all(missing.iter().map(|record| appender.append(draft(record)))).await {
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

fn draft(record: &KeyRecord) -> NewMessage {
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

    fn judged(backup: &KeyRecord, there: &[&KeyRecord]) -> Option<Found> {
        let there = there.iter().map(|held| (held.subject.clone(), held.record.clone().into()));
        match judge(backup, &there.collect()) {
            Ok(found) => Some(found),
            Err(RestoreError::OtherKey { subject }) if subject == backup.subject => None,
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
            (&key, &[][..], Some(Found::Missing)),
            (&key, &[&other_mark], Some(Found::Missing)),
            (&key, &[&key], Some(Found::Held)),
            (&key, &[&mark], Some(Found::Erased)),
            (&key, &[&tombstone], Some(Found::Erased)),
            (&key, &[&mark, &tombstone], Some(Found::Erased)),
            (&key, &[&mark, &rewrapped], Some(Found::Erased)),
            (&key, &[&rewrapped], None),
            (&tombstone, &[], Some(Found::Missing)),
            (&tombstone, &[&mark], Some(Found::Missing)),
            (&tombstone, &[&tombstone], Some(Found::Held)),
            (&tombstone, &[&key], None),
            (&mark, &[], Some(Found::Missing)),
            (&mark, &[&mark], Some(Found::Held)),
            (&mark, &[&later_mark], Some(Found::Erased)),
        ] {
            assert_eq!(judged(backup, there), expected, "{backup:?} where there is {there:?}");
        }
    }

    #[test]
    fn what_is_no_users_key_must_be_the_same() {
        let check = record("$KV.keys.kek.1", &[1, 3, 0]);
        assert_eq!(judged(&check, &[&record("$KV.keys.kek.1", &[1, 3, 1])]), None);
        assert_eq!(judged(&check, &[&record("$KV.keys.kek.1", &[1, 2])]), None);
        let revoked = record("$KV.keys.revoked.gaytemzugu3doobzmfrggzdfmy.abc", &[1, 4]);
        let mark = record(&format!("{USER}.erased"), b"");
        assert_eq!(judged(&revoked, &[&mark]), Some(Found::Missing));
        assert_eq!(judged(&revoked, &[&revoked]), Some(Found::Held));
    }
}
