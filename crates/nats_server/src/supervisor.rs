//! A server that is started again when it dies, and that never outlives the one who wanted it.

use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use runtime::backoff;
use tokio::process::Command;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::process::{NatsServer, NatsServerSettings, StartError, prepare_command};

/// The first pause before a dead server is started again; doubled each time …
const RESTART_DELAY_MIN: Duration = Duration::from_millis(100);
/// … up to this.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(10);
/// A server that ran this long was well: the next pause is the first one again.
const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// A supervised server.
pub struct SupervisedServer {
    url: String,
    stop: oneshot::Sender<()>,
    supervisor: JoinHandle<io::Result<()>>,
}

impl SupervisedServer {
    /// Starts the server and returns when it listens. `guard` is a command that runs [`guard`]: it stands between, and
    /// ends the server when this process is gone, however that happened.
    pub async fn start(mut settings: NatsServerSettings, guard: PathBuf) -> Result<Self, StartError> {
        let server = spawn_guarded(&settings, &guard).await?;
        // Clients know this port by now, so a server started again must have it too.
        settings.port = Some(server.port());
        let url = server.url();
        let (stop, stopped) = oneshot::channel();
        let supervisor = tokio::spawn(supervise(settings, guard, server, stopped));
        Ok(Self { url, stop, supervisor })
    }

    /// Where clients connect.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Ends the server cleanly.
    pub async fn stop(self) -> io::Result<()> {
        let _ = self.stop.send(());
        self.supervisor.await.map_err(io::Error::other)?
    }
}

async fn supervise(
    settings: NatsServerSettings,
    guard: PathBuf,
    mut server: NatsServer,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let mut delays = backoff(RESTART_DELAY_MIN, RESTART_DELAY_MAX);
    loop {
        let started = Instant::now();
        tokio::select! {
            _ = &mut stopped => return server.stop().await,
            status = server.wait() => tracing::error!(exit_status = %status?, "the nats-server died; starting it again"),
        }
        if started.elapsed() > HEALTHY_AFTER {
            delays = backoff(RESTART_DELAY_MIN, RESTART_DELAY_MAX);
        }
        server = loop {
            tokio::select! {
                _ = &mut stopped => return Ok(()),
                () = sleep(delays.next().unwrap_or(RESTART_DELAY_MAX)) => {}
            }
            match spawn_guarded(&settings, &guard).await {
                Ok(server) => break server,
                Err(error) => tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "the nats-server does not start"
                ),
            }
        };
        tracing::info!(url = server.url(), "the nats-server runs again");
    }
}

/// Runs the server behind a guard: `<guard> <server> <arguments…>`, with a pipe from this process as standard input.
async fn spawn_guarded(settings: &NatsServerSettings, guard: &PathBuf) -> Result<NatsServer, StartError> {
    let io_error = |error| StartError::Io(settings.folder.clone(), error);
    let server = prepare_command(settings).await.map_err(io_error)?;
    let mut guarded = Command::new(guard);
    guarded.env_clear();
    guarded.arg("broker-guard").arg(server.get_program()).args(server.get_args());
    for (name, value) in server.get_envs() {
        if let Some(value) = value {
            guarded.env(name, value);
        }
    }
    guarded.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
    let child = guarded.spawn().map_err(io_error)?;
    NatsServer::wait_until_ready(child, &settings.folder).await
}

/// The guard's whole life: runs the command, ends it when standard input closes, and ends with it.
///
/// The pipe closes when the process at its other end is gone, even by SIGKILL. Portable, where a parent-death signal is
/// not.
pub async fn run_guard(program: PathBuf, arguments: Vec<std::ffi::OsString>) -> io::Result<i32> {
    let mut server = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    let (gone, parent_gone) = oneshot::channel();
    std::thread::spawn(move || {
        let mut end = [0; 1];
        // Nothing is ever written: any return means that the other end is closed.
        let _ = io::stdin().read(&mut end);
        let _ = gone.send(());
    });
    let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        status = server.wait() => return Ok(status?.code().unwrap_or(1)),
        _ = parent_gone => {}
        _ = asked.recv() => {}
    }
    crate::process::terminate(&server)?;
    Ok(server.wait().await?.code().unwrap_or(1))
}
