//! A name that is given only to what is whole.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::written::{FileError, sync_folder};

/// What is written beside its final place, as `<name>.draft`.
pub(crate) struct Draft {
    path: PathBuf,
    place: PathBuf,
}

impl Draft {
    /// Fails where the place is taken: no copy is ever written over another.
    pub(crate) fn beside(place: &Path) -> Result<Self, FileError> {
        let fail = FileError::at(place);
        if fs::exists(place).map_err(&fail)? {
            return Err(fail(io::ErrorKind::AlreadyExists.into()));
        }
        let name = place.file_name().ok_or_else(|| fail(io::ErrorKind::InvalidFilename.into()))?;
        let mut draft = name.to_owned();
        draft.push(".draft");
        Ok(Self { path: place.with_file_name(draft), place: place.to_owned() })
    }

    /// Where to write.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives what is written, and synced, its name.
    pub(crate) fn publish(&self) -> Result<(), FileError> {
        fs::rename(&self.path, &self.place).map_err(FileError::at(&self.place))?;
        match self.place.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => sync_folder(folder),
            _ => sync_folder(Path::new(".")),
        }
    }

    /// Takes away a file that is not to be published.
    pub(crate) fn discard_file(&self) {
        // It is no more than space that would be lost, and the next draft is written over it.
        let _ = fs::remove_file(&self.path);
    }
}
