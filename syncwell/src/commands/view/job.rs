//! Waiting for the projector to do something, with a bar.

use std::time::Duration;

use projector::{Job, JobReport, JobState, OperatorClient};
use serde_json::json;
use tokio::time::sleep;

use crate::commands::asked_to_end;
use crate::commands::progress::{Progress, duration};

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Has a job done and waits for it. Ctrl-C cancels it.
pub(super) async fn do_job(client: &OperatorClient, job: Job, json: bool) -> anyhow::Result<JobReport> {
    client.start(job).await?;
    let mut progress = Progress::events(json)?;
    let end = asked_to_end();
    tokio::pin!(end);
    let mut cancelled = false;
    loop {
        // The projector may be busy for a moment.
        if let Some(report) = client.status().await?.job {
            let at = &report.progress;
            let left = at.remaining_s.map_or_else(|| "?".to_owned(), duration);
            let message = format!("{:.0}/s  lag {}  {left} left", at.events_per_s, at.lag_events());
            progress.show(at.position, at.target, message);
            progress.line(|| {
                json!({
                    "state": report.state, "position": at.position, "target": at.target,
                    "events_per_s": at.events_per_s, "lag_events": at.lag_events(), "remaining_s": at.remaining_s,
                })
            });
            if report.state != JobState::Running {
                progress.done();
                return Ok(report);
            }
        }
        tokio::select! {
            () = sleep(LOOK_INTERVAL) => {}
            ended = &mut end, if !cancelled => {
                ended?;
                cancelled = true;
                client.cancel().await?;
            }
        }
    }
}
