//! Putting the checkpoints back, in order. They are appended one at a time, each right behind the last one known.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use jetstream::{AppendError, Appender, ExpectedSequence, NewMessage, StoredMessage, Stream};

use super::error::RestoreError;
use crate::backup_folder::{BackupLines, CHECKPOINTS_SUBJECT, ReadBackupError, SignedNote};
use crate::chunk_reader::{ChunkBounds, ChunkReader};
use crate::limits::{LINE_BYTES_MAX, PAGE_MAX};
use crate::retry::BoundedRetry;
use crate::stream_pages::StreamPages;

/// What came of the notes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct CheckpointCounts {
    pub(super) appended: u64,
    pub(super) already_present: u64,
}

/// Holds the notes that are there against the backup's, as far as both go. Appends nothing.
pub(super) async fn compare_checkpoints(stream: &Stream, folder: &Path) -> Result<(), RestoreError> {
    let mut there = ExistingCheckpoints::new(stream);
    let mut chunks = checkpoint_chunks(folder);
    let mut number = 0;
    while let Some(chunk) = chunks.next_chunk().await? {
        for note in chunk {
            number += 1;
            if !there.matches_next(&note, number).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Appends the notes that are missing.
pub(super) async fn append_missing(
    stream: &Stream,
    appender: &Appender,
    folder: &Path,
    mut on_progress: impl FnMut(u64),
) -> Result<CheckpointCounts, RestoreError> {
    let mut there = ExistingCheckpoints::new(stream);
    let mut chunks = checkpoint_chunks(folder);
    let mut filled = CheckpointCounts::default();
    while let Some(chunk) = chunks.next_chunk().await? {
        for note in chunk {
            let number = filled.already_present + filled.appended + 1;
            if there.matches_next(&note, number).await? {
                filled.already_present += 1;
            } else {
                append(&mut there, appender, &note, number).await?;
                filled.appended += 1;
            }
        }
        on_progress(filled.already_present + filled.appended);
    }
    Ok(filled)
}

async fn append(
    there: &mut ExistingCheckpoints<'_>,
    appender: &Appender,
    note: &SignedNote,
    number: u64,
) -> Result<(), RestoreError> {
    let mut tries = BoundedRetry::new();
    loop {
        let error = match appender.append(checkpoint_message(note, there.last)).await {
            Ok(appended) => {
                there.skip_to(appended.sequence);
                return Ok(());
            }
            Err(AppendError::Refused { code, description }) => {
                let refused = AppendError::Refused { code, description };
                return Err(RestoreError::AppendCheckpoints(refused));
            }
            Err(error @ (AppendError::Unavailable | AppendError::Unknown | AppendError::Conflict)) => error,
        };
        // It may have been stored: what is there now will tell.
        if !tries.wait_for_next().await {
            return Err(RestoreError::AppendCheckpoints(error));
        }
        there.clear_end();
        if there.matches_next(note, number).await? {
            return Ok(());
        }
    }
}

fn checkpoint_message(note: &SignedNote, last: u64) -> NewMessage {
    NewMessage {
        subject: CHECKPOINTS_SUBJECT.to_owned(),
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: CHECKPOINTS_SUBJECT.to_owned(), sequence: last }),
        payload: Bytes::copy_from_slice(note.0.as_bytes()),
    }
}

fn checkpoint_chunks(folder: &Path) -> ChunkReader<SignedNote, ReadBackupError> {
    let folder = folder.to_owned();
    let bounds = ChunkBounds {
        items_max: PAGE_MAX,
        bytes_max: LINE_BYTES_MAX,
        item_bytes: |note: &SignedNote| note.0.len(),
    };
    ChunkReader::start(move || BackupLines::<SignedNote>::open(&folder), bounds)
}

/// The notes that are there, read on as they are asked for.
struct ExistingCheckpoints<'s> {
    pages: StreamPages<'s>,
    buffered: VecDeque<StoredMessage>,
    /// The sequence of the last note that was compared or appended.
    last: u64,
    is_end: bool,
}

impl<'s> ExistingCheckpoints<'s> {
    fn new(stream: &'s Stream) -> Self {
        Self {
            pages: StreamPages::new(stream, CHECKPOINTS_SUBJECT),
            buffered: VecDeque::new(),
            last: 0,
            is_end: false,
        }
    }

    /// Whether the next note is there and is this one; false where there is none.
    async fn matches_next(&mut self, note: &SignedNote, number: u64) -> Result<bool, RestoreError> {
        if self.buffered.is_empty() && !self.is_end {
            self.buffered = self.pages.next_page().await.map_err(RestoreError::ReadCheckpoints)?.into();
            self.is_end = self.buffered.is_empty();
        }
        let Some(stored) = self.buffered.pop_front() else { return Ok(false) };
        self.last = stored.sequence;
        let is_same = stored.payload == note.0.as_bytes();
        if is_same { Ok(true) } else { Err(RestoreError::CheckpointConflict { number }) }
    }

    /// A note was appended here.
    fn skip_to(&mut self, sequence: u64) {
        self.last = sequence;
        self.pages.skip_to(sequence);
    }

    /// There may be more by now.
    fn clear_end(&mut self) {
        self.is_end = false;
    }
}
