//! Reading a backup, and saying what is wrong with it.

use std::io;
use std::path::Path;

use tlog::{CheckpointError, LogVerifier};

use super::file_lines::{FileLines, Note, advance, open, unreadable};
use super::manifest::{Backup, BackupFile, BadManifest};
use super::{CHECKPOINTS_FILE, EVENTS_FILE, KEYS_FILE, KeyRecord, MANIFEST_FILE};
use crate::export::{ReadExportError, verify_summed};
use crate::written::FileSum;

/// What is wrong with a backup.
#[derive(Debug, thiserror::Error)]
pub enum ReadBackupError {
    /// A file is not there.
    #[error("{file} is missing")]
    Missing {
        /// Which one.
        file: &'static str,
    },
    /// A file can't be read.
    #[error("{file} can't be read")]
    File {
        /// Which one.
        file: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A file's end is missing.
    #[error("{file} was cut short")]
    CutShort {
        /// Which one.
        file: &'static str,
    },
    /// A line is not one that is written.
    #[error("line {line} of {file} is not in form")]
    NotInForm {
        /// Which file.
        file: &'static str,
        /// Which line, from 1.
        line: u64,
    },
    /// A file is not what was written.
    #[error("{file} was changed: its SHA-256 or its number of lines is not the one in {MANIFEST_FILE}")]
    Changed {
        /// Which one.
        file: &'static str,
    },
    /// Another version wrote it.
    #[error("the backup is of format {found}, which is not known here")]
    Version {
        /// The format that it says it is of.
        found: u64,
    },
    /// The export of the events does not hold.
    #[error("{EVENTS_FILE} does not hold")]
    Events(#[source] ReadExportError),
    /// A checkpoint is forged, or another log's.
    #[error("the checkpoint in line {line} of {CHECKPOINTS_FILE} does not hold")]
    Checkpoint {
        /// Which line, from 1.
        line: u64,
        /// Why.
        source: CheckpointError,
    },
    /// The files are not of one backup.
    #[error("{file} is of another backup than the rest")]
    OtherBackup {
        /// The file that does not belong.
        file: &'static str,
    },
}

/// Verifies a whole backup by the public key of the log's notary, and says what it is. Files that are not part of it
/// are left alone. Memory does not grow with it.
///
/// `on_progress` is told how many events hold, of how many. Blocks for as long as reading takes.
pub fn read_backup(
    folder: &Path,
    verifier: &LogVerifier,
    on_progress: impl FnMut(u64, u64),
) -> Result<Backup, ReadBackupError> {
    let backup = read_manifest(folder)?;
    let [events, keys, checkpoints] = &backup.files;

    let path = folder.join(EVENTS_FILE);
    let (exported, sum) = verify_summed(&path, verifier, on_progress).map_err(unreadable_export)?;
    hold(EVENTS_FILE, events, &sum)?;
    if exported.log != backup.log {
        return Err(ReadBackupError::OtherBackup { file: EVENTS_FILE });
    }

    hold(KEYS_FILE, keys, &FileLines::<KeyRecord>::open(folder)?.read_all(|_, _| Ok(()))?)?;

    let mut last = None;
    let sum = FileLines::<Note>::open(folder)?.read_all(|line, Note(note)| {
        verifier.open(&note).map_err(|source| ReadBackupError::Checkpoint { line, source })?;
        last = Some(note);
        Ok(())
    })?;
    hold(CHECKPOINTS_FILE, checkpoints, &sum)?;
    if last != Some(exported.checkpoint) {
        return Err(ReadBackupError::OtherBackup { file: CHECKPOINTS_FILE });
    }
    Ok(backup)
}

fn unreadable_export(error: ReadExportError) -> ReadBackupError {
    if let ReadExportError::File(source) = error {
        unreadable(EVENTS_FILE, source)
    } else {
        ReadBackupError::Events(error)
    }
}

fn read_manifest(folder: &Path) -> Result<Backup, ReadBackupError> {
    let mut lines = open(folder, MANIFEST_FILE)?;
    let not_in_form = ReadBackupError::NotInForm { file: MANIFEST_FILE, line: 1 };
    if !advance(&mut lines, MANIFEST_FILE)? {
        return Err(ReadBackupError::CutShort { file: MANIFEST_FILE });
    }
    let backup = Backup::parse(lines.line()).map_err(|error| match error {
        BadManifest::NotInForm => not_in_form,
        BadManifest::Version(found) => ReadBackupError::Version { found },
    })?;
    match advance(&mut lines, MANIFEST_FILE)? {
        false => Ok(backup),
        true => Err(ReadBackupError::NotInForm { file: MANIFEST_FILE, line: 2 }),
    }
}

/// Holds a file against what the manifest says of it.
fn hold(file: &'static str, written: &BackupFile, found: &FileSum) -> Result<(), ReadBackupError> {
    if found.lines < written.lines {
        return Err(ReadBackupError::CutShort { file });
    }
    let is_same = (found.lines, &found.sha256) == (written.lines, &written.sha256);
    if is_same { Ok(()) } else { Err(ReadBackupError::Changed { file }) }
}
