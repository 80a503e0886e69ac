//! One nats-server process.

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::{Instant, sleep, timeout};

use crate::ports_file::{read_listening_port, remove_if_exists};
use crate::server_command::{NatsServerSettings, prepare_command};
use crate::stale_server::{STOP_TIMEOUT, stop_stale_server};

/// Time for the server to say where it listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two polls of the ports file.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

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

/// Asks the process to end.
pub(crate) fn terminate(child: &Child) -> io::Result<()> {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    match pid {
        Some(pid) => Ok(kill_process(pid, Signal::TERM)?),
        None => Ok(()),
    }
}
