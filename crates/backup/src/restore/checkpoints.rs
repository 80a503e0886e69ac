//! Putting the checkpoints back, in order. They are appended one at a time, each right behind the last one known.

use std::collections::VecDeque;
use std::path::Path;

use bytes::Bytes;
use jetstream::{AppendError, Appender, NewMessage, ExpectedSequence, StoredMessage, Stream};

use super::RestoreError;
use crate::chunks::{ChunkBounds, Chunks};
use crate::folder::{CHECKPOINTS_SUBJECT, FileLines, Note, ReadBackupError};
use crate::limits::{LINE_BYTES_MAX, PAGE_MAX};
use crate::pages::Pages;
use crate::tries::Tries;

/// What came of the notes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Filled {
    pub(super) appended: u64,
    pub(super) held: u64,
}

/// Holds the notes that are there against the backup's, as far as both go. Appends nothing.
pub(super) async fn compare(stream: &Stream, folder: &Path) -> Result<(), RestoreError> {
    let mut there = There::of(stream);
    let mut chunks = chunks(folder);
    let mut number = 0;
    while let Some(chunk) = chunks.next().await? {
        for note in chunk {
            number += 1;
            if !there.holds(&note, number).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Appends the notes that are missing.
pub(super) async fn fill(
    stream: &Stream,
    appender: &Appender,
    folder: &Path,
    mut on_progress: impl FnMut(u64),
) -> Result<Filled, RestoreError> {
    let mut there = There::of(stream);
    let mut chunks = chunks(folder);
    let mut filled = Filled::default();
    while let Some(chunk) = chunks.next().await? {
        for note in chunk {
            let number = filled.held + filled.appended + 1;
            if there.holds(&note, number).await? {
                filled.held += 1;
            } else {
                append(&mut there, appender, &note, number).await?;
                filled.appended += 1;
            }
        }
        on_progress(filled.held + filled.appended);
    }
    Ok(filled)
}

async fn append(
    there: &mut There<'_>,
    appender: &Appender,
    note: &Note,
    number: u64,
) -> Result<(), RestoreError> {
    let mut tries = Tries::new();
    loop {
        let error = match appender.append(draft(note, there.last)).await {
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
        if !tries.again().await {
            return Err(RestoreError::AppendCheckpoints(error));
        }
        there.look_again();
        if there.holds(note, number).await? {
            return Ok(());
        }
    }
}

fn draft(note: &Note, last: u64) -> NewMessage {
    NewMessage {
        subject: CHECKPOINTS_SUBJECT.to_owned(),
        id: None,
        headers: Vec::new(),
        expected: Some(ExpectedSequence { subject_filter: CHECKPOINTS_SUBJECT.to_owned(), sequence: last }),
        payload: Bytes::copy_from_slice(note.0.as_bytes()),
    }
}

fn chunks(folder: &Path) -> Chunks<Note, ReadBackupError> {
    let folder = folder.to_owned();
    let bounds =
        ChunkBounds { items_max: PAGE_MAX, bytes_max: LINE_BYTES_MAX, bytes_of: |note: &Note| note.0.len() };
    Chunks::read(move || FileLines::<Note>::open(&folder), bounds)
}

/// The notes that are there, read on as they are asked for.
struct There<'s> {
    pages: Pages<'s>,
    read: VecDeque<StoredMessage>,
    /// The sequence of the last note that was compared or appended.
    last: u64,
    is_end: bool,
}

impl<'s> There<'s> {
    fn of(stream: &'s Stream) -> Self {
        Self { pages: Pages::of(stream, CHECKPOINTS_SUBJECT), read: VecDeque::new(), last: 0, is_end: false }
    }

    /// Whether the next note is there and is this one; false where there is none.
    async fn holds(&mut self, note: &Note, number: u64) -> Result<bool, RestoreError> {
        if self.read.is_empty() && !self.is_end {
            self.read = self.pages.next().await.map_err(RestoreError::ReadCheckpoints)?.into();
            self.is_end = self.read.is_empty();
        }
        let Some(stored) = self.read.pop_front() else { return Ok(false) };
        self.last = stored.sequence;
        let is_same = stored.payload == note.0.as_bytes();
        if is_same { Ok(true) } else { Err(RestoreError::OtherCheckpoint { number }) }
    }

    /// A note was appended here.
    fn skip_to(&mut self, sequence: u64) {
        self.last = sequence;
        self.pages.skip_to(sequence);
    }

    /// There may be more by now.
    fn look_again(&mut self) {
        self.is_end = false;
    }
}
