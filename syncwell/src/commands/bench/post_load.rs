//! Signed posts of distinct users over so many connections, each sending the next as soon as the last is answered.

use std::time::Duration;

use client::{Credentials, Phone};
use runtime::system_clock;
use schemas::{Accepted, Outcome};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::statistics::median;

/// What a load came to.
#[derive(Debug, Default)]
pub(super) struct LoadMeasurement {
    /// Posts that were answered after fsync with their outcome.
    pub(super) accepted: u64,
    /// Posts that were accepted without an outcome in time.
    pub(super) without_outcome: u64,
    /// Posts that were refused.
    pub(super) refused: u64,
    pub(super) latencies: Vec<Duration>,
    pub(super) elapsed: Duration,
}

impl LoadMeasurement {
    pub(super) fn accepted_per_s(&self) -> f64 {
        self.accepted as f64 / self.elapsed.as_secs_f64()
    }

    /// The latency that `share` of the posts stay below, in milliseconds.
    pub(super) fn percentile_ms(&mut self, share: f64) -> f64 {
        self.latencies.sort_unstable();
        let at = ((self.latencies.len() as f64 * share) as usize).min(self.latencies.len().saturating_sub(1));
        self.latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
    }
}

/// What the runs of one load came to.
#[derive(Serialize)]
pub(super) struct LoadReport {
    pub(super) connections: usize,
    pub(super) accepted_per_s: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) without_outcome: u64,
    pub(super) refused: u64,
    pub(super) times_one_at_a_time: f64,
}

impl LoadReport {
    /// The heads of the table.
    pub(super) const COLUMNS: [&str; 7] =
        ["connections", "accepted/s", "p50 ms", "p99 ms", "x one at a time", "no outcome", "refused"];

    /// Medians; `single` is what the broker alone does one message at a time.
    pub(super) fn from_runs(connections: usize, mut runs: Vec<LoadMeasurement>, single: f64) -> Self {
        let accepted_per_s = median(runs.iter().map(LoadMeasurement::accepted_per_s).collect());
        Self {
            connections,
            accepted_per_s,
            p50_ms: median(runs.iter_mut().map(|run| run.percentile_ms(0.5)).collect()),
            p99_ms: median(runs.iter_mut().map(|run| run.percentile_ms(0.99)).collect()),
            without_outcome: runs.iter().map(|run| run.without_outcome).sum(),
            refused: runs.iter().map(|run| run.refused).sum(),
            times_one_at_a_time: accepted_per_s / single,
        }
    }

    pub(super) fn to_row(&self) -> Vec<String> {
        vec![
            self.connections.to_string(),
            format!("{:.0}", self.accepted_per_s),
            format!("{:.1}", self.p50_ms),
            format!("{:.1}", self.p99_ms),
            format!("{:.1}", self.times_one_at_a_time),
            self.without_outcome.to_string(),
            self.refused.to_string(),
        ]
    }
}

/// Posts over one connection per group of users: each connection has users of its own.
pub(super) async fn run_post_load(
    users: &[Vec<Credentials>],
    lasting: Duration,
) -> anyhow::Result<LoadMeasurement> {
    let mut connections = JoinSet::new();
    let started = Instant::now();
    for users in users {
        let mut phones = users.iter().cloned().map(Phone::new).collect::<Result<Vec<_>, _>>()?;
        connections.spawn(async move {
            let mut measured = LoadMeasurement::default();
            let mut number = 0_u32;
            while started.elapsed() < lasting {
                let turn = number as usize % phones.len();
                number += 1;
                post_one(&mut phones[turn], number, &mut measured).await?;
            }
            anyhow::Ok(measured)
        });
    }
    let mut all = LoadMeasurement::default();
    while let Some(connection) = connections.join_next().await {
        let measured = connection??;
        all.accepted += measured.accepted;
        all.without_outcome += measured.without_outcome;
        all.refused += measured.refused;
        all.latencies.extend(measured.latencies);
    }
    all.elapsed = started.elapsed();
    Ok(all)
}

async fn post_one(phone: &mut Phone, number: u32, measured: &mut LoadMeasurement) -> anyhow::Result<()> {
    let now = system_clock();
    let date = jiff::tz::Offset::UTC.to_datetime(now).date();
    let body = format!(
        r#"{{"date":"{date}","steps":{steps},"resting_hr":58,"sleep_hours":7.4,"hrv":46.2,"workouts":[{{"type":"running","duration":42,"calories":418.5,"start_time":"{date}T06:22:00Z"}}],"generated_at":"{now}"}}"#,
        steps = number % 20_000,
    );
    let signed = phone.sign(now.as_millisecond().to_string(), body);
    let sent = Instant::now();
    let reply = phone.post_once(&signed).await?;
    measured.latencies.push(sent.elapsed());
    match serde_json::from_slice::<Accepted>(&reply.body) {
        Ok(Accepted { outcome: Some(Outcome::Created | Outcome::Merged | Outcome::Unchanged), .. }) => {
            measured.accepted += 1
        }
        Ok(Accepted { outcome: None, .. }) => measured.without_outcome += 1,
        Err(_) => measured.refused += 1,
    }
    Ok(())
}
