//! When a message that a receiver did not take is sent again. Pure: no clock, no randomness.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// The pauses, in seconds: those that Standard Webhooks recommends, as far as three days go.
const DELAYS_SECONDS: [u32; 9] = [5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 72_000];
/// For how long a message is tried, whatever the receiver says of coming back later.
pub(super) const RETRY_WINDOW: SignedDuration = SignedDuration::from_hours(72);
/// How many pauses a schedule may have.
const DELAYS_MAX: usize = 64;
/// A receiver that takes nothing is asked this often at the most.
const THROTTLE_PAUSE_MAX: Duration = Duration::from_secs(30);

/// The pauses between the attempts at one message. Behind the last one it is parked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule(Vec<u32>);

/// No schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a schedule of retries is 1 to 64 pauses of whole seconds, at least 1 each and together at most 3 days"
)]
pub struct InvalidRetrySchedule;

impl Default for RetrySchedule {
    fn default() -> Self {
        Self(DELAYS_SECONDS.to_vec())
    }
}

impl RetrySchedule {
    /// A schedule of these pauses.
    pub fn from_seconds(delays: Vec<u32>) -> Result<Self, InvalidRetrySchedule> {
        let sum = delays.iter().map(|delay| i64::from(*delay)).sum::<i64>();
        let holds =
            (1..=DELAYS_MAX).contains(&delays.len()) && !delays.contains(&0) && sum <= RETRY_WINDOW.as_secs();
        if holds { Ok(Self(delays)) } else { Err(InvalidRetrySchedule) }
    }

    /// When a message is due again that was tried for the `attempts`th time now; `None` where that was the last.
    /// `jitter` spreads what failed together: it is worth up to a tenth of the pause, to either side.
    pub(super) fn next_attempt_at(
        &self,
        attempts: u32,
        since: Timestamp,
        now: Timestamp,
        retry_after: Option<SignedDuration>,
        jitter: u8,
    ) -> Option<Timestamp> {
        let end = since.saturating_add(RETRY_WINDOW).ok().filter(|end| now < *end)?;
        let delay = *self.0.get(usize::try_from(attempts.max(1) - 1).ok()?)?;
        let tenths_ms = i64::from(delay) * 100;
        let delay_ms = i64::from(delay) * 1_000 - tenths_ms + 2 * tenths_ms * i64::from(jitter) / 255;
        let pause = SignedDuration::from_millis(delay_ms).max(retry_after.unwrap_or(SignedDuration::ZERO));
        Some(now.saturating_add(pause).map_or(end, |due| due.min(end)))
    }

    /// The pause between two messages to a receiver that takes nothing.
    pub(super) fn throttle_pause(&self) -> Duration {
        let longest = self.0.iter().max().copied().unwrap_or(1);
        THROTTLE_PAUSE_MAX.min(Duration::from_secs(longest.into()))
    }
}

/// What a receiver says of coming back later: seconds, or an HTTP date (RFC 9110, section 10.2.3).
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<SignedDuration> {
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(SignedDuration::from_secs(text.parse().unwrap_or(i64::MAX / 2)).min(RETRY_WINDOW));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    Some(at.duration_since(now).clamp(SignedDuration::ZERO, RETRY_WINDOW))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn now() -> Timestamp {
        "2026-02-16T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn three_days_and_then_no_more() {
        let schedule = RetrySchedule::default();
        let (mut at, mut pauses) = (now(), Vec::new());
        for attempts in 1..=10 {
            let Some(next) = schedule.next_attempt_at(attempts, now(), at, None, 128) else { break };
            pauses.push(next.duration_since(at).as_secs());
            at = next;
        }
        assert_eq!(pauses.len(), 9);
        assert!(
            pauses
                .iter()
                .zip(DELAYS_SECONDS)
                .all(|(pause, delay)| (pause - i64::from(delay)).abs() <= i64::from(delay) / 100 + 1),
            "{pauses:?}"
        );
        assert!(at.duration_since(now()) <= RETRY_WINDOW);
        assert!(RetrySchedule::from_seconds(DELAYS_SECONDS.to_vec()).is_ok());
    }

    #[test]
    fn a_receiver_may_ask_for_more_time_but_not_for_more_than_there_is() {
        let schedule = RetrySchedule::from_seconds(vec![10, 10]).unwrap();
        let next =
            |seconds| schedule.next_attempt_at(1, now(), now(), Some(SignedDuration::from_secs(seconds)), 0);
        let in_seconds = |seconds| now().checked_add(SignedDuration::from_secs(seconds)).ok();
        assert_eq!(next(1), in_seconds(9), "the pause less a tenth");
        assert_eq!(next(60), in_seconds(60));
        assert_eq!(next(i64::MAX / 1_000), in_seconds(RETRY_WINDOW.as_secs()));
        let end = in_seconds(RETRY_WINDOW.as_secs()).unwrap();
        assert_eq!(schedule.next_attempt_at(2, now(), end, None, 0), None, "its time is over");
        assert_eq!(schedule.next_attempt_at(3, now(), now(), None, 0), None, "no pause is left");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let seconds = |seconds| Some(SignedDuration::from_secs(seconds));
        assert_eq!(parse_retry_after("120", now()), seconds(120));
        assert_eq!(parse_retry_after(" 0 ", now()), seconds(0));
        assert_eq!(parse_retry_after("99999999999999999999", now()), Some(RETRY_WINDOW));
        assert_eq!(parse_retry_after("Mon, 16 Feb 2026 12:01:00 GMT", now()), seconds(60));
        assert_eq!(parse_retry_after("Mon, 16 Feb 2026 11:00:00 GMT", now()), seconds(0));
        for wrong in ["", "-5", "soon", "1.5"] {
            assert_eq!(parse_retry_after(wrong, now()), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_no_schedule() {
        for wrong in [vec![], vec![0], vec![5, 0], vec![259_201], vec![1; 65], vec![u32::MAX; 3]] {
            assert_eq!(RetrySchedule::from_seconds(wrong), Err(InvalidRetrySchedule));
        }
        let held = |delays| RetrySchedule::from_seconds(delays).unwrap().throttle_pause().as_secs();
        assert_eq!((held(vec![1, 2]), held(vec![5, 300])), (2, 30));
    }

    proptest! {
        #[test]
        fn a_message_is_due_later_and_in_time(attempts in 1u32..12, waited in 0i64..300_000, after in 0i64..400_000, jitter: u8) {
            let at = now().checked_add(SignedDuration::from_secs(waited)).unwrap();
            let next = RetrySchedule::default().next_attempt_at(attempts, now(), at, Some(SignedDuration::from_secs(after)), jitter);
            if let Some(next) = next {
                prop_assert!(next > at && next.duration_since(now()) <= RETRY_WINDOW);
            }
        }
    }
}
