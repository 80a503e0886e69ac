//! Delays between retries.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};

/// Delays that double from `min` to `max` and then stay there. The iterator does not end; the caller bounds the retries.
pub fn backoff(min: Duration, max: Duration) -> impl Iterator<Item = Duration> + Send {
    ExponentialBuilder::new().with_min_delay(min).with_max_delay(max).without_max_times().build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_up_to_the_bound_and_does_not_end() {
        let ms = Duration::from_millis;
        // The factor is a floating-point number: a delay may be off by nanoseconds.
        let delays: Vec<_> = backoff(ms(100), ms(500)).take(5).map(|delay| delay.as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 500, 500]);
        assert_eq!(backoff(ms(1), ms(10)).nth(10_000), Some(ms(10)));
    }
}
