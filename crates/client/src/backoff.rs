//! How long to wait before the next attempt.

use std::time::Duration;

/// Doubles from attempt to attempt, up to a bound, and never waits less than the server asked for.
#[derive(Debug, Clone)]
pub struct Backoff {
    delay: Duration,
    delay_max: Duration,
    attempts_left: u32,
}

impl Backoff {
    /// `attempts` attempts in all, the first pause being `first`.
    pub fn new(first: Duration, longest: Duration, attempts: u32) -> Self {
        Self { delay: first, delay_max: longest, attempts_left: attempts.saturating_sub(1) }
    }

    /// The pause before the next attempt; `None` when there is none left.
    pub fn next_delay(&mut self, retry_after: Option<Duration>) -> Option<Duration> {
        self.attempts_left = self.attempts_left.checked_sub(1)?;
        let pause = self.delay.max(retry_after.unwrap_or_default());
        self.delay = (self.delay * 2).min(self.delay_max);
        Some(pause)
    }
}

impl Default for Backoff {
    /// 8 attempts over about half a minute.
    fn default() -> Self {
        Self::new(Duration::from_millis(250), Duration::from_secs(10), 8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_a_bound_and_ends() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(100), ms(300), 5);
        let pauses: Vec<_> = std::iter::from_fn(|| backoff.next_delay(None)).collect();
        assert_eq!(pauses, [ms(100), ms(200), ms(300), ms(300)]);
        assert_eq!(Backoff::new(ms(100), ms(300), 2).next_delay(Some(ms(900))), Some(ms(900)));
    }
}
