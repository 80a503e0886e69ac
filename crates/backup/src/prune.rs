//! Deleting backups that are too old: what was erased after a backup was made can be read from it, with the secrets.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::backup_folder::{BackupManifest, FILES, KEYS_FILE, MANIFEST_FILE};
use crate::hashed_file::FileError;

/// Bytes overwritten at a time.
const OVERWRITE_BYTES: usize = 64 * 1024;

/// What was done with the backups of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PruneReport {
    /// Those that were too old.
    pub deleted: Vec<PathBuf>,
    /// Those that were not.
    pub kept: Vec<PathBuf>,
}

/// Deletes the backups in this folder, each a folder of its own, that were begun before this time. Their wrapped keys are
/// overwritten first, as far as the file system lets a file be overwritten. What is no backup is left alone, as is whatever
/// else lies in a backup's folder; `is_dry` says only what would be done.
pub fn prune(folder: &Path, before: Timestamp, is_dry: bool) -> Result<PruneReport, FileError> {
    let mut pruned = PruneReport::default();
    for entry in fs::read_dir(folder).map_err(FileError::with_path(folder))? {
        let path = entry.map_err(FileError::with_path(folder))?.path();
        let Ok(manifest) = fs::read(path.join(MANIFEST_FILE)) else { continue };
        // One that can't be read may be of a later version: somebody has to look.
        let Ok(backup) = BackupManifest::parse(manifest.trim_ascii_end()) else { continue };
        if backup.created_at >= before {
            pruned.kept.push(path);
            continue;
        }
        if !is_dry {
            overwrite_with_zeros(&path.join(KEYS_FILE))?;
            // The manifest last: whoever is killed in between finds the rest again.
            for file in FILES.into_iter().chain([MANIFEST_FILE]) {
                remove_if_exists(&path.join(file))?;
            }
            // Where something else is in it, the folder stays.
            let _ = fs::remove_dir(&path);
        }
        pruned.deleted.push(path);
    }
    pruned.deleted.sort();
    pruned.kept.sort();
    Ok(pruned)
}

fn overwrite_with_zeros(path: &Path) -> Result<(), FileError> {
    let overwriting = || {
        let mut file = fs::OpenOptions::new().write(true).open(path)?;
        let mut left = file.metadata()?.len();
        while left > 0 {
            let bytes = left.min(OVERWRITE_BYTES as u64);
            file.write_all(&[0; OVERWRITE_BYTES][..bytes as usize])?;
            left -= bytes;
        }
        file.sync_all()
    };
    match overwriting() {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::with_path(path)(error)),
        _ => Ok(()),
    }
}

fn remove_if_exists(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FileError::with_path(path)(error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = concat!(
        r#"{"syncwell_backup":1,"created_at":"2026-02-17T00:00:00Z","log":"2026-01-01T00:00:00Z","#,
        r#""files":[{"name":"events.ndjson","lines":3,"sha256":"aa"},{"name":"keys.ndjson","lines":2,"sha256":"bb"},"#,
        r#"{"name":"checkpoints.ndjson","lines":1,"sha256":"cc"}]}"#
    );

    #[test]
    fn old_backups_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let made = |name: &str, manifest: &str| {
            let path = folder.path().join(name);
            fs::create_dir(&path).unwrap();
            for file in FILES {
                fs::write(path.join(file), "line\n").unwrap();
            }
            fs::write(path.join(MANIFEST_FILE), format!("{manifest}\n")).unwrap();
            path
        };
        let old = made("old", MANIFEST);
        let created: Timestamp = BackupManifest::parse(MANIFEST.as_bytes()).unwrap().created_at;
        let unknown = made("unknown", "{}");
        fs::write(old.join("note.txt"), "mine").unwrap();
        fs::create_dir(folder.path().join("other")).unwrap();
        assert_eq!(prune(folder.path(), created, false).unwrap().kept, std::slice::from_ref(&old));
        let later = created.checked_add(jiff::SignedDuration::from_secs(1)).unwrap();
        assert_eq!(prune(folder.path(), later, true).unwrap().deleted, std::slice::from_ref(&old));
        assert!(old.join(KEYS_FILE).exists(), "a dry run deletes nothing");
        assert_eq!(prune(folder.path(), later, false).unwrap().deleted, std::slice::from_ref(&old));
        let left: Vec<_> = fs::read_dir(&old).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["note.txt"]);
        assert!(unknown.join(KEYS_FILE).exists(), "what can't be read is left");
        assert_eq!(prune(folder.path(), later, false).unwrap(), PruneReport::default());
    }
}
