//! The signed notes: one line each, in the order in which they were signed.

use std::path::Path;

use jetstream::{StoredMessage, Stream};
use serde::{Deserialize, Serialize};
use tlog::{CheckpointError, LogVerifier};

use super::saving::BackupError;
use crate::export::line::json;
use crate::offload::offload;
use crate::pages::Pages;
use crate::written::{FileSum, WrittenFile};

/// Where every checkpoint stands.
pub(crate) const CHECKPOINTS_SUBJECT: &str = "checkpoints.v1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    checkpoint: String,
}

/// A note's line.
pub(crate) fn render(note: &str) -> Vec<u8> {
    json(&Line { checkpoint: note.to_owned() })
}

/// The note of a line; `None` for one that is not in form.
pub(crate) fn parse(line: &[u8]) -> Option<String> {
    let note = serde_json::from_slice::<Line>(line).ok()?.checkpoint;
    (render(&note) == line).then_some(note)
}

/// Copies the notes up to and including the first that is `until`.
pub(super) async fn copy(
    stream: &Stream,
    verifier: &LogVerifier,
    until: &str,
    path: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<FileSum, BackupError> {
    let of = stream.info().await.map_err(BackupError::Checkpoints)?.map_or(0, |info| info.state.messages);
    let mut file = WrittenFile::create(path)?;
    let mut pages = Pages::of(stream, CHECKPOINTS_SUBJECT);
    let mut copied = 0;
    loop {
        let page = pages.next().await.map_err(BackupError::Checkpoints)?;
        if page.is_empty() {
            return Err(BackupError::CheckpointMissing);
        }
        let mut lines = Vec::with_capacity(page.len());
        let mut is_end = false;
        for stored in &page {
            let note = verified(stored, verifier)?;
            lines.push(render(note));
            is_end = note == until;
            if is_end {
                break;
            }
        }
        copied += lines.len() as u64;
        file = offload(move || {
            lines.iter().try_for_each(|line| file.line(line))?;
            Ok::<_, BackupError>(file)
        })
        .await?;
        on_progress(copied, of);
        if is_end {
            return Ok(offload(move || file.finish()).await?);
        }
    }
}

fn verified<'s>(stored: &'s StoredMessage, verifier: &LogVerifier) -> Result<&'s str, BackupError> {
    let refused = |source| BackupError::Checkpoint { number: stored.sequence, source };
    let note = std::str::from_utf8(&stored.payload).map_err(|_| refused(CheckpointError::Malformed))?;
    verifier.open(note).map_err(refused)?;
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_line() {
        let line = br#"{"checkpoint":"a\n3\n"}"#;
        assert_eq!(render("a\n3\n"), line);
        assert_eq!(parse(line).as_deref(), Some("a\n3\n"));
        assert_eq!(parse(br#"{"checkpoint":"\u0061\n3\n"}"#), None);
        assert_eq!(parse(br#"{"checkpoint":"a","x":1}"#), None);
    }
}
