//! How far a view is that is built: for the bar of whoever waits, and for metrics.

use std::collections::VecDeque;
use std::time::Duration;

use parking_lot::Mutex;
use schemas::Sequence;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// The rate is that of so much time.
const RATE_WINDOW: Duration = Duration::from_secs(5);
/// Looks that are remembered at most.
const SAMPLES_MAX: usize = 64;

/// What is told of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct BuildProgressReport {
    /// The sequence up to which the view has folded.
    pub position: u64,
    /// The sequence up to which it is to fold.
    pub target: u64,
    /// Events per second, lately.
    pub events_per_s: f64,
    /// Seconds until it is there, at this rate; `null` while there is no rate.
    pub remaining_s: Option<f64>,
}

impl BuildProgressReport {
    /// Events that are still to be folded.
    pub fn lag_events(&self) -> u64 {
        self.target.saturating_sub(self.position)
    }
}

/// Written by the one who builds.
#[derive(Default)]
pub(crate) struct BuildProgress(Mutex<ProgressSamples>);

#[derive(Default)]
struct ProgressSamples {
    target: u64,
    /// When the view was where.
    samples: VecDeque<(Instant, u64)>,
}

impl BuildProgress {
    /// Begins, or goes on to a later target.
    pub(crate) fn set_target(&self, position: Option<Sequence>, target: Sequence) {
        self.change(|looks| looks.target = target.get());
        self.record_position(position);
    }

    pub(crate) fn record_position(&self, position: Option<Sequence>) {
        let now = Instant::now();
        self.change(|looks| {
            looks.samples.push_back((now, position.map_or(0, Sequence::get)));
            let is_old = |looks: &ProgressSamples| {
                looks.samples.len() > SAMPLES_MAX
                    || looks.samples.get(1).is_some_and(|(at, _)| now.duration_since(*at) > RATE_WINDOW)
            };
            while is_old(looks) {
                looks.samples.pop_front();
            }
        });
        let report = self.report();
        metrics::gauge!("syncwell_rebuild_position").set(report.position as f64);
        metrics::gauge!("syncwell_rebuild_target").set(report.target as f64);
        metrics::gauge!("syncwell_rebuild_events_per_second").set(report.events_per_s);
        metrics::gauge!("syncwell_rebuild_remaining_seconds").set(report.remaining_s.unwrap_or(f64::NAN));
    }

    pub(crate) fn report(&self) -> BuildProgressReport {
        let looks = self.0.lock();
        let (Some((since, from)), Some((_, position))) = (looks.samples.front(), looks.samples.back()) else {
            return BuildProgressReport { target: looks.target, ..BuildProgressReport::default() };
        };
        // To now, not to the last look: a build that stands still gets slower.
        let seconds = since.elapsed().as_secs_f64();
        let done = position.saturating_sub(*from) as f64;
        let events_per_s = if seconds > 0.0 { done / seconds } else { 0.0 };
        let left = looks.target.saturating_sub(*position) as f64;
        let remaining_s = (events_per_s > 0.0).then(|| left / events_per_s);
        BuildProgressReport { position: *position, target: looks.target, events_per_s, remaining_s }
    }

    fn change(&self, change: impl FnOnce(&mut ProgressSamples)) {
        change(&mut self.0.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_left_follows_the_rate() {
        let progress = BuildProgress::default();
        assert_eq!(progress.report(), BuildProgressReport::default());
        progress.set_target(None, Sequence::new(1_000).unwrap());
        assert_eq!((progress.report().target, progress.report().remaining_s), (1_000, None));
        tokio::time::advance(Duration::from_secs(2)).await;
        progress.record_position(Sequence::new(200));
        let report = progress.report();
        assert_eq!((report.position, report.events_per_s, report.remaining_s), (200, 100.0, Some(8.0)));
        assert_eq!(report.lag_events(), 800);
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(progress.report().events_per_s, 50.0, "standing still is slower");
    }
}
