//! How fast a receiver is asked. Whoever took nothing lately is asked one at a time and with pauses, so that a dead receiver
//! costs little; and at once as fast as any other when it takes something again.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row, and the receiver is held back.
const CONSECUTIVE_FAILURES_MAX: u32 = 8;

pub(super) struct Throttle {
    failures: u32,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Throttle {
    /// `pause`: between two messages to a receiver that is held back.
    pub(super) fn new(pause: Duration) -> Self {
        Self { failures: 0, pause, not_before: None }
    }

    pub(super) fn is_throttled(&self) -> bool {
        self.failures >= CONSECUTIVE_FAILURES_MAX
    }

    /// How long nothing is sent.
    pub(super) fn remaining_pause(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|at| at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// After some attempts; says whether the receiver is held back from now on and was not before.
    pub(super) fn record(&mut self, delivered: usize, failed: usize, now: Instant) -> bool {
        let was_held = self.is_throttled();
        if delivered > 0 {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX));
        }
        self.not_before = self.is_throttled().then(|| now + self.pause);
        self.is_throttled() && !was_held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_takes_nothing_is_held_back() {
        let pause = Duration::from_secs(30);
        let (mut pace, now) = (Throttle::new(pause), Instant::now());
        assert!(!pace.record(0, 7, now) && !pace.is_throttled() && pace.remaining_pause(now).is_none());
        assert!(!pace.record(1, 15, now) && !pace.is_throttled(), "it took one");
        assert!(pace.record(0, 16, now) && pace.is_throttled());
        assert_eq!(pace.remaining_pause(now), Some(pause));
        assert_eq!(pace.remaining_pause(now + pause), None, "then one more is tried");
        assert!(!pace.record(0, 1, now + pause), "that is told once");
        assert!(!pace.record(1, 0, now) && !pace.is_throttled() && pace.remaining_pause(now).is_none());
    }
}
