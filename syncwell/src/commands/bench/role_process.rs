//! One role as a process of its own.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::Context;
use client::HttpConnection;
use http::Request;
use tokio::time::sleep;

/// Turns the rate limits off: a benchmark measures without them.
const NO_RATE_LIMITS_ENV: [(&str, &str); 2] =
    [("SYNCWELL_RATES__PER_USER_PER_MINUTE", "0"), ("SYNCWELL_RATES__PER_IP_PER_5_MINUTES", "0")];
/// Pause between two polls of `/readyz`.
const READY_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A role's process; killed when dropped.
pub(super) struct RoleProcess(Child);

impl Drop for RoleProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl RoleProcess {
    /// The process id.
    pub(super) fn id(&self) -> u32 {
        self.0.id()
    }
}

/// Starts a role and returns it with its address.
pub(super) fn start_role(
    command: &[&str],
    folder: &Path,
    nats: &str,
) -> anyhow::Result<(RoleProcess, String)> {
    start_role_with_env(command, folder, nats, &[])
}

/// Starts a role with more environment variables.
pub(super) fn start_role_with_env(
    command: &[&str],
    folder: &Path,
    nats: &str,
    environment: &[(&str, String)],
) -> anyhow::Result<(RoleProcess, String)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(command)
        .args(["--listen", "127.0.0.1:0", "--nats", nats, "--log", "error", "--data-dir"])
        .arg(folder)
        .envs(NO_RATE_LIMITS_ENV)
        .envs(environment.iter().map(|(name, value)| (*name, value)))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let output = child.stdout.take().context("BUG: standard output is piped")?;
    let role = RoleProcess(child);
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    let url = line.strip_prefix("listening ").with_context(|| format!("{command:?} did not start"))?;
    Ok((role, url.trim().to_owned()))
}

/// Waits until the role answers that it is ready.
pub(super) async fn wait_until_ready(url: &str) -> anyhow::Result<()> {
    let mut connection = HttpConnection::new(url)?;
    while !connection
        .send(Request::get("/readyz"), bytes::Bytes::new())
        .await
        .is_ok_and(|answer| answer.status.is_success())
    {
        sleep(READY_POLL_INTERVAL).await;
    }
    Ok(())
}
