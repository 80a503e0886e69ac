//! When a delivery was signed.

use http::HeaderName;
use jiff::Timestamp;

use super::WebhookError;
use crate::table_reader::Section;

/// The longest tolerance, in seconds: a week, as long as the most patient provider tries again.
const TOLERANCE_SECONDS_MAX: i64 = 7 * 86_400;
/// How far ahead a provider's clock may be, in seconds. A long tolerance is for late deliveries, not for early ones.
const AHEAD_SECONDS_MAX: i64 = 300;
/// The longest timestamp, in digits.
const DIGITS_MAX: usize = 15;

/// Where the timestamp stands and how old it may be.
#[derive(Debug, Clone)]
pub(super) struct TimestampRule {
    /// `None`: in the signature header itself.
    pub(super) header: Option<HeaderName>,
    unit: TimestampUnit,
    tolerance_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TimestampUnit {
    Seconds,
    Milliseconds,
}

impl TimestampRule {
    pub(super) fn parse(section: &mut Section, in_signature: bool) -> Option<Self> {
        section.require_keys(&["timestamp_unit", "tolerance_seconds"]);
        let header: Option<HeaderName> = section.parse_string("timestamp_header");
        if in_signature && header.is_some() {
            section
                .add_error("timestamp_header", "is there, but the signature's elements have the timestamp");
        }
        let unit = section.choice(
            "timestamp_unit",
            &[("seconds", TimestampUnit::Seconds), ("milliseconds", TimestampUnit::Milliseconds)],
        );
        let tolerance_seconds = section.integer("tolerance_seconds", 1..=TOLERANCE_SECONDS_MAX);
        Some(Self { header, unit: unit?, tolerance_seconds: tolerance_seconds? })
    }

    /// Judges the age; the text is already known to be signed.
    pub(super) fn check_age(&self, text: &str, now: Timestamp) -> Result<(), WebhookError> {
        let signed_at =
            parse_decimal(text).ok_or(WebhookError::Malformed("the timestamp is not a number"))?;
        let (now, per_second) = match self.unit {
            TimestampUnit::Seconds => (now.as_second(), 1),
            TimestampUnit::Milliseconds => (now.as_millisecond(), 1000),
        };
        let age = now - signed_at;
        let ahead_max = AHEAD_SECONDS_MAX.min(self.tolerance_seconds) * per_second;
        if age <= self.tolerance_seconds * per_second && -age <= ahead_max {
            Ok(())
        } else {
            Err(WebhookError::StaleTimestamp)
        }
    }
}

/// A number in its one spelling.
pub(crate) fn parse_decimal(text: &str) -> Option<i64> {
    let plain = text.len() <= DIGITS_MAX && text.bytes().all(|byte| byte.is_ascii_digit());
    let number: i64 = if plain { text.parse().ok()? } else { return None };
    (number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(unit: TimestampUnit, tolerance_seconds: i64) -> TimestampRule {
        TimestampRule { header: None, unit, tolerance_seconds }
    }

    #[test]
    fn the_bounds_count_as_fresh() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let check = |rule: &TimestampRule, at: i64| rule.check_age(&at.to_string(), now);
        let seconds = rule(TimestampUnit::Seconds, 300);
        assert_eq!(check(&seconds, 1_800_000_000 - 300), Ok(()));
        assert_eq!(check(&seconds, 1_800_000_000 + 300), Ok(()));
        assert_eq!(check(&seconds, 1_800_000_000 - 301), Err(WebhookError::StaleTimestamp));
        assert_eq!(check(&seconds, 1_800_000_000 + 301), Err(WebhookError::StaleTimestamp));
        let milliseconds = rule(TimestampUnit::Milliseconds, 300);
        assert_eq!(check(&milliseconds, 1_800_000_000_000 - 300_000), Ok(()));
        assert_eq!(check(&milliseconds, 1_800_000_000_000 - 300_001), Err(WebhookError::StaleTimestamp));
        assert_eq!(
            check(&milliseconds, 1_800_000_000),
            Err(WebhookError::StaleTimestamp),
            "seconds, not milliseconds"
        );
    }

    #[test]
    fn a_long_tolerance_is_not_for_clocks_ahead() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let day = rule(TimestampUnit::Seconds, 93_600);
        assert_eq!(day.check_age(&(1_800_000_000 - 93_600).to_string(), now), Ok(()));
        assert_eq!(day.check_age(&(1_800_000_000 + 301).to_string(), now), Err(WebhookError::StaleTimestamp));
        let short = rule(TimestampUnit::Seconds, 10);
        assert_eq!(
            short.check_age(&(1_800_000_000 + 11).to_string(), now),
            Err(WebhookError::StaleTimestamp)
        );
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!(parse_decimal("1614265330"), Some(1_614_265_330));
        assert_eq!(parse_decimal("0"), Some(0));
        for text in ["", "-1", "+1", "01", "1.0", "1e9", " 1", "1 ", "٣", "1234567890123456"] {
            assert_eq!(parse_decimal(text), None, "{text}");
        }
    }
}
