//! The guard: a process between this one and the server, which ends the server when this process is gone.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::Stdio;

use tokio::process::Command;
use tokio::sync::oneshot;

use crate::process::{NatsServer, StartError, terminate};
use crate::server_command::{NatsServerSettings, prepare_command};

/// Starts the server as a child of a guard: `<guard> <server> <arguments…>`, with a pipe from this process as standard input.
pub(crate) async fn spawn_guarded(
    settings: &NatsServerSettings,
    guard: &PathBuf,
) -> Result<NatsServer, StartError> {
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

/// Runs the command, ends it when standard input closes, and ends with it.
///
/// The pipe closes when the process at its other end is gone, even by SIGKILL. This is portable, unlike a parent-death
/// signal.
pub async fn run_guard(program: PathBuf, arguments: Vec<OsString>) -> io::Result<i32> {
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
    terminate(&server)?;
    Ok(server.wait().await?.code().unwrap_or(1))
}
