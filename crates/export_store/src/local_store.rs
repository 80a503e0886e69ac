//! Exports in a folder: a folder per user, a sealed file per export.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use keys::{DataKey, DataKeyId, UserRef};
use tempfile::NamedTempFile;

use crate::object_name::ObjectName;
use crate::sealed_file::{OpeningReader, SealingWriter, plaintext_len, read_header};

/// What the name of a file ends with that is not whole yet.
const DRAFT_SUFFIX: &str = ".draft";

#[derive(Debug, Clone)]
pub(crate) struct LocalStore(PathBuf);

/// A file on its way, under a name of its own: whoever was too slow for a lease writes into nobody else's. Dropped, it is gone.
pub(crate) struct LocalWriter {
    writer: SealingWriter<BufWriter<NamedTempFile>>,
    final_path: PathBuf,
}

impl LocalStore {
    /// Makes it, for its owner alone, where it is not there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        create_private_dir(path)?;
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path)?.permissions());
            if mode & 0o077 != 0 {
                let why = format!(
                    "{} can be read by others (mode {:o}): chmod 700 it",
                    path.display(),
                    mode & 0o777
                );
                return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn path(&self, name: &ObjectName) -> PathBuf {
        self.0.join(name.to_string())
    }

    pub(crate) fn create(&self, name: ObjectName, key: Arc<DataKey>) -> io::Result<LocalWriter> {
        let folder = self.0.join(name.user.to_string());
        create_private_dir(&folder)?;
        let draft = tempfile::Builder::new()
            .prefix(&name.export.to_string())
            .suffix(DRAFT_SUFFIX)
            .tempfile_in(&folder)?;
        let sealing = SealingWriter::new(BufWriter::new(draft), name, key)?;
        Ok(LocalWriter { writer: sealing, final_path: self.path(&name) })
    }

    /// The data key of an object, its plain length, and what opens it.
    pub(crate) fn open_file(
        &self,
        name: &ObjectName,
    ) -> io::Result<Option<(DataKeyId, u64, BufReader<File>)>> {
        let file = match File::open(self.path(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = plaintext_len(file.metadata()?.len()).ok_or(io::ErrorKind::InvalidData)?;
        let mut file = BufReader::new(file);
        Ok(Some((read_header(&mut file)?, length, file)))
    }

    pub(crate) fn chunk_reader(
        file: BufReader<File>,
        name: ObjectName,
        key: Arc<DataKey>,
    ) -> OpeningReader<BufReader<File>> {
        OpeningReader::after_header(file, name, key)
    }

    /// Deletes this one alone; one that is not there is no error.
    pub(crate) fn delete(&self, name: &ObjectName) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        // No folder is left to name the user, if this was the last.
        match fs::remove_dir(self.0.join(name.user.to_string())) {
            Err(error)
                if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) =>
            {
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Deletes everything of a user, drafts too. Returns how many files there were.
    pub(crate) fn delete_all_of_user(&self, user: &UserRef) -> io::Result<u64> {
        let folder = self.0.join(user.to_string());
        let mut deleted = 0;
        for file in list_dir(&folder)? {
            fs::remove_file(file)?;
            deleted += 1;
        }
        match fs::remove_dir(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(deleted),
        }
    }

    /// Deletes what is older than this, drafts too. Returns how many files that were.
    pub(crate) fn delete_expired(&self, age_max: Duration, now: SystemTime) -> io::Result<u64> {
        let mut deleted = 0;
        for folder in list_dir(&self.0)? {
            for file in list_dir(&folder)? {
                let written = fs::metadata(&file)?.modified()?;
                if now.duration_since(written).is_ok_and(|age| age >= age_max) {
                    fs::remove_file(file)?;
                    deleted += 1;
                }
            }
            // Where nothing is left in it.
            let _ = fs::remove_dir(&folder);
        }
        Ok(deleted)
    }
}

impl Write for LocalWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.writer.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl LocalWriter {
    /// Whole and on the disk, or not there.
    pub(crate) fn finish(self) -> io::Result<()> {
        let draft = self.writer.finish()?.into_inner().map_err(io::IntoInnerError::into_error)?;
        draft.as_file().sync_all()?;
        draft.persist(&self.final_path)?;
        // The file's name, and the name of a folder that may be new.
        for folder in self.final_path.ancestors().skip(1).take(2) {
            File::open(folder)?.sync_all()?;
        }
        Ok(())
    }
}

fn list_dir(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn create_private_dir(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

#[cfg(test)]
mod tests {
    use keys::ExportId;

    use super::*;

    fn name(user: u8, export: u8) -> ObjectName {
        ObjectName { user: UserRef::from_bytes([user; 16]), export: ExportId::from_bytes([export; 16]) }
    }

    fn key() -> Arc<DataKey> {
        Arc::new(DataKey::new(DataKeyId::from_bytes([4; 10]), 0, &[7; 32]))
    }

    fn put(folder: &LocalStore, name: ObjectName) {
        let mut draft = folder.create(name, key()).unwrap();
        draft.write_all(b"planted").unwrap();
        draft.finish().unwrap();
    }

    #[test]
    fn written_sealed_read_deleted_and_swept() {
        let place = tempfile::tempdir().unwrap();
        let folder = LocalStore::open(&place.path().join("exports")).unwrap();
        put(&folder, name(1, 2));
        put(&folder, name(3, 4));
        let mut unfinished = folder.create(name(1, 5), key()).unwrap();
        unfinished.write_all(b"planted").unwrap();
        assert!(folder.open_file(&name(1, 5)).unwrap().is_none(), "half an object is none");
        let mut given_up = folder.create(name(1, 5), key()).unwrap();
        given_up.write_all(b"planted").unwrap();
        let of_one = || list_dir(&place.path().join(format!("exports/{}", name(1, 0).user))).unwrap().len();
        assert_eq!(of_one(), 3, "each has a draft of its own");
        drop(given_up);
        assert_eq!(of_one(), 2, "what is given up is gone");
        let stored = fs::read(folder.path(&name(1, 2))).unwrap();
        assert!(!stored.windows(7).any(|window| window == b"planted"), "sealed at rest");
        let (id, length, file) = folder.open_file(&name(1, 2)).unwrap().unwrap();
        assert_eq!((id, length), (key().id(), 7));
        assert_eq!(
            **LocalStore::chunk_reader(file, name(1, 2), key()).next_chunk().unwrap().unwrap(),
            *b"planted"
        );
        put(&folder, name(1, 6));
        folder.delete(&name(1, 6)).unwrap();
        folder.delete(&name(1, 6)).unwrap();
        assert!(
            folder.open_file(&name(1, 6)).unwrap().is_none()
                && folder.open_file(&name(1, 2)).unwrap().is_some()
        );
        assert_eq!(folder.delete_all_of_user(&name(1, 0).user).unwrap(), 2, "the draft too");
        assert_eq!(folder.delete_all_of_user(&name(1, 0).user).unwrap(), 0);
        let now = fs::metadata(folder.path(&name(3, 4))).unwrap().modified().unwrap();
        assert_eq!(folder.delete_expired(Duration::from_secs(60), now).unwrap(), 0);
        assert_eq!(folder.delete_expired(Duration::from_secs(60), now + Duration::from_secs(61)).unwrap(), 1);
        assert!(folder.open_file(&name(3, 4)).unwrap().is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("exports");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let error = LocalStore::open(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }
}
