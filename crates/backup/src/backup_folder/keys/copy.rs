//! Copying the keys' stream while it is written.
//!
//! First what it held at the beginning, into a draft; then what has come or changed since, into memory; then both into
//! the file, the draft without what has changed. It is whole where the stream holds as many records as the file: a
//! replica that is behind could have left some out, and a key that is lost takes every event under it along.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader};
use std::path::Path;

use jetstream::{ReadError, StoredMessage, Stream, StreamState};
use runtime::run_blocking;

use super::{ALL_KEYS_FILTER, KeyRecord};
use crate::backup_folder::error::CreateBackupError;
use crate::hashed_file::{FileDigest, FileError, HashedFileWriter};
use crate::limits::LATE_KEYS_MAX;
use crate::line_reader::{LineError, LineReader};
use crate::retry::BoundedRetry;
use crate::stream_pages::StreamPages;

/// What came later, by subject: the sequence and the record.
type LateRecords = BTreeMap<String, (u64, Vec<u8>)>;

/// Copies every record into a new file.
pub(in crate::backup_folder) async fn copy_keys(
    stream: &Stream,
    path: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<FileDigest, CreateBackupError> {
    let begin = stream_state(stream).await?;
    let draft = path.with_extension("early");
    let mut early = HashedFileWriter::create(&draft)?;
    let mut late = LateRecords::new();
    let mut pages = StreamPages::new(stream, ALL_KEYS_FILTER);
    let mut copied = 0;
    while pages.position() < begin.last_seq {
        let page = pages.next_page().await.map_err(CreateBackupError::ReadKeys)?;
        if page.is_empty() {
            break;
        }
        copied += page.len() as u64;
        let (page, later): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|stored| stored.sequence <= begin.last_seq);
        add_late(&mut late, later)?;
        early = run_blocking(move || write_page(early, &page)).await?;
        on_progress(copied, begin.messages.max(copied));
    }
    run_blocking(move || early.finish()).await?;

    let mut tries = BoundedRetry::new();
    loop {
        let page = pages.next_page().await.map_err(CreateBackupError::ReadKeys)?;
        if !page.is_empty() {
            add_late(&mut late, page)?;
            continue;
        }
        let held = stream_state(stream).await?.messages;
        let (from, to) = (draft.clone(), path.to_owned());
        let merged;
        (merged, late) = run_blocking(move || (merge(&from, &late, &to), late)).await;
        let merged = merged?;
        if merged.lines == held {
            run_blocking(move || fs::remove_file(&draft).map_err(FileError::with_path(&draft))).await?;
            return Ok(merged);
        }
        if !tries.wait_for_next().await {
            return Err(CreateBackupError::KeysUnstable);
        }
    }
}

async fn stream_state(stream: &Stream) -> Result<StreamState, CreateBackupError> {
    let mut tries = BoundedRetry::new();
    loop {
        match stream.info().await {
            Ok(Some(info)) => return Ok(info.state),
            Ok(None) => return Err(CreateBackupError::KeysStreamMissing),
            Err(ReadError::Unavailable) if tries.wait_for_next().await => {}
            Err(error) => return Err(CreateBackupError::ReadKeys(error)),
        }
    }
}

fn add_late(late: &mut LateRecords, page: Vec<StoredMessage>) -> Result<(), CreateBackupError> {
    for stored in page {
        let KeyRecord { subject, record } = to_key_record(&stored)?;
        late.insert(subject, (stored.sequence, record));
    }
    if late.len() > LATE_KEYS_MAX { Err(CreateBackupError::KeysUnstable) } else { Ok(()) }
}

fn write_page(
    mut file: HashedFileWriter,
    page: &[StoredMessage],
) -> Result<HashedFileWriter, CreateBackupError> {
    for stored in page {
        file.line(&to_key_record(stored)?.render())?;
    }
    Ok(file)
}

/// What can't be put back must not look as if it were saved.
fn to_key_record(stored: &StoredMessage) -> Result<KeyRecord, CreateBackupError> {
    let record = KeyRecord { subject: stored.subject.clone(), record: stored.payload.to_vec() };
    let sequence = stored.sequence;
    if record.has_valid_subject() { Ok(record) } else { Err(CreateBackupError::UnrestorableKey { sequence }) }
}

/// The draft without what came again later, and then that.
fn merge(draft: &Path, late: &LateRecords, path: &Path) -> Result<FileDigest, CreateBackupError> {
    let mut file = HashedFileWriter::create(path)?;
    let mut lines = LineReader::new(BufReader::new(File::open(draft).map_err(FileError::with_path(draft))?));
    while advance(&mut lines, draft)? {
        let record = KeyRecord::parse(lines.line()).ok_or_else(|| changed_draft_error(draft))?;
        if !late.contains_key(&record.subject) {
            file.line(lines.line())?;
        }
    }
    let mut late: Vec<_> = late.iter().collect();
    late.sort_unstable_by_key(|(_, (sequence, _))| *sequence);
    for (subject, (_, record)) in late {
        file.line(&KeyRecord { subject: subject.clone(), record: record.clone() }.render())?;
    }
    Ok(file.finish()?)
}

fn advance(lines: &mut LineReader<BufReader<File>>, draft: &Path) -> Result<bool, FileError> {
    lines.advance().map_err(|error| match error {
        LineError::File(error) => FileError::with_path(draft)(error),
        LineError::Truncated | LineError::LineTooLong { .. } => changed_draft_error(draft),
    })
}

/// It was written a moment ago, and is not what was written.
fn changed_draft_error(draft: &Path) -> FileError {
    FileError::with_path(draft)(io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_again_stands_where_it_came_last() {
        let folder = tempfile::tempdir().unwrap();
        let (draft, path) = (folder.path().join("keys.early"), folder.path().join("keys.ndjson"));
        let record = |name: &str, byte| KeyRecord {
            subject: format!("$KV.keys.user.{name}"),
            record: vec![1, 1, byte],
        };
        let mut early = HashedFileWriter::create(&draft).unwrap();
        for name in ["a", "b", "c"] {
            early.line(&record(name, 0).render()).unwrap();
        }
        early.finish().unwrap();
        let late = [("d", 9), ("b", 11), ("a", 10)].map(|(name, sequence)| {
            let later = record(name, 1);
            (later.subject, (sequence, later.record))
        });
        let sum = merge(&draft, &LateRecords::from(late), &path).unwrap();
        let expected = [record("c", 0), record("d", 1), record("a", 1), record("b", 1)]
            .map(|record| String::from_utf8(record.render()).unwrap() + "\n")
            .concat();
        assert_eq!(sum.lines, 4);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}
