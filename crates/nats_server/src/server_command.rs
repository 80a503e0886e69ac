//! The command that runs a nats-server, and its folder.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::ports_file::{find_ports_files, remove_if_exists};
use crate::roles::{Role, RoleKeys};
use crate::stale_server::stop_stale_server;

/// Settings of a private server.
#[derive(Debug, Clone)]
pub struct NatsServerSettings {
    /// The nats-server to run.
    pub binary: PathBuf,
    /// The server's own folder: configuration, store and log.
    pub folder: PathBuf,
    /// The configuration: the repository's, [`NATS_CONF`](crate::NATS_CONF).
    pub conf: Cow<'static, str>,
    /// Public keys of the roles that may connect.
    pub keys: RoleKeys,
    /// Certificate and key in PEM, where connections are to be encrypted.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The port on 127.0.0.1; `None` lets the server choose a free one.
    pub port: Option<u16>,
}

/// Runs [`build_command`] off the async workers: it may have to wait for a server of an earlier run.
pub(crate) async fn prepare_command(settings: &NatsServerSettings) -> io::Result<Command> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || build_command(&settings)).await.map_err(io::Error::other)?
}

/// Prepares the folder and builds the command that runs a server in it.
fn build_command(settings: &NatsServerSettings) -> io::Result<Command> {
    let folder = &settings.folder;
    let store = folder.join("store");
    fs::create_dir_all(&store)?;
    for stale in find_ports_files(folder) {
        stop_stale_server(&stale, folder)?;
        remove_if_exists(&stale)?;
    }
    let config = folder.join("nats.conf");
    fs::write(&config, settings.conf.as_bytes())?;
    let mut command = Command::new(&settings.binary);
    command
        // Nothing of this process's environment, where there may be secrets.
        .env_clear()
        .arg("--config")
        .arg(&config)
        .arg("--port")
        .arg(settings.port.map_or_else(|| "-1".to_owned(), |port| port.to_string()))
        .arg("--ports_file_dir")
        .arg(folder)
        .arg("--log")
        .arg(folder.join("nats-server.log"))
        .env("SYNCWELL_STORE_DIR", quote(&store))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    if let Some((certificate, key)) = &settings.tls {
        command.arg("--tls").arg("--tlscert").arg(certificate).arg("--tlskey").arg(key);
    }
    for role in Role::ALL {
        // Where one is missing the server refuses to start, and says which.
        if let Some(key) = settings.keys.get(&role) {
            command.env(role.nkey_env_name(), key);
        }
    }
    // Ctrl-C goes to the whole foreground group; the server is to end after those who use it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    Ok(command)
}

/// Quotes a path: the server's configuration parses environment variables like its own text.
fn quote(path: &Path) -> OsString {
    let mut text = OsString::from("\"");
    text.push(path);
    text.push("\"");
    text
}
