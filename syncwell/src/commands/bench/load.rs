//! Signed posts of distinct users over so many connections, each sending the next as soon as the last is answered.

use std::time::Duration;

use client::{Credentials, Phone};
use edge::system_clock;
use schemas::{Accepted, Outcome};
use tokio::task::JoinSet;
use tokio::time::Instant;

/// What a load came to.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// Posts that were answered after fsync with their outcome.
    pub(super) accepted: u64,
    /// Posts that were accepted without an outcome in time.
    pub(super) without_outcome: u64,
    /// Posts that were refused.
    pub(super) refused: u64,
    pub(super) latencies: Vec<Duration>,
    pub(super) elapsed: Duration,
}

impl Measured {
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

/// Posts over one connection per group of users: each connection has users of its own.
pub(super) async fn post(users: &[Vec<Credentials>], lasting: Duration) -> anyhow::Result<Measured> {
    let mut connections = JoinSet::new();
    let started = Instant::now();
    for users in users {
        let mut phones = users.iter().cloned().map(Phone::new).collect::<Result<Vec<_>, _>>()?;
        connections.spawn(async move {
            let mut measured = Measured::default();
            let mut number = 0_u32;
            while started.elapsed() < lasting {
                let turn = number as usize % phones.len();
                number += 1;
                one(&mut phones[turn], number, &mut measured).await?;
            }
            anyhow::Ok(measured)
        });
    }
    let mut all = Measured::default();
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

async fn one(phone: &mut Phone, number: u32, measured: &mut Measured) -> anyhow::Result<()> {
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
