//! Servers that an earlier run left running.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Time for a server to end after SIGTERM; then it is killed.
pub(crate) const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// Pause between two polls whether the server has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Ends a server that an earlier run left running after a crash: it still uses this folder's store.
pub(crate) fn stop_stale_server(ports_file: &Path, folder: &Path) -> io::Result<()> {
    let name = ports_file.file_stem().and_then(|name| name.to_str()).unwrap_or_default();
    let pid = name.rsplit('_').next().and_then(|pid| pid.parse().ok()).and_then(Pid::from_raw);
    let Some(pid) = pid else { return Ok(()) };
    // The number may belong to somebody else by now: only a process that runs this very configuration is ours.
    let config = folder.join("nats.conf");
    let is_ours = || command_line(pid).is_some_and(|line| line.contains(&*config.to_string_lossy()));
    if is_ours() {
        tracing::warn!(pid = pid.as_raw_nonzero(), "ending the nats-server that an earlier run left behind");
        // It may end by itself just now: what counts is that it is gone in the end.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while is_ours() {
            if Instant::now() > deadline {
                let _ = kill_process(pid, Signal::KILL);
            }
            std::thread::sleep(POLL_INTERVAL);
        }
    }
    Ok(())
}

/// Command line of a process: from `/proc`, on systems without it from `ps`.
fn command_line(pid: Pid) -> Option<String> {
    let pid = pid.as_raw_nonzero().to_string();
    let line = match fs::read(Path::new("/proc").join(&pid).join("cmdline")) {
        Ok(line) => line,
        Err(_) => Command::new("ps").args(["-o", "args=", "-p", &pid]).output().ok()?.stdout,
    };
    Some(String::from_utf8_lossy(&line).into_owned())
}
