//! Whether the log can be appended to: it answers, and it is a log that keeps its promises.

use std::time::Duration;

use events::{Log, LogError};
use jetstream::Broker;
use runtime::spawn_critical;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks at a log that was well.
const POLL_INTERVAL: Duration = Duration::from_secs(2);
/// Between two looks at one that was not.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// Watches the log. Clones see the same.
#[derive(Clone)]
pub(crate) struct LogHealth {
    status: watch::Receiver<Result<(), String>>,
    broker: Broker,
}

impl LogHealth {
    pub(crate) fn start(log: Log) -> Self {
        let (sender, verdict) = watch::channel(Err("the log has not answered yet".to_owned()));
        let broker = log.broker().clone();
        spawn_critical("log health", poll_log(log, sender));
        Self { status: verdict, broker }
    }

    /// `Err` says why nothing can be appended now.
    pub(crate) fn check_available(&self) -> Result<(), String> {
        if !self.broker.is_connected() {
            return Err("the log can't be reached".to_owned());
        }
        self.status.borrow().clone()
    }
}

async fn poll_log(log: Log, verdict: watch::Sender<Result<(), String>>) {
    loop {
        log.broker().wait_connected().await;
        let found = match log.open().await {
            Ok(_) => Ok(()),
            Err(LogError::Read(_)) => Err("the log does not answer".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        let interval = if found.is_ok() { POLL_INTERVAL } else { RETRY_INTERVAL };
        let changed = verdict.send_if_modified(|current| {
            let changed = *current != found;
            current.clone_from(&found);
            changed
        });
        if changed && let Err(reason) = &found {
            tracing::error!(reason, "nothing can be appended");
        }
        sleep(interval).await;
    }
}
