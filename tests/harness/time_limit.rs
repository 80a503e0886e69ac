//! A time limit for every whole-system test. A test that exceeds it ends the run: a test thread cannot be stopped from
//! outside, and a run that hangs says nothing.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Seconds a test may take. The slowest takes about a minute on two cores.
const DEFAULT_SECONDS: u64 = 300;
/// The exit code of a failed test run.
const FAILED: i32 = 101;

/// The tests that run now, by a number of their own.
static RUNNING: Mutex<BTreeMap<u64, RunningTest>> = Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

struct RunningTest {
    name: String,
    deadline: Instant,
}

/// Removes the test when its thread ends.
struct Registration(u64);

impl Drop for Registration {
    fn drop(&mut self) {
        lock_running().remove(&self.0);
    }
}

thread_local! {
    static REGISTRATION: Registration = register();
}

/// Starts the limit of the test on this thread, unless it runs already. Everything in the harness that can wait calls it.
pub(crate) fn enforce() {
    static WATCHDOG: Once = Once::new();
    WATCHDOG.call_once(|| drop(std::thread::spawn(run_watchdog)));
    // A thread that is ending has no limit to start.
    let _ = REGISTRATION.try_with(|_| ());
}

fn limit() -> Duration {
    let seconds = std::env::var_os("SYNCWELL_TEST_LIMIT_SECONDS");
    Duration::from_secs(seconds.map_or(DEFAULT_SECONDS, |seconds| {
        seconds.to_str().and_then(|text| text.parse().ok()).expect("SYNCWELL_TEST_LIMIT_SECONDS is a number")
    }))
}

fn register() -> Registration {
    let name = std::thread::current().name().unwrap_or("unnamed").to_owned();
    let mut running = lock_running();
    let number = running.last_key_value().map_or(0, |(last, _)| last + 1);
    running.insert(number, RunningTest { name, deadline: Instant::now() + limit() });
    CHANGED.notify_one();
    Registration(number)
}

fn lock_running() -> MutexGuard<'static, BTreeMap<u64, RunningTest>> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run_watchdog() {
    let mut tests = lock_running();
    loop {
        let now = Instant::now();
        if let Some(test) = tests.values().find(|test| test.deadline <= now) {
            abort_run(&test.name);
        }
        let next = tests.values().map(|test| test.deadline - now).min().unwrap_or(Duration::MAX);
        // A wait of an hour at most: some platforms reject longer ones.
        let next = next.min(Duration::from_secs(3600));
        (tests, _) = CHANGED.wait_timeout(tests, next).unwrap_or_else(PoisonError::into_inner);
    }
}

fn abort_run(test: &str) -> ! {
    // Not `eprintln!`, which the test runner captures.
    let _ = writeln!(
        std::io::stderr(),
        "\ntest {test} has not ended after {} s: the run ends here, as failed \
         (SYNCWELL_TEST_LIMIT_SECONDS sets another limit)",
        limit().as_secs()
    );
    kill_children();
    std::process::exit(FAILED);
}

/// Kills the processes that the tests started, whose `Drop` does not run. Elsewhere than on Linux they stay.
fn kill_children() {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let own = std::process::id().to_string();
    for process in processes.flatten() {
        // `pid (command) state parent …`, where the command may hold anything.
        let stat = std::fs::read_to_string(process.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1));
        let pid = process.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| parent == Some(&own)) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}
