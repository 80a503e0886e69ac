//! Reading a backup, and saying what is wrong with it.

use std::path::Path;

use tlog::LogVerifier;

use super::error::ReadBackupError;
use super::keys::KeyRecord;
use super::layout::{CHECKPOINTS_FILE, EVENTS_FILE, KEYS_FILE, MANIFEST_FILE};
use super::lines::{BackupLines, SignedNote, advance_line, file_error, open_lines};
use super::manifest::{BackupFile, BackupManifest, ParseManifestError};
use crate::hashed_file::FileDigest;
use crate::log_export::{ReadLogExportError, verify_with_digest};

/// Verifies a whole backup by the public key of the log's notary, and says what it is. Files that are not part of it
/// are left alone. Memory does not grow with it.
///
/// `on_progress` is told how many events hold, of how many. Blocks for as long as reading takes.
pub fn verify_backup(
    folder: &Path,
    verifier: &LogVerifier,
    on_progress: impl FnMut(u64, u64),
) -> Result<BackupManifest, ReadBackupError> {
    let backup = read_manifest(folder)?;
    let [events, keys, checkpoints] = &backup.files;

    let path = folder.join(EVENTS_FILE);
    let (exported, sum) = verify_with_digest(&path, verifier, on_progress).map_err(export_error)?;
    check_digest(EVENTS_FILE, events, &sum)?;
    if exported.log != backup.log {
        return Err(ReadBackupError::BackupMismatch { file: EVENTS_FILE });
    }

    check_digest(KEYS_FILE, keys, &BackupLines::<KeyRecord>::open(folder)?.read_all(|_, _| Ok(()))?)?;

    let mut last = None;
    let sum = BackupLines::<SignedNote>::open(folder)?.read_all(|line, SignedNote(note)| {
        verifier
            .open_checkpoint(&note)
            .map_err(|source| ReadBackupError::InvalidCheckpoint { line, source })?;
        last = Some(note);
        Ok(())
    })?;
    check_digest(CHECKPOINTS_FILE, checkpoints, &sum)?;
    if last != Some(exported.checkpoint) {
        return Err(ReadBackupError::BackupMismatch { file: CHECKPOINTS_FILE });
    }
    Ok(backup)
}

fn export_error(error: ReadLogExportError) -> ReadBackupError {
    if let ReadLogExportError::File(source) = error {
        file_error(EVENTS_FILE, source)
    } else {
        ReadBackupError::InvalidExport(error)
    }
}

fn read_manifest(folder: &Path) -> Result<BackupManifest, ReadBackupError> {
    let mut lines = open_lines(folder, MANIFEST_FILE)?;
    let not_in_form = ReadBackupError::MalformedLine { file: MANIFEST_FILE, line: 1 };
    if !advance_line(&mut lines, MANIFEST_FILE)? {
        return Err(ReadBackupError::Truncated { file: MANIFEST_FILE });
    }
    let backup = BackupManifest::parse(lines.line()).map_err(|error| match error {
        ParseManifestError::Malformed => not_in_form,
        ParseManifestError::UnsupportedVersion(found) => ReadBackupError::UnsupportedVersion { found },
    })?;
    match advance_line(&mut lines, MANIFEST_FILE)? {
        false => Ok(backup),
        true => Err(ReadBackupError::MalformedLine { file: MANIFEST_FILE, line: 2 }),
    }
}

/// Holds a file against what the manifest says of it.
fn check_digest(file: &'static str, written: &BackupFile, found: &FileDigest) -> Result<(), ReadBackupError> {
    if found.lines < written.lines {
        return Err(ReadBackupError::Truncated { file });
    }
    let is_same = (found.lines, &found.sha256) == (written.lines, &written.sha256);
    if is_same { Ok(()) } else { Err(ReadBackupError::DigestMismatch { file }) }
}
