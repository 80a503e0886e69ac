//! Waiting for the projector to do something, with a bar.

use std::time::Duration;

use projector::{Job, JobReport, JobState, OperatorClient, OperatorError};
use serde_json::json;
use tokio::time::sleep;

use crate::progress::{Progress, format_duration};
use crate::shutdown::shutdown_signal;

/// Between two looks.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
/// Looks in a row that may get no answer.
const FAILED_POLLS_MAX: usize = 3;

/// Has a job done and waits for it. Ctrl-C cancels it.
pub(super) async fn run_job(client: &OperatorClient, job: Job, json: bool) -> anyhow::Result<JobReport> {
    let number = client.start(job).await?;
    let mut progress = Progress::new(json)?;
    let end = shutdown_signal();
    tokio::pin!(end);
    let (mut cancelled, mut lost_looks) = (false, 0);
    loop {
        let report = match client.status().await {
            Ok(status) => {
                lost_looks = 0;
                status.job
            }
            // A connection that breaks for a moment ends nothing.
            Err(OperatorError::Unavailable(_)) if lost_looks < FAILED_POLLS_MAX => {
                lost_looks += 1;
                None
            }
            Err(error) => return Err(error.into()),
        };
        if let Some(report) = report {
            anyhow::ensure!(
                report.number == number,
                "another job has begun since; how this one ended is not known"
            );
            let at = &report.progress;
            let left = at.remaining_s.map_or_else(|| "?".to_owned(), format_duration);
            let message = format!("{:.0}/s  lag {}  {left} left", at.events_per_s, at.lag_events());
            progress.update(at.position, at.target, message);
            progress.line(|| {
                json!({
                    "state": report.state, "position": at.position, "target": at.target,
                    "events_per_s": at.events_per_s, "lag_events": at.lag_events(), "remaining_s": at.remaining_s,
                })
            });
            if report.state != JobState::Running {
                progress.finish();
                return Ok(report);
            }
        }
        tokio::select! {
            () = sleep(POLL_INTERVAL) => {}
            ended = &mut end, if !cancelled => {
                ended?;
                cancelled = true;
                client.cancel(Some(number)).await?;
            }
        }
    }
}
