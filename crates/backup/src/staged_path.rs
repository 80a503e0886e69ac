//! A name that is given only to what is whole.

use std::path::{Path, PathBuf};
use std::{fs, io};

use runtime::atomic_file::directory_of;

use crate::hashed_file::{FileError, sync_directory};

/// What is written beside its final place, as `<name>.draft`.
pub(crate) struct StagedPath {
    path: PathBuf,
    target: PathBuf,
}

impl StagedPath {
    /// Fails where the place is taken: no copy is ever written over another.
    pub(crate) fn new(place: &Path) -> Result<Self, FileError> {
        let fail = FileError::with_path(place);
        if fs::exists(place).map_err(&fail)? {
            return Err(fail(io::ErrorKind::AlreadyExists.into()));
        }
        let name = place.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidFilename.into()))?;
        let mut draft = name.to_owned();
        draft.push(".draft");
        Ok(Self { path: place.with_file_name(draft), target: place.to_owned() })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives what is written, and synced, its name.
    pub(crate) fn publish(&self) -> Result<(), FileError> {
        fs::rename(&self.path, &self.target).map_err(FileError::with_path(&self.target))?;
        sync_directory(directory_of(&self.target))
    }

    /// Takes away a file that is not to be published.
    pub(crate) fn remove_staged_file(&self) {
        // It is no more than space that would be lost, and the next draft is written over it.
        let _ = fs::remove_file(&self.path);
    }
}
