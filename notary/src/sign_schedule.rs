//! Decides when the next checkpoint is signed. Pure.

use std::time::Duration;

use tokio::time::Instant;

/// Signs the first event of a quiet log at once, and a growing log every interval.
pub(crate) struct SignSchedule {
    signed_size: u64,
    not_before: Instant,
    interval: Duration,
}

impl SignSchedule {
    pub(crate) fn new(signed_size: u64, now: Instant, interval: Duration) -> Self {
        Self { signed_size, not_before: now, interval }
    }

    /// The time to sign a tree of this size; `None` if its size is signed.
    pub(crate) fn sign_at(&self, tree_size: u64) -> Option<Instant> {
        (tree_size > self.signed_size).then_some(self.not_before)
    }

    pub(crate) fn record_signed(&mut self, tree_size: u64, now: Instant) {
        (self.signed_size, self.not_before) = (tree_size, now + self.interval);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_log_is_signed_at_once_and_a_growing_one_every_interval() {
        let (start, interval) = (Instant::now(), Duration::from_secs(5));
        let mut schedule = SignSchedule::new(10, start, interval);
        assert_eq!(schedule.sign_at(10), None, "no new event, no checkpoint");
        assert_eq!(schedule.sign_at(11), Some(start));
        let signed_at = start + Duration::from_secs(60);
        schedule.record_signed(11, signed_at);
        assert_eq!(schedule.sign_at(11), None);
        assert_eq!(schedule.sign_at(12), Some(signed_at + interval));
    }
}
