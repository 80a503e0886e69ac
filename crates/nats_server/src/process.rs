//! One nats-server process.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

#[cfg(doc)]
use crate::NATS_CONF;
use crate::{Role, RoleKeys};

/// How long the server may take to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// How long it may take to end by itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Between two looks for the server's word.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What a private server needs.
#[derive(Debug, Clone)]
pub struct NatsServerSettings {
    /// The nats-server to run.
    pub binary: PathBuf,
    /// The server's own folder: configuration, store and log.
    pub folder: PathBuf,
    /// The configuration: the repository's, [`NATS_CONF`].
    pub conf: Cow<'static, str>,
    /// Who may come in.
    pub keys: RoleKeys,
    /// Certificate and key in PEM, where connections are to be encrypted.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// The port on 127.0.0.1; `None` lets the server choose a free one.
    pub port: Option<u16>,
}

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A file or the process could not be made.
    #[error("the private nats-server can't be started in {}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// It ended at once.
    #[error("the private nats-server ended with {status}; its log is {}", .log.display())]
    Exited {
        /// How.
        status: ExitStatus,
        /// Where it says why.
        log: PathBuf,
    },
    /// It does not say where it listens.
    #[error("the private nats-server did not get ready in {} s; its log is {}", START_TIMEOUT.as_secs(), .0.display())]
    StartTimeout(PathBuf),
}

/// A running server. It is killed when this value goes away.
pub struct NatsServer {
    child: Child,
    /// The guard's lifeline, kept apart: waiting for a child closes the pipe that it still has.
    _lifeline: Option<ChildStdin>,
    port: u16,
    ports_file: PathBuf,
}

impl NatsServer {
    /// Starts a server and returns when it listens.
    pub async fn start(settings: &NatsServerSettings) -> Result<Self, StartError> {
        let folder = &settings.folder;
        let io_error = |error| StartError::Io(folder.clone(), error);
        let command = prepare_command(settings).await.map_err(io_error)?;
        let child = Command::from(command).kill_on_drop(true).spawn().map_err(io_error)?;
        Self::wait_until_ready(child, folder).await
    }

    pub(crate) async fn wait_until_ready(mut child: Child, folder: &Path) -> Result<Self, StartError> {
        let log = folder.join("nats-server.log");
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if let Some(status) =
                child.try_wait().map_err(|error| StartError::Io(folder.to_owned(), error))?
            {
                return Err(StartError::Exited { status, log });
            }
            if let Some((port, ports_file)) = read_listening_port(folder) {
                return Ok(Self { _lifeline: child.stdin.take(), child, port, ports_file });
            }
            if Instant::now() > deadline {
                return Err(StartError::StartTimeout(log));
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients connect.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Kills it at once, as a crash would.
    pub async fn kill(mut self) -> io::Result<()> {
        self.child.kill().await?;
        self.remove_ports_file()
    }

    /// Asks it to end, waits, and insists after a while.
    pub async fn stop(mut self) -> io::Result<()> {
        terminate(&self.child)?;
        if timeout(STOP_TIMEOUT, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        self.remove_ports_file()
    }

    /// Returns when it has ended.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.child.wait().await?;
        self.remove_ports_file()?;
        Ok(status)
    }

    /// Only a server that is gone is forgotten: its guard may have died before it.
    fn remove_ports_file(&self) -> io::Result<()> {
        if let Some(folder) = self.ports_file.parent() {
            stop_stale_server(&self.ports_file, folder)?;
        }
        remove_if_exists(&self.ports_file)
    }
}

/// Removes a file that may be gone already: a server removes its own when it ends well.
fn remove_if_exists(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// [`command`], off the async workers: it may have to wait for a server of an earlier run.
pub(crate) async fn prepare_command(settings: &NatsServerSettings) -> io::Result<std::process::Command> {
    let settings = settings.clone();
    tokio::task::spawn_blocking(move || build_command(&settings)).await.map_err(io::Error::other)?
}

/// The command that runs a server, with its folder made ready.
fn build_command(settings: &NatsServerSettings) -> io::Result<std::process::Command> {
    let folder = &settings.folder;
    let store = folder.join("store");
    fs::create_dir_all(&store)?;
    for stale in find_ports_files(folder) {
        stop_stale_server(&stale, folder)?;
        remove_if_exists(&stale)?;
    }
    let config = folder.join("nats.conf");
    fs::write(&config, settings.conf.as_bytes())?;
    let mut command = std::process::Command::new(&settings.binary);
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

/// Asks the process to end.
pub(crate) fn terminate(child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    match pid {
        Some(pid) => Ok(rustix::process::kill_process(pid, rustix::process::Signal::TERM)?),
        None => Ok(()),
    }
}

/// The server's configuration reads an environment variable as it would read its own text.
fn quote(path: &Path) -> OsString {
    let mut text = OsString::from("\"");
    text.push(path);
    text.push("\"");
    text
}

fn find_ports_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "ports"))
        .collect()
}

/// Ends a server of an earlier run that a crash left behind: it still holds this folder's store.
fn stop_stale_server(ports_file: &Path, folder: &Path) -> io::Result<()> {
    let name = ports_file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let pid =
        name.rsplit('_').next().and_then(|pid| pid.parse().ok()).and_then(rustix::process::Pid::from_raw);
    let Some(pid) = pid else { return Ok(()) };
    // The number may belong to somebody else by now: only a process that runs this very configuration is ours.
    let config = folder.join("nats.conf");
    let is_ours = || command_line(pid).is_some_and(|line| line.contains(&*config.to_string_lossy()));
    if is_ours() {
        tracing::warn!(pid = pid.as_raw_nonzero(), "ending the nats-server that an earlier run left behind");
        // It may end by itself just now: what counts is that it is gone in the end.
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let deadline = std::time::Instant::now() + STOP_TIMEOUT;
        while is_ours() {
            if std::time::Instant::now() > deadline {
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
            std::thread::sleep(POLL_INTERVAL * 5);
        }
    }
    Ok(())
}

/// What a process was started with: from `/proc`, and where there is none, from `ps`.
fn command_line(pid: rustix::process::Pid) -> Option<String> {
    let pid = pid.as_raw_nonzero().to_string();
    let line = match fs::read(Path::new("/proc").join(&pid).join("cmdline")) {
        Ok(line) => line,
        Err(_) => std::process::Command::new("ps").args(["-o", "args=", "-p", &pid]).output().ok()?.stdout,
    };
    Some(String::from_utf8_lossy(&line).into_owned())
}

/// The server writes where it listens into `nats-server_<pid>.ports`.
fn read_listening_port(folder: &Path) -> Option<(u16, PathBuf)> {
    #[derive(Deserialize)]
    struct Ports {
        nats: Vec<String>,
    }
    let path = find_ports_files(folder).pop()?;
    let ports: Ports = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
    let port = ports.nats.first()?.rsplit(':').next()?.parse().ok()?;
    Some((port, path))
}
