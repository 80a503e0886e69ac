//! How fast a receiver is asked. Whoever took nothing lately is asked one at a time and with pauses, so that a dead receiver
//! costs little; and at once as fast as any other when it takes something again.

use std::time::Duration;

use tokio::time::Instant;

/// So many failures in a row, and the receiver is held back.
const FAILURES_MAX: u32 = 8;

pub(super) struct Pace {
    failures: u32,
    pause: Duration,
    not_before: Option<Instant>,
}

impl Pace {
    /// `pause`: between two messages to a receiver that is held back.
    pub(super) fn new(pause: Duration) -> Self {
        Self { failures: 0, pause, not_before: None }
    }

    pub(super) fn is_held(&self) -> bool {
        self.failures >= FAILURES_MAX
    }

    /// How long nothing is sent.
    pub(super) fn wait(&self, now: Instant) -> Option<Duration> {
        self.not_before.map(|at| at.saturating_duration_since(now)).filter(|wait| !wait.is_zero())
    }

    /// After some attempts; says whether the receiver is held back from now on and was not before.
    pub(super) fn note(&mut self, delivered: usize, failed: usize, now: Instant) -> bool {
        let was_held = self.is_held();
        if delivered > 0 {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX));
        }
        self.not_before = self.is_held().then(|| now + self.pause);
        self.is_held() && !was_held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whoever_takes_nothing_is_held_back() {
        let pause = Duration::from_secs(30);
        let (mut pace, now) = (Pace::new(pause), Instant::now());
        assert!(!pace.note(0, 7, now) && !pace.is_held() && pace.wait(now).is_none());
        assert!(!pace.note(1, 15, now) && !pace.is_held(), "it took one");
        assert!(pace.note(0, 16, now) && pace.is_held());
        assert_eq!(pace.wait(now), Some(pause));
        assert_eq!(pace.wait(now + pause), None, "then one more is tried");
        assert!(!pace.note(0, 1, now + pause), "that is told once");
        assert!(!pace.note(1, 0, now) && !pace.is_held() && pace.wait(now).is_none());
    }
}
