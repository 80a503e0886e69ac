//! Secrets in files: one `<version> <64 hex characters>` per line, readable by their owner alone.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use runtime::atomic_file;
use zeroize::Zeroizing;

use crate::aead::random_bytes;

/// Why a file of secrets can't be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// Not there, or not readable.
    #[error("the secret file {} can't be read", .0.display())]
    Read(PathBuf, #[source] io::Error),
    /// Not to be written.
    #[error("the secret file {} can't be written", .0.display())]
    Write(PathBuf, #[source] io::Error),
    /// Others may read it.
    #[error("the secret file {} can be read by others (mode {mode:o}): chmod 600 it", path.display())]
    Mode {
        /// Which file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Not in the form above.
    #[error("the secret {0} has a line that is not `<version> <64 hex characters>`, or no line at all")]
    Malformed(String),
}

/// 256-bit secrets by version. The highest version is the current one.
#[derive(Clone, PartialEq, Eq)]
pub struct VersionedSecrets(Vec<(u32, Zeroizing<[u8; 32]>)>);

impl VersionedSecrets {
    /// Reads a file.
    pub fn read(path: &Path) -> Result<Self, SecretFileError> {
        check_private_mode(path)?;
        let text = Zeroizing::new(
            fs::read_to_string(path).map_err(|error| SecretFileError::Read(path.into(), error))?,
        );
        Self::parse(&text).ok_or_else(|| SecretFileError::Malformed(path.display().to_string()))
    }

    /// Reads the text of such a file, for instance from an environment variable.
    pub fn parse(text: &str) -> Option<Self> {
        let mut secrets = Vec::new();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (version, hex) = line.trim().split_once(' ')?;
            let mut secret = Zeroizing::new([0; 32]);
            if hex.len() != 64 || HEXLOWER.decode_mut(hex.as_bytes(), &mut *secret).is_err() {
                return None;
            }
            secrets.push((version.parse().ok()?, secret));
        }
        secrets.sort_by_key(|(version, _)| std::cmp::Reverse(*version));
        let distinct = secrets.windows(2).all(|pair| pair[0].0 != pair[1].0);
        (distinct && !secrets.is_empty()).then_some(Self(secrets))
    }

    /// One secret.
    pub fn single(version: u32, secret: Zeroizing<[u8; 32]>) -> Self {
        Self(vec![(version, secret)])
    }

    /// The newest version and its secret.
    pub fn current(&self) -> (u32, &Zeroizing<[u8; 32]>) {
        let (version, secret) = &self.0[0];
        (*version, secret)
    }

    /// The newest version and its secret, for whoever keeps only that.
    pub fn to_current(&self) -> (u32, Zeroizing<[u8; 32]>) {
        self.0[0].clone()
    }

    /// The secret of a version, where it is held.
    pub fn get(&self, version: u32) -> Option<&[u8]> {
        self.0.iter().find(|(held, _)| *held == version).map(|(_, secret)| secret.as_slice())
    }

    /// Whether every version that stands in both has the same secret: a number means one secret for good.
    pub(crate) fn is_consistent_with(&self, other: &Self) -> bool {
        other
            .0
            .iter()
            .all(|(version, secret)| self.get(*version).is_none_or(|held| held == secret.as_slice()))
    }

    /// The versions, newest first.
    pub fn versions(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter().map(|(version, _)| *version)
    }
}

impl fmt::Debug for VersionedSecrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Makes a file with a fresh random secret of version 1, unless the file exists. Says whether it made one.
pub fn create_secret_file(path: &Path) -> io::Result<bool> {
    let secret = Zeroizing::new(random_bytes::<32>());
    let line = Zeroizing::new(format!("1 {}\n", HEXLOWER.encode(&*secret)));
    match create_private_file(path, line.as_bytes()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Adds a fresh random secret behind the newest version, and returns its version. The file is replaced whole: a
/// process that reads it meanwhile, or a crash, sees the old file or the new one.
pub fn add_secret_version(path: &Path) -> Result<u32, SecretFileError> {
    let mut secrets = VersionedSecrets::read(path)?;
    let version = secrets.current().0 + 1;
    secrets.0.insert(0, (version, Zeroizing::new(random_bytes::<32>())));
    replace_secret_file(path, &secrets)?;
    Ok(version)
}

/// Takes every version below this one out of the file, and returns those that went.
pub fn remove_secret_versions_below(path: &Path, version: u32) -> Result<Vec<u32>, SecretFileError> {
    let mut secrets = VersionedSecrets::read(path)?;
    let (kept, dropped): (Vec<_>, Vec<_>) = secrets.0.into_iter().partition(|(number, _)| *number >= version);
    secrets = VersionedSecrets(kept);
    if secrets.0.is_empty() {
        return Err(SecretFileError::Malformed(path.display().to_string()));
    }
    replace_secret_file(path, &secrets)?;
    Ok(dropped.into_iter().map(|(number, _)| number).collect())
}

fn replace_secret_file(path: &Path, secrets: &VersionedSecrets) -> Result<(), SecretFileError> {
    let lines =
        secrets.0.iter().rev().map(|(version, secret)| format!("{version} {}\n", HEXLOWER.encode(&**secret)));
    let text = Zeroizing::new(lines.collect::<String>());
    atomic_file::replace(path, text.as_bytes()).map_err(|error| SecretFileError::Write(path.into(), error))
}

/// Writes a new file of mode 0600, whole or not at all. A key that exists is never overwritten.
pub fn create_private_file(path: &Path, content: &[u8]) -> io::Result<()> {
    atomic_file::create_new(path, content)
}

/// Demands that nobody but the owner may read the file.
pub fn check_private_mode(path: &Path) -> Result<(), SecretFileError> {
    let metadata = fs::metadata(path).map_err(|error| SecretFileError::Read(path.into(), error))?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777;
        if mode & 0o077 != 0 {
            return Err(SecretFileError::Mode { path: path.into(), mode });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_made_file_reads_back_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        assert!(create_secret_file(&path).unwrap());
        let first = fs::read(&path).unwrap();
        assert!(!create_secret_file(&path).unwrap());
        assert_eq!(fs::read(&path).unwrap(), first, "a secret is never overwritten");
        assert_eq!(VersionedSecrets::read(&path).unwrap().current().0, 1);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[test]
    fn a_version_is_added_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        create_secret_file(&path).unwrap();
        let first = VersionedSecrets::read(&path).unwrap();
        assert_eq!(add_secret_version(&path).unwrap(), 2);
        let both = VersionedSecrets::read(&path).unwrap();
        assert_eq!(both.versions().collect::<Vec<_>>(), [2, 1]);
        assert_eq!(both.get(1), first.get(1), "the old one stays as it was");
        assert_ne!(both.get(2), both.get(1));
        assert!(remove_secret_versions_below(&path, 3).is_err(), "the last one stays");
        assert_eq!(remove_secret_versions_below(&path, 2).unwrap(), [1]);
        assert_eq!(VersionedSecrets::read(&path).unwrap().get(2), both.get(2));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left behind");
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kek");
        create_secret_file(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(VersionedSecrets::read(&path), Err(SecretFileError::Mode { mode: 0o640, .. })));
    }

    #[test]
    fn versions_sort_and_do_not_repeat() {
        let (a, b) = ("aa".repeat(32), "bb".repeat(32));
        let secrets = VersionedSecrets::parse(&format!("1 {a}\n\n3 {b}\n")).unwrap();
        assert_eq!(secrets.versions().collect::<Vec<_>>(), [3, 1]);
        assert_eq!(secrets.get(1).unwrap(), [0xaa; 32]);
        assert!(secrets.get(2).is_none());
        assert_eq!(format!("{secrets:?}"), "[redacted]");
        for wrong in
            ["", "\n", "1", &a, &format!("1 {}", &a[1..]), &format!("x {a}"), &format!("1 {a}\n1 {b}")]
        {
            assert!(VersionedSecrets::parse(wrong).is_none(), "{wrong}");
        }
    }
}
