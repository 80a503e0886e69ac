//! How a store is opened: sled is beta by its authors' word, and one that is damaged is set aside and folded anew.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::error::ViewError;

/// sled's cache, in bytes; its own default is a gigabyte.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;
/// How long to wait for a store that is still open: sled lets go of its lock a moment after it is dropped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// Opens the store; one that is damaged is set aside, and an empty one takes its place.
pub(super) fn open_or_set_aside(
    folder: &Path,
    now: Timestamp,
    for_a_while: bool,
) -> Result<sled::Db, ViewError> {
    let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES).temporary(for_a_while);
    let deadline = Instant::now() + LOCK_TIMEOUT;
    let damage = loop {
        // sled panics on some damage.
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(store)) => return Ok(store),
            Ok(Err(error)) if is_in_use(&error) => {
                if Instant::now() > deadline {
                    return Err(ViewError::Store(folder.to_owned(), error));
                }
                std::thread::sleep(LOCK_INTERVAL);
            }
            // A full disk or a missing right is no damage: the rows are as good as they were.
            Ok(Err(error @ sled::Error::Io(_))) => return Err(ViewError::Store(folder.to_owned(), error)),
            Ok(Err(error)) => break error.to_string(),
            Err(_) => break "the store panicked".to_owned(),
        }
    };
    let mut aside = folder.as_os_str().to_owned();
    aside.push(format!(".damaged-{}", now.as_second()));
    tracing::error!(error = damage, moved_to = %Path::new(&aside).display(), "the view is damaged; it is set aside and folded anew");
    std::fs::rename(folder, &aside).map_err(|error| ViewError::SetAside(folder.to_owned(), error))?;
    config.open().map_err(|error| ViewError::Store(folder.to_owned(), error))
}

/// Another process has the store open: that is no damage.
fn is_in_use(error: &sled::Error) -> bool {
    // sled wraps the system's error into one of its own, of kind Other: only its words are left.
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}
