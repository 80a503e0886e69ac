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

use super::{ALL_KEYS, KeyRecord};
use crate::folder::saving::BackupError;
use crate::limits::LATE_KEYS_MAX;
use crate::lines::{LineError, LineReader};
use crate::offload::offload;
use crate::pages::Pages;
use crate::tries::Tries;
use crate::written::{FileError, FileSum, WrittenFile};

/// What came later, by subject: the sequence and the record.
type Late = BTreeMap<String, (u64, Vec<u8>)>;

/// Copies every record into a new file.
pub(in crate::folder) async fn copy(
    stream: &Stream,
    path: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<FileSum, BackupError> {
    let begin = state(stream).await?;
    let draft = path.with_extension("early");
    let mut early = WrittenFile::create(&draft)?;
    let mut late = Late::new();
    let mut pages = Pages::of(stream, ALL_KEYS);
    let mut copied = 0;
    while pages.position() < begin.last_seq {
        let page = pages.next().await.map_err(BackupError::Keys)?;
        if page.is_empty() {
            break;
        }
        copied += page.len() as u64;
        let (page, later): (Vec<_>, Vec<_>) =
            page.into_iter().partition(|stored| stored.sequence <= begin.last_seq);
        add(&mut late, later)?;
        early = offload(move || write(early, &page)).await?;
        on_progress(copied, begin.messages.max(copied));
    }
    offload(move || early.finish()).await?;

    let mut tries = Tries::new();
    loop {
        let page = pages.next().await.map_err(BackupError::Keys)?;
        if !page.is_empty() {
            add(&mut late, page)?;
            continue;
        }
        let held = state(stream).await?.messages;
        let (from, to) = (draft.clone(), path.to_owned());
        let merged;
        (merged, late) = offload(move || (merge(&from, &late, &to), late)).await;
        let merged = merged?;
        if merged.lines == held {
            offload(move || fs::remove_file(&draft).map_err(FileError::at(&draft))).await?;
            return Ok(merged);
        }
        if !tries.again().await {
            return Err(BackupError::KeysUnsettled);
        }
    }
}

async fn state(stream: &Stream) -> Result<StreamState, BackupError> {
    let mut tries = Tries::new();
    loop {
        match stream.info().await {
            Ok(Some(info)) => return Ok(info.state),
            Ok(None) => return Err(BackupError::KeysMissing),
            Err(ReadError::Unavailable) if tries.again().await => {}
            Err(error) => return Err(BackupError::Keys(error)),
        }
    }
}

fn add(late: &mut Late, page: Vec<StoredMessage>) -> Result<(), BackupError> {
    for stored in page {
        let KeyRecord { subject, record } = read(&stored)?;
        late.insert(subject, (stored.sequence, record));
    }
    if late.len() > LATE_KEYS_MAX { Err(BackupError::KeysUnsettled) } else { Ok(()) }
}

fn write(mut file: WrittenFile, page: &[StoredMessage]) -> Result<WrittenFile, BackupError> {
    for stored in page {
        file.line(&read(stored)?.render())?;
    }
    Ok(file)
}

/// What can't be put back must not look as if it were saved.
fn read(stored: &StoredMessage) -> Result<KeyRecord, BackupError> {
    let record = KeyRecord { subject: stored.subject.clone(), record: stored.payload.to_vec() };
    let sequence = stored.sequence;
    if record.is_storable() { Ok(record) } else { Err(BackupError::KeyUnreadable { sequence }) }
}

/// The draft without what came again later, and then that.
fn merge(draft: &Path, late: &Late, path: &Path) -> Result<FileSum, BackupError> {
    let mut file = WrittenFile::create(path)?;
    let mut lines = LineReader::new(BufReader::new(File::open(draft).map_err(FileError::at(draft))?));
    while advance(&mut lines, draft)? {
        let record = KeyRecord::parse(lines.line()).ok_or_else(|| changed(draft))?;
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
        LineError::File(error) => FileError::at(draft)(error),
        LineError::CutShort | LineError::TooLong { .. } => changed(draft),
    })
}

/// It was written a moment ago, and is not what was written.
fn changed(draft: &Path) -> FileError {
    FileError::at(draft)(io::ErrorKind::InvalidData.into())
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
        let mut early = WrittenFile::create(&draft).unwrap();
        for name in ["a", "b", "c"] {
            early.line(&record(name, 0).render()).unwrap();
        }
        early.finish().unwrap();
        let late = [("d", 9), ("b", 11), ("a", 10)].map(|(name, sequence)| {
            let later = record(name, 1);
            (later.subject, (sequence, later.record))
        });
        let sum = merge(&draft, &Late::from(late), &path).unwrap();
        let expected = [record("c", 0), record("d", 1), record("a", 1), record("b", 1)]
            .map(|record| String::from_utf8(record.render()).unwrap() + "\n")
            .concat();
        assert_eq!(sum.lines, 4);
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }
}
