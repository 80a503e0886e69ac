//! The views of a projector: the one that serves, those that are kept, and the one that is built beside.
//!
//! ```text
//! view/
//!   views.json   {"format":1,"serving":2,"kept":[1],"built":3,"next":4}
//!   1/ 2/ 3/     a store each
//! ```
//!
//! What is what is said by `views.json` alone, which is replaced whole: a process that is killed at any moment leaves
//! the list of before or of after. A store that the list does not name is of no use, and is removed at the next start.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use events::LogState;
use jiff::Timestamp;
use parking_lot::Mutex;
use runtime::atomic_file;
use serde::{Deserialize, Serialize};

use crate::view::{View, ViewError};

const FORMAT: u8 = 1;
const LIST_FILE: &str = "views.json";

/// The list, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ViewList {
    format: u8,
    /// The view that serves.
    pub(crate) serving: u32,
    /// Views that served before, the newest first.
    pub(crate) kept: Vec<u32>,
    /// The view that is built beside, whole or not.
    pub(crate) built: Option<u32>,
    next: u32,
}

/// The folder of the views.
pub(crate) struct ViewRegistry {
    dir: PathBuf,
    /// Held for as long as the process may change the list.
    _lock: File,
    list: Mutex<ViewList>,
}

impl ViewRegistry {
    /// Reads the list, or begins one, and removes what it does not name.
    pub(crate) fn open(folder: &Path) -> Result<Self, ViewError> {
        let error = |error| ViewError::List(folder.join(LIST_FILE), error);
        // Before there was a list, the folder was the one store itself.
        if folder.join("conf").exists() || folder.join("db").exists() {
            return Err(ViewError::VersionMismatch {
                format: 1,
                fold: 1,
                folder: folder.display().to_string(),
            });
        }
        fs::create_dir_all(folder).map_err(error)?;
        let lock = File::create(folder.join("lock")).map_err(error)?;
        lock.try_lock().map_err(|_| {
            error(io::Error::other("another process, a projector or a rebuild, uses these views"))
        })?;
        let list = match fs::read(folder.join(LIST_FILE)) {
            Ok(bytes) => serde_json::from_slice::<ViewList>(&bytes)
                .ok()
                .filter(|list| list.format == FORMAT)
                .ok_or_else(|| error(io::Error::other("not a list of views of a known format")))?,
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                ViewList { format: FORMAT, serving: 1, kept: Vec::new(), built: None, next: 2 }
            }
            Err(other) => return Err(error(other)),
        };
        let views = Self { dir: folder.to_owned(), _lock: lock, list: Mutex::new(list) };
        views.change(|_| ())?;
        views.remove_unlisted().map_err(error)?;
        Ok(views)
    }

    /// Moves everything aside, so that a new list begins: the old stores are kept where nothing uses them.
    pub(crate) fn set_aside(folder: &Path, now: Timestamp) -> io::Result<Option<PathBuf>> {
        if !folder.exists() {
            return Ok(None);
        }
        let mut aside = folder.as_os_str().to_owned();
        aside.push(format!(".aside-{}", now.as_second()));
        fs::rename(folder, &aside)?;
        Ok(Some(aside.into()))
    }

    pub(crate) fn list(&self) -> ViewList {
        self.list.lock().clone()
    }

    /// Where a view is.
    pub(crate) fn view_dir(&self, number: u32) -> PathBuf {
        self.dir.join(number.to_string())
    }

    /// Where a view of the past is, which no list names.
    pub(crate) fn historical_view_dir(&self, name: &str) -> PathBuf {
        self.dir.join(format!("past-{name}"))
    }

    /// Opens a view of the list.
    pub(crate) fn open_view(&self, number: u32, log: &LogState, now: Timestamp) -> Result<View, ViewError> {
        View::open(&self.view_dir(number), log, now)
    }

    /// The view that is built beside: the one that was begun, or a new one.
    pub(crate) fn start_build(&self, fresh: bool) -> Result<u32, ViewError> {
        let begun = self.change(|list| match list.built {
            Some(built) if !fresh => (built, None),
            old => {
                let built = list.next;
                (list.built, list.next) = (Some(built), list.next + 1);
                (built, old)
            }
        })?;
        if let (_, Some(old)) = begun {
            self.remove_view_dir(old)?;
        }
        Ok(begun.0)
    }

    /// Has the built view serve, and keeps the one that did.
    pub(crate) fn switch(&self, number: u32) -> Result<u32, ViewError> {
        let switched = self.change(|list| {
            list.built.take_if(|built| *built == number)?;
            list.kept.insert(0, list.serving);
            list.serving = number;
            Some(number)
        })?;
        let gone = || io::Error::other("the view that was built was dropped meanwhile");
        switched.ok_or_else(|| ViewError::List(self.view_dir(number), gone()))
    }

    /// Has the newest kept view serve again, and keeps the one that did.
    pub(crate) fn roll_back(&self) -> Result<Option<u32>, ViewError> {
        self.change(|list| {
            let kept = (!list.kept.is_empty()).then(|| list.kept.remove(0))?;
            list.kept.insert(0, list.serving);
            list.serving = kept;
            Some(kept)
        })
    }

    /// Forgets a kept or built view, and removes its store.
    pub(crate) fn drop_view(&self, number: u32) -> Result<bool, ViewError> {
        let was_there = self.change(|list| {
            let before = list.clone();
            list.kept.retain(|kept| *kept != number);
            list.built = list.built.filter(|built| *built != number);
            *list != before
        })?;
        if was_there {
            self.remove_view_dir(number)?;
        }
        Ok(was_there)
    }

    /// Changes the list on disk, then in memory.
    fn change<T>(&self, change: impl FnOnce(&mut ViewList) -> T) -> Result<T, ViewError> {
        let mut list = self.list.lock();
        let mut next = list.clone();
        let done = change(&mut next);
        let bytes = serde_json::to_vec(&next).unwrap_or_else(|_| unreachable!("BUG: numbers are JSON"));
        let path = self.dir.join(LIST_FILE);
        atomic_file::replace(&path, &bytes).map_err(|error| ViewError::List(path.clone(), error))?;
        *list = next;
        Ok(done)
    }

    fn remove_view_dir(&self, number: u32) -> Result<(), ViewError> {
        let store = self.view_dir(number);
        match fs::remove_dir_all(&store) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(ViewError::List(store, error)),
            _ => Ok(()),
        }
    }

    /// Removes every store that the list does not name; what was set aside because it is damaged stays.
    fn remove_unlisted(&self) -> io::Result<()> {
        let list = self.list();
        let named: Vec<_> =
            list.kept.iter().chain([&list.serving]).chain(&list.built).map(ToString::to_string).collect();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let is_store = name.starts_with("past-") || name.bytes().all(|byte| byte.is_ascii_digit());
            if is_store && !named.contains(&name) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(views: &ViewRegistry) -> (u32, Vec<u32>, Option<u32>) {
        let list = views.list();
        (list.serving, list.kept, list.built)
    }

    #[test]
    fn golden_list() {
        let folder = tempfile::tempdir().unwrap();
        let views = ViewRegistry::open(folder.path()).unwrap();
        views.start_build(false).unwrap();
        views.switch(2).unwrap();
        views.start_build(false).unwrap();
        let stored = fs::read_to_string(folder.path().join(LIST_FILE)).unwrap();
        assert!(ViewRegistry::open(folder.path()).is_err(), "one process at a time");
        drop(views);
        assert_eq!(stored, r#"{"format":1,"serving":2,"kept":[1],"built":3,"next":4}"#);
        assert_eq!(numbers(&ViewRegistry::open(folder.path()).unwrap()), (2, vec![1], Some(3)));
        for wrong in ["", "{}", &stored.replace("\"format\":1", "\"format\":2")] {
            fs::write(folder.path().join(LIST_FILE), wrong).unwrap();
            assert!(matches!(ViewRegistry::open(folder.path()), Err(ViewError::List(..))), "{wrong}");
        }
    }

    #[test]
    fn a_view_is_begun_gone_on_with_switched_in_and_back() {
        let folder = tempfile::tempdir().unwrap();
        let views = ViewRegistry::open(folder.path()).unwrap();
        assert_eq!(views.roll_back().unwrap(), None);
        assert_eq!((views.start_build(false).unwrap(), views.start_build(false).unwrap()), (2, 2));
        fs::create_dir(views.view_dir(2)).unwrap();
        assert_eq!(views.start_build(true).unwrap(), 3, "afresh is another one");
        assert!(!views.view_dir(2).exists());
        assert!(views.switch(2).is_err(), "only what was built");
        assert_eq!(views.switch(3).unwrap(), 3);
        assert_eq!(numbers(&views), (3, vec![1], None));
        assert_eq!(views.roll_back().unwrap(), Some(1));
        assert_eq!(numbers(&views), (1, vec![3], None));
        assert!(views.drop_view(3).unwrap());
        assert!(!views.drop_view(1).unwrap(), "the one that serves stays");
        assert_eq!(numbers(&views), (1, vec![], None));
    }

    #[test]
    fn what_the_list_does_not_name_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        drop(ViewRegistry::open(folder.path()).unwrap());
        for name in ["1", "7", "past-12", "1.damaged-5"] {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        drop(ViewRegistry::open(folder.path()).unwrap());
        let there = |name: &str| folder.path().join(name).exists();
        assert_eq!(["1", "7", "past-12", "1.damaged-5"].map(there), [true, false, false, true]);
    }

    #[test]
    fn a_store_of_before_there_was_a_list_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("conf"), "").unwrap();
        assert!(matches!(
            ViewRegistry::open(folder.path()),
            Err(ViewError::VersionMismatch { format: 1, .. })
        ));
        let aside = ViewRegistry::set_aside(folder.path(), Timestamp::UNIX_EPOCH).unwrap().unwrap();
        assert!(aside.join("conf").exists() && !folder.path().exists());
        fs::remove_dir_all(aside).unwrap();
    }
}
