//! The file in which a nats-server says where it listens: `nats-server_<pid>.ports`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// Lists the ports files of a folder.
pub(crate) fn find_ports_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ports"))
        .collect()
}

/// Reads the port of a running server; `None` until the server has written the file.
pub(crate) fn read_listening_port(folder: &Path) -> Option<(u16, PathBuf)> {
    #[derive(Deserialize)]
    struct Ports {
        nats: Vec<String>,
    }
    let path = find_ports_files(folder).pop()?;
    let ports: Ports = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    let port = ports.nats.first()?.rsplit(':').next()?.parse().ok()?;
    Some((port, path))
}

/// Removes a file that may be gone already: a server removes its own when it ends well.
pub(crate) fn remove_if_exists(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
