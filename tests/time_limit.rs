//! The harness: a test that hangs fails the run.

use std::process::{Command, Stdio};

use crate::harness::wait_until;

const HANG: &str = "SYNCWELL_TEST_HANG";

/// Hangs if it is told to, in the run that the next test starts; else it has nothing to do.
#[tokio::test]
async fn a_test_that_may_hang() {
    if std::env::var_os(HANG).is_some() {
        wait_until("never", async || {
            // Blocks its thread, which no asynchronous timeout would notice.
            std::thread::park();
            None::<()>
        })
        .await;
    }
}

#[test]
fn a_test_that_hangs_fails_the_run() {
    let run = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "time_limit::a_test_that_may_hang"])
        .envs([(HANG, "1"), ("SYNCWELL_TEST_LIMIT_SECONDS", "1")])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(101), "{run:?}");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(said.contains("test time_limit::a_test_that_may_hang has not ended after 1 s"), "{said}");
}
