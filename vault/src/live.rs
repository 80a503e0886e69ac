//! Secrets that gain versions while a process runs.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::{ArcSwap, Guard};
use std::sync::Arc;

use crate::files::{SecretFileError, VersionedSecrets};

/// A file is looked at again at most this often, whoever asks.
const LOOK_PAUSE: Duration = Duration::from_millis(200);

/// Where versioned secrets come from.
pub enum SecretSource {
    /// From the environment: they stay as they are for the life of the process.
    Given(VersionedSecrets),
    /// A file, which may gain versions.
    File(PathBuf),
}

impl SecretSource {
    /// What it holds now.
    pub fn read(&self) -> Result<VersionedSecrets, SecretFileError> {
        match self {
            Self::Given(secrets) => Ok(secrets.clone()),
            Self::File(path) => VersionedSecrets::read(path),
        }
    }
}

/// What is made of secrets, kept up with their source. A source that can't be read any more changes nothing.
pub(crate) struct Live<T> {
    source: SecretSource,
    make: fn(&VersionedSecrets, Option<&T>) -> T,
    held: ArcSwap<(VersionedSecrets, T)>,
    looked_at: Mutex<Instant>,
}

impl<T> Live<T> {
    /// Reads the source. `make` is given what was made before, where there is something.
    pub(crate) fn of(
        source: SecretSource,
        make: fn(&VersionedSecrets, Option<&T>) -> T,
    ) -> Result<Self, SecretFileError> {
        let secrets = source.read()?;
        let made = make(&secrets, None);
        Ok(Self {
            source,
            make,
            held: ArcSwap::from_pointee((secrets, made)),
            looked_at: Mutex::new(Instant::now()),
        })
    }

    /// What is held now.
    pub(crate) fn get(&self) -> Guard<Arc<(VersionedSecrets, T)>> {
        self.held.load()
    }

    /// Reads the source again, unless that was done a moment ago. Says whether something is new.
    pub(crate) fn look_again(&self) -> bool {
        let mut looked_at = self.looked_at.lock().unwrap_or_else(PoisonError::into_inner);
        if looked_at.elapsed() < LOOK_PAUSE {
            return false;
        }
        *looked_at = Instant::now();
        let secrets = match self.source.read() {
            Ok(secrets) => secrets,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "secrets can't be read again; those held stay in use"
                );
                return false;
            }
        };
        let held = self.held.load();
        if held.0 == secrets {
            return false;
        }
        let made = (self.make)(&secrets, Some(&held.1));
        tracing::info!(version = secrets.current().0, "secrets were read again");
        self.held.store(Arc::new((secrets, made)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::{add_version, create_secret_file};

    #[test]
    fn a_new_version_is_seen_and_a_broken_file_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing");
        create_secret_file(&path).unwrap();
        let live = Live::of(SecretSource::File(path.clone()), |secrets, _| secrets.current().0).unwrap();
        assert_eq!(live.get().1, 1);
        add_version(&path).unwrap();
        assert!(!live.look_again(), "it was read a moment ago");
        std::thread::sleep(LOOK_PAUSE);
        assert!(live.look_again());
        assert_eq!(live.get().1, 2);
        std::fs::write(&path, "broken").unwrap();
        std::thread::sleep(LOOK_PAUSE);
        assert!(!live.look_again());
        assert_eq!(live.get().1, 2);
    }
}
