//! Child processes that do not outlive their test.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::time_limit;

/// How long anything may take that a test waits for. A hung test is a failed one.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_secs(60);

/// A `syncwell` process.
pub(crate) struct Process {
    child: Child,
    /// Where its log lines go.
    pub(crate) log_path: PathBuf,
}

impl Process {
    /// Starts the binary and returns it with the first line of its standard output that begins with `announcement`.
    pub(crate) fn start(
        arguments: &[&str],
        environment: &[(&str, &str)],
        log: PathBuf,
        announcement: &str,
    ) -> (Self, String) {
        let lines = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let mut child =
            syncwell_command(arguments, environment).stdout(Stdio::piped()).stderr(lines).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with(announcement) {
            line.clear();
            let read = output.read_line(&mut line).unwrap();
            assert!(
                read > 0,
                "{arguments:?} ended before `{announcement}`; its log:\n{}",
                std::fs::read_to_string(&log).unwrap()
            );
        }
        let announced = line[announcement.len()..].trim().to_owned();
        // Keeps the pipe open and empty.
        std::thread::spawn(move || std::io::copy(&mut output, &mut std::io::sink()));
        (Self { child, log_path: log }, announced)
    }

    /// Starts the binary and waits for nothing; what it prints goes to its log too.
    pub(crate) fn spawn(arguments: &[&str], log: PathBuf) -> Self {
        let lines = std::fs::OpenOptions::new().create(true).append(true).open(&log).unwrap();
        let output = lines.try_clone().unwrap();
        let child = syncwell_command(arguments, &[]).stdout(output).stderr(lines).spawn().unwrap();
        Self { child, log_path: log }
    }

    /// The exit code, if it has ended.
    pub(crate) fn try_exit_code(&mut self) -> Option<Option<i32>> {
        self.child.try_wait().unwrap().map(|status| status.code())
    }

    /// SIGKILL: no chance to tidy up.
    pub(crate) fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the exit code.
    pub(crate) async fn stop(&mut self) -> Option<i32> {
        self.send_signal(Signal::TERM);
        self.wait_for_exit().await
    }

    /// SIGSTOP: it does nothing any more, and does not know.
    pub(crate) fn pause(&self) {
        self.send_signal(Signal::STOP);
    }

    /// SIGCONT.
    pub(crate) fn resume(&self) {
        self.send_signal(Signal::CONT);
    }

    fn send_signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id() as i32).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Waits for the end, and returns the exit code.
    pub(crate) async fn wait_for_exit(&mut self) -> Option<i32> {
        wait_until("the process has ended", async || self.child.try_wait().unwrap()).await.code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a command to its end.
pub(crate) fn run_syncwell(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    syncwell_command(arguments, environment).stdin(Stdio::null()).output().unwrap()
}

fn syncwell_command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    time_limit::enforce();
    let mut command = Command::new(env!("CARGO_BIN_EXE_syncwell"));
    // Whoever waits for a checkpoint in a test need not wait for as long as elsewhere.
    command.env("SYNCWELL_AUDIT__CHECKPOINT_SECONDS", "1");
    command.args(arguments).envs(environment.iter().copied());
    command
}

/// Looks again and again until there is something, and gives up loudly after a minute.
pub(crate) async fn wait_until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    time_limit::enforce();
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mut tick = interval(Duration::from_millis(15));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited a minute until {what}");
    }
}

/// The nats-server that `syncwell up` would run too.
pub(crate) fn nats_server_binary() -> &'static Path {
    static SERVER: OnceLock<PathBuf> = OnceLock::new();
    time_limit::enforce();
    SERVER.get_or_init(|| {
        let cache = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(".cache");
        nats_server::find_or_install(std::env::var_os("PATH").as_deref(), &cache, |line| println!("{line}"))
            .unwrap()
    })
}
