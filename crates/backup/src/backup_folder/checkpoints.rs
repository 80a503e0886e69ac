//! The signed notes: one line each, in the order in which they were signed.

use std::path::Path;

use jetstream::{StoredMessage, Stream};
use runtime::run_blocking;
use serde::{Deserialize, Serialize};
use tlog::{CheckpointError, LogVerifier};

use super::error::CreateBackupError;
use crate::hashed_file::{FileDigest, HashedFileWriter};
use crate::json_line::to_json_line;
use crate::stream_pages::StreamPages;

/// Where every checkpoint stands.
pub(crate) const CHECKPOINTS_SUBJECT: &str = "checkpoints.v1";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckpointLine {
    checkpoint: String,
}

/// A note's line.
pub(crate) fn render_checkpoint(note: &str) -> Vec<u8> {
    to_json_line(&CheckpointLine { checkpoint: note.to_owned() })
}

/// The note of a line; `None` for one that is not in form.
pub(crate) fn parse_checkpoint(line: &[u8]) -> Option<String> {
    let note = serde_json::from_slice::<CheckpointLine>(line).ok()?.checkpoint;
    (render_checkpoint(&note) == line).then_some(note)
}

/// Copies the notes up to and including the first that is `until`.
pub(super) async fn copy_checkpoints(
    stream: &Stream,
    verifier: &LogVerifier,
    until: &str,
    path: &Path,
    mut on_progress: impl FnMut(u64, u64),
) -> Result<FileDigest, CreateBackupError> {
    let of = stream
        .info()
        .await
        .map_err(CreateBackupError::ReadCheckpoints)?
        .map_or(0, |info| info.state.messages);
    let mut file = HashedFileWriter::create(path)?;
    let mut pages = StreamPages::new(stream, CHECKPOINTS_SUBJECT);
    let mut copied = 0;
    loop {
        let page = pages.next_page().await.map_err(CreateBackupError::ReadCheckpoints)?;
        if page.is_empty() {
            return Err(CreateBackupError::CheckpointMissing);
        }
        let mut lines = Vec::with_capacity(page.len());
        let mut is_end = false;
        for stored in &page {
            let note = verify_note(stored, verifier)?;
            lines.push(render_checkpoint(note));
            is_end = note == until;
            if is_end {
                break;
            }
        }
        copied += lines.len() as u64;
        file = run_blocking(move || {
            lines.iter().try_for_each(|line| file.line(line))?;
            Ok::<_, CreateBackupError>(file)
        })
        .await?;
        on_progress(copied, of);
        if is_end {
            return Ok(run_blocking(move || file.finish()).await?);
        }
    }
}

fn verify_note<'s>(stored: &'s StoredMessage, verifier: &LogVerifier) -> Result<&'s str, CreateBackupError> {
    let refused = |source| CreateBackupError::InvalidCheckpoint { number: stored.sequence, source };
    let note = std::str::from_utf8(&stored.payload).map_err(|_| refused(CheckpointError::Malformed))?;
    verifier.open_checkpoint(note).map_err(refused)?;
    Ok(note)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_line() {
        let line = br#"{"checkpoint":"a\n3\n"}"#;
        assert_eq!(render_checkpoint("a\n3\n"), line);
        assert_eq!(parse_checkpoint(line).as_deref(), Some("a\n3\n"));
        assert_eq!(parse_checkpoint(br#"{"checkpoint":"\u0061\n3\n"}"#), None);
        assert_eq!(parse_checkpoint(br#"{"checkpoint":"a","x":1}"#), None);
    }
}
