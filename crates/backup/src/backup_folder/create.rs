//! Making a backup.
//!
//! The order counts. A key is stored before the first event under it, so keys that are copied after the events are all
//! there; and what signs the events was signed before all of that.

use std::path::Path;
use std::{fs, io};

use events::{Log, LogConsumerName};
use jetstream::Stream;
use jiff::Timestamp;
use runtime::run_blocking;
use tlog::LogVerifier;

use super::error::CreateBackupError;
use super::layout::{CHECKPOINTS_FILE, EVENTS_FILE, FILES, KEYS_FILE, MANIFEST_FILE};
use super::manifest::{BackupFile, BackupManifest};
use super::{checkpoints, keys};
use crate::blocking_progress::run_blocking_with_progress;
use crate::hashed_file::{FileError, HashedFileWriter, sync_directory};
use crate::log_export::{export_events, verify_with_digest};
use crate::progress_stage::ProgressStage;
use crate::staged_path::StagedPath;

/// What is backed up.
#[derive(Clone, Copy)]
pub struct BackupSource<'s> {
    /// The log.
    pub log: &'s Log,
    /// As whom it is read.
    pub reader: LogConsumerName,
    /// The keys' stream.
    pub keys: &'s Stream,
    /// The stream of checkpoints.
    pub checkpoints: &'s Stream,
}

/// Backs up the events that a checkpoint signs, all wrapped keys, and the checkpoints up to that one, into the new
/// folder `folder`.
///
/// `created_at` is now. The folder is written as `<folder>.draft` and gets its name when it is whole and on stable
/// storage. It holds no key in clear. Memory does not grow with what is copied. `on_progress` is told how much of a
/// stage is done, of how much.
pub async fn create_backup(
    source: BackupSource<'_>,
    checkpoint: &str,
    verifier: &LogVerifier,
    folder: &Path,
    created_at: Timestamp,
    mut on_progress: impl FnMut(ProgressStage, u64, u64),
) -> Result<BackupManifest, CreateBackupError> {
    let draft = StagedPath::new(folder)?;
    prepare_staging_folder(draft.path())?;
    let at = |name| draft.path().join(name);

    let events = at(EVENTS_FILE);
    let told = |done, of| on_progress(ProgressStage::Events, done, of);
    let exported = export_events(source.log, source.reader, checkpoint, verifier, &events, told).await?;
    let keys =
        keys::copy_keys(source.keys, &at(KEYS_FILE), |done, of| on_progress(ProgressStage::Keys, done, of))
            .await?;
    let told = |done, of| on_progress(ProgressStage::Checkpoints, done, of);
    let checkpoints =
        checkpoints::copy_checkpoints(source.checkpoints, verifier, checkpoint, &at(CHECKPOINTS_FILE), told)
            .await?;

    // Reading back is what sums the export, and what shows that the disk holds it.
    let by = verifier.clone();
    let read_back = run_blocking_with_progress(
        move |on_progress| verify_with_digest(&events, &by, on_progress),
        |done, of| on_progress(ProgressStage::Verifying, done, of),
    );
    let (_, events) = read_back.await?;

    let backup = BackupManifest {
        created_at,
        log: exported.log,
        files: [
            BackupFile::new(EVENTS_FILE, events),
            BackupFile::new(KEYS_FILE, keys),
            BackupFile::new(CHECKPOINTS_FILE, checkpoints),
        ],
    };
    let manifest = backup.render();
    run_blocking(move || publish(&draft, &manifest)).await?;
    Ok(backup)
}

/// The draft's folder, without what an earlier backup left of our files.
fn prepare_staging_folder(draft: &Path) -> Result<(), FileError> {
    match fs::create_dir(draft) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(FileError::with_path(draft)(error));
        }
        Ok(()) | Err(_) => {}
    }
    for name in FILES.into_iter().chain([MANIFEST_FILE]) {
        let path = draft.join(name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(FileError::with_path(&path)(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

fn publish(draft: &StagedPath, manifest: &[u8]) -> Result<(), FileError> {
    let mut file = HashedFileWriter::create(&draft.path().join(MANIFEST_FILE))?;
    file.line(manifest)?;
    file.finish()?;
    sync_directory(draft.path())?;
    draft.publish()
}
