//! Secrets that gain versions while a process runs.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use crate::secret_files::{SecretFileError, VersionedSecrets};

/// Where versioned secrets come from.
pub enum SecretSource {
    /// From the environment: they stay as they are for the life of the process.
    Fixed(VersionedSecrets),
    /// A file, which may gain versions.
    File(PathBuf),
}

impl SecretSource {
    /// What it holds now.
    pub fn read(&self) -> Result<VersionedSecrets, SecretFileError> {
        match self {
            Self::Fixed(secrets) => Ok(secrets.clone()),
            Self::File(path) => VersionedSecrets::read(path),
        }
    }

    /// Changes whenever the file does: it is always replaced, never written over.
    fn file_stamp(&self) -> FileStamp {
        match self {
            Self::Fixed(_) => None,
            Self::File(path) => {
                let metadata = std::fs::metadata(path).ok()?;
                #[cfg(unix)]
                let file = std::os::unix::fs::MetadataExt::ino(&metadata);
                #[cfg(not(unix))]
                let file = 0;
                Some((file, metadata.len(), metadata.modified().ok()?))
            }
        }
    }
}

type FileStamp = Option<(u64, u64, SystemTime)>;

/// What is made of secrets, kept up with their source. A source that can't be read any more changes nothing.
pub(crate) struct Reloading<T> {
    source: SecretSource,
    make: fn(&VersionedSecrets, Option<&T>) -> T,
    current: ArcSwap<(VersionedSecrets, T)>,
    /// Of the file as it was last read.
    stamp: Mutex<FileStamp>,
}

impl<T> Reloading<T> {
    /// Reads the source. `make` is given what was made before, where there is something.
    pub(crate) fn load(
        source: SecretSource,
        make: fn(&VersionedSecrets, Option<&T>) -> T,
    ) -> Result<Self, SecretFileError> {
        let stamp = source.file_stamp();
        let secrets = source.read()?;
        let made = make(&secrets, None);
        Ok(Self { source, make, current: ArcSwap::from_pointee((secrets, made)), stamp: Mutex::new(stamp) })
    }

    /// What is held now.
    pub(crate) fn get(&self) -> Guard<Arc<(VersionedSecrets, T)>> {
        self.current.load()
    }

    /// Reads the source again where it has changed; asking costs one look at the file's metadata. Says whether
    /// something is new.
    pub(crate) fn reload_if_changed(&self) -> bool {
        let mut seen = self.stamp.lock();
        let stamp = self.source.file_stamp();
        if stamp == *seen {
            return false;
        }
        *seen = stamp;
        let held = self.current.load();
        let secrets = match self.source.read() {
            Ok(secrets) if secrets.is_consistent_with(&held.0) => secrets,
            Ok(_) => {
                tracing::error!("a version of a secret has other bytes than before; those held stay in use");
                return false;
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "secrets can't be read again; those held stay in use"
                );
                return false;
            }
        };
        let made = (self.make)(&secrets, Some(&held.1));
        tracing::info!(secret_version = secrets.current().0, "secrets were read again");
        self.current.store(Arc::new((secrets, made)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret_files::{add_secret_version, create_secret_file};

    #[test]
    fn a_new_version_is_seen_at_once_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing");
        create_secret_file(&path).unwrap();
        let live =
            Reloading::load(SecretSource::File(path.clone()), |secrets, _| secrets.current().0).unwrap();
        assert!(!live.reload_if_changed() && live.get().1 == 1);
        add_secret_version(&path).unwrap();
        assert!(live.reload_if_changed() && live.get().1 == 2);
        let good = std::fs::read_to_string(&path).unwrap();
        // Not secrets; and another secret under a number that is taken, as a wrong backup would bring it.
        for wrong in [
            "broken".to_owned(),
            format!("1 {}\n", "ab".repeat(32)),
            good.replacen('1', "3", 1).replacen("\n2 ", "\n1 ", 1),
        ] {
            std::fs::write(&path, wrong).unwrap();
            assert!(!live.reload_if_changed() && live.get().1 == 2);
        }
        std::fs::write(&path, good).unwrap();
        add_secret_version(&path).unwrap();
        assert!(live.reload_if_changed() && live.get().1 == 3, "it goes on once the file is right again");
    }
}
