//! The rows, in sled.
//!
//! | key | value |
//! |---|---|
//! | `00` | what the view is: format, fold version, position, the log it was folded from ([`meta`]) |
//! | `01` user ref (16) date (4) | one sealed row ([`rows`]) |
//! | `02` user ref (16) device id (16) | one sealed device ([`devices`]) |
//!
//! One tree, so that one sled batch writes a fold's rows *and* its position, or nothing. sled is beta by its authors'
//! word: it holds nothing here that the log can't give back, and a store that does not open is set aside and folded
//! anew.

mod devices;
mod meta;
mod rows;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use events::LogState;
use jiff::Timestamp;
use jiff::civil::Date;
use schemas::Sequence;
use vault::{DeviceId, UserRef};

pub(crate) use devices::{DeviceKey, SealedDevice};
use meta::Meta;
pub(crate) use meta::Tip;
pub(crate) use rows::{RowKey, SealedRow, open_row, seal_row};

/// The numbers before every key. Persisted: append, never change.
const KEY_META: u8 = 0;
const KEY_ROW: u8 = 1;
const KEY_DEVICE: u8 = 2;

/// sled's cache, in bytes; its own default is a gigabyte.
const CACHE_BYTES: u64 = 128 * 1024 * 1024;
/// How long to wait for a store that is still open: sled lets go of its lock a moment after it is dropped.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
const LOCK_INTERVAL: Duration = Duration::from_millis(20);

/// The view can't be used with this log.
#[derive(Debug, thiserror::Error)]
pub enum ViewError {
    /// The store itself fails.
    #[error("the view in {} can't be used", .0.display())]
    Store(PathBuf, #[source] sled::Error),
    /// A damaged store could not be set aside.
    #[error("the damaged view in {} can't be set aside", .0.display())]
    SetAside(PathBuf, #[source] std::io::Error),
    /// It has folded events that the log does not have.
    #[error(
        "INCIDENT: the view stands at sequence {position}, but the log ends at {last}: the log lost events or was restored \
         from an older backup. If the log is right, `mv {folder} {folder}.ahead` and start again: the view is folded anew"
    )]
    Ahead {
        /// The view's position.
        position: u64,
        /// The log's last sequence.
        last: u64,
        /// Where the view is.
        folder: String,
    },
    /// It was folded from another log.
    #[error(
        "the view belongs to the log created at {found}, but this log was created at {expected}. If this log is right, \
         `mv {folder} {folder}.other` and start again: the view is folded anew"
    )]
    OtherLog {
        /// The view's log.
        found: String,
        /// This log.
        expected: String,
        /// Where the view is.
        folder: String,
    },
    /// It was folded by other rules, or written in another format.
    #[error(
        "the view is of format {format} and fold {fold}, this version writes format {} and fold {}. \
         `mv {folder} {folder}.old` and start again: the view is folded anew",
        meta::FORMAT,
        crate::fold::FOLD_VERSION
    )]
    OtherVersion {
        /// The view's format.
        format: u8,
        /// The view's fold.
        fold: u32,
        /// Where the view is.
        folder: String,
    },
}

/// Something read, and the position that it reflects.
pub(crate) type Reflecting<T> = (T, Option<Sequence>);

/// What one batch of events changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub(crate) rows: Vec<(RowKey, SealedRow)>,
    pub(crate) devices: Vec<(DeviceKey, SealedDevice)>,
}

/// The view. Everything here blocks: call it from a thread that may.
pub(crate) struct View {
    store: sled::Db,
    folder: PathBuf,
    log: String,
    /// Written together with the rows, read together with them.
    tip: RwLock<Option<Tip>>,
}

impl View {
    /// Opens the view in `folder`, or begins one, and makes sure that it fits the log.
    pub(crate) fn open(folder: &Path, log: &LogState, now: Timestamp) -> Result<Self, ViewError> {
        let store = open_store(folder, now)?;
        let store_error = |error| ViewError::Store(folder.to_owned(), error);
        let stored = store.get([KEY_META]).map_err(store_error)?;
        let meta = match stored {
            Some(bytes) => Meta::fitting(&bytes, log, folder)?,
            None => Meta { tip: None, log: log.identity.as_str().to_owned() },
        };
        store.insert([KEY_META], meta.encode()).map_err(store_error)?;
        Ok(Self { store, folder: folder.to_owned(), log: meta.log, tip: RwLock::new(meta.tip) })
    }

    /// The sequence up to which the view has folded.
    pub(crate) fn position(&self) -> Option<Sequence> {
        self.tip().map(|tip| tip.sequence)
    }

    /// The last event that the view has folded.
    pub(crate) fn tip(&self) -> Option<Tip> {
        *self.tip.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the view fits this state of the log, which may have changed since it was opened.
    pub(crate) fn check(&self, log: &LogState) -> Result<(), ViewError> {
        let meta = Meta { tip: self.tip(), log: self.log.clone() };
        Meta::fitting(&meta.encode(), log, &self.folder).map(drop)
    }

    /// One row and the position it reflects.
    pub(crate) fn row(&self, key: &RowKey) -> Result<Reflecting<Option<SealedRow>>, ViewError> {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner);
        let row = self.store.get(key.encode()).map_err(|error| self.store_error(error))?;
        Ok((row.map(|row| SealedRow(row.to_vec())), tip.map(|tip| tip.sequence)))
    }

    /// A user's rows from one date to another, both inclusive, and the position that they reflect.
    pub(crate) fn rows(
        &self,
        user: UserRef,
        from: Date,
        to: Date,
    ) -> Result<Reflecting<Vec<(Date, SealedRow)>>, ViewError> {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner);
        let range = RowKey { user, date: from }.encode()..=RowKey { user, date: to }.encode();
        let mut rows = Vec::new();
        for entry in self.store.range(range) {
            let (key, row) = entry.map_err(|error| self.store_error(error))?;
            if let Some(key) = RowKey::decode(&key) {
                rows.push((key.date, SealedRow(row.to_vec())));
            }
        }
        Ok((rows, tip.map(|tip| tip.sequence)))
    }

    /// One device and the position it reflects.
    pub(crate) fn device(&self, key: &DeviceKey) -> Result<Reflecting<Option<SealedDevice>>, ViewError> {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner);
        let device = self.store.get(key.encode()).map_err(|error| self.store_error(error))?;
        Ok((device.map(|device| SealedDevice(device.to_vec())), tip.map(|tip| tip.sequence)))
    }

    /// A user's devices, at most so many, and the position that they reflect.
    pub(crate) fn devices(
        &self,
        user: UserRef,
        devices_max: usize,
    ) -> Result<Reflecting<Vec<(DeviceKey, SealedDevice)>>, ViewError> {
        let tip = self.tip.read().unwrap_or_else(PoisonError::into_inner);
        let key = |byte| DeviceKey { user, device: DeviceId::from_bytes([byte; 16]) }.encode();
        let mut devices = Vec::new();
        for entry in self.store.range(key(0)..=key(u8::MAX)).take(devices_max) {
            let (key, device) = entry.map_err(|error| self.store_error(error))?;
            if let Some(key) = DeviceKey::decode(&key) {
                devices.push((key, SealedDevice(device.to_vec())));
            }
        }
        Ok((devices, tip.map(|tip| tip.sequence)))
    }

    /// Writes changes and the last event behind them, together.
    pub(crate) fn apply(&self, changes: Changes, tip: Tip) -> Result<(), ViewError> {
        let mut batch = sled::Batch::default();
        for (key, row) in changes.rows {
            batch.insert(key.encode().as_slice(), row.0);
        }
        for (key, device) in changes.devices {
            batch.insert(key.encode().as_slice(), device.0);
        }
        let meta = Meta { tip: Some(tip), log: self.log.clone() };
        batch.insert(&[KEY_META], meta.encode());
        let mut current = self.tip.write().unwrap_or_else(PoisonError::into_inner);
        assert!(
            Some(tip.sequence) > current.map(|tip| tip.sequence),
            "BUG: the view's position moves forward only"
        );
        self.store.apply_batch(batch).map_err(|error| self.store_error(error))?;
        *current = Some(tip);
        Ok(())
    }

    /// Waits until everything applied is on disk.
    pub(crate) fn flush(&self) -> Result<(), ViewError> {
        self.store.flush().map(drop).map_err(|error| self.store_error(error))
    }

    fn store_error(&self, error: sled::Error) -> ViewError {
        ViewError::Store(self.folder.clone(), error)
    }
}

/// Opens the store; one that is damaged is set aside, and an empty one takes its place.
fn open_store(folder: &Path, now: Timestamp) -> Result<sled::Db, ViewError> {
    let config = sled::Config::new().path(folder).cache_capacity(CACHE_BYTES);
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
    tracing::error!(damage, aside = %Path::new(&aside).display(), "the view is damaged; it is set aside and folded anew");
    std::fs::rename(folder, &aside).map_err(|error| ViewError::SetAside(folder.to_owned(), error))?;
    config.open().map_err(|error| ViewError::Store(folder.to_owned(), error))
}

/// Another process has the store open: that is no damage.
fn is_in_use(error: &sled::Error) -> bool {
    // sled wraps the system's error into one of its own, of kind Other: only its words are left.
    matches!(error, sled::Error::Io(error) if error.to_string().contains("could not acquire lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(created: &str, last: u64) -> LogState {
        LogState { identity: created.into(), last: Sequence::new(last) }
    }

    fn tip(sequence: u64) -> Tip {
        Tip { sequence: Sequence::new(sequence).unwrap(), event_id: schemas::EventId::new(sequence, [1; 10]) }
    }

    fn rows(rows: Vec<(RowKey, SealedRow)>) -> Changes {
        Changes { rows, ..Changes::default() }
    }

    fn open(folder: &Path, log: &LogState) -> Result<View, ViewError> {
        View::open(folder, log, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_view_is_refused_by_any_log_but_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let view = open(folder.path(), &log("a", 9)).unwrap();
        let key = RowKey { user: UserRef::from_bytes([1; 16]), date: jiff::civil::date(2026, 2, 16) };
        view.apply(rows(vec![(key, SealedRow(vec![7]))]), tip(5)).unwrap();
        view.flush().unwrap();
        drop(view);
        assert!(matches!(
            open(folder.path(), &log("a", 4)),
            Err(ViewError::Ahead { position: 5, last: 4, .. })
        ));
        assert!(matches!(open(folder.path(), &log("b", 9)), Err(ViewError::OtherLog { .. })));
        let view = open(folder.path(), &log("a", 5)).unwrap();
        assert_eq!(view.row(&key).unwrap(), (Some(SealedRow(vec![7])), Sequence::new(5)));
        assert!(view.check(&log("a", 4)).is_err());
    }

    #[test]
    fn a_view_of_another_fold_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let view = open(folder.path(), &log("a", 9)).unwrap();
        let mut meta = Meta { tip: None, log: "a".to_owned() }.encode();
        meta[4] += 1;
        view.store.insert([KEY_META], meta).unwrap();
        drop(view);
        assert!(matches!(open(folder.path(), &log("a", 9)), Err(ViewError::OtherVersion { fold: 2, .. })));
    }

    #[test]
    fn a_damaged_store_is_set_aside() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("view");
        drop(open(&folder, &log("a", 9)).unwrap());
        std::fs::write(folder.join("conf"), "this is not how sled writes its settings").unwrap();
        let view = open(&folder, &log("a", 9)).unwrap();
        assert_eq!(view.position(), None);
        assert!(parent.path().join("view.damaged-0").exists());
    }

    #[test]
    fn ranges_are_one_user_s_and_inclusive() {
        let folder = tempfile::tempdir().unwrap();
        let view = open(folder.path(), &log("a", 9)).unwrap();
        let key = |user: u8, day: i8| RowKey {
            user: UserRef::from_bytes([user; 16]),
            date: jiff::civil::date(2026, 2, day),
        };
        let all = [(1, 1), (1, 2), (1, 28), (2, 2)]
            .map(|(user, day)| (key(user, day), SealedRow(vec![user, day as u8])));
        view.apply(rows(all.into()), tip(1)).unwrap();
        let (found, position) =
            view.rows(UserRef::from_bytes([1; 16]), key(1, 2).date, key(1, 28).date).unwrap();
        assert_eq!(found.into_iter().map(|(_, row)| row.0).collect::<Vec<_>>(), [[1, 2], [1, 28]]);
        assert_eq!(position, Some(Sequence::FIRST));
    }
}
