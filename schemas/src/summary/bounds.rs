//! What values are accepted. Operators can narrow or widen the ranges; the fold never looks at them, so events
//! that were accepted under other bounds stay what they are.

use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use super::{PerScalar, Scalar};
use crate::Quantity;

/// How far ahead of the server `generated_at` may be.
pub(super) const GENERATED_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(10);
/// The earliest date accepted.
pub(super) const DATE_MIN: Date = Date::constant(2010, 1, 1);
/// Where a date begins first.
const EARLIEST_OFFSET: SignedDuration = SignedDuration::from_hours(14);

/// A range of values: `low ≤ value ≤ high`, or `low < value ≤ high`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ValueRange {
    /// The lower end.
    pub low: f64,
    /// The upper end, always included.
    pub high: f64,
    /// Whether the lower end itself is refused. A property of the field, not of the configuration.
    pub is_low_excluded: bool,
}

impl ValueRange {
    const fn with_low_included(low: f64, high: f64) -> Self {
        Self { low, high, is_low_excluded: false }
    }

    const fn with_low_excluded(low: f64, high: f64) -> Self {
        Self { low, high, is_low_excluded: true }
    }

    pub(super) fn contains(&self, value: Quantity) -> bool {
        let value = value.get();
        let low_holds = if self.is_low_excluded { value > self.low } else { value >= self.low };
        low_holds && value <= self.high
    }

    pub(super) fn describe(&self, unit: &str) -> String {
        let low = if self.is_low_excluded { "more than" } else { "at least" };
        format!("must be {low} {} and at most {} {unit}", self.low, self.high)
    }
}

/// The accepted range of every field that holds a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SummaryBounds {
    /// One range for each scalar.
    pub scalars: PerScalar<ValueRange>,
    /// How many workouts one summary may list.
    pub workouts_max: usize,
    /// Minutes of one workout.
    pub duration: ValueRange,
    /// Kilocalories of one workout.
    pub calories: ValueRange,
}

impl Default for SummaryBounds {
    fn default() -> Self {
        Self {
            scalars: PerScalar::from_fn(|scalar| match scalar {
                Scalar::Steps => ValueRange::with_low_included(0.0, 200_000.0),
                Scalar::RestingHr => ValueRange::with_low_included(20.0, 220.0),
                Scalar::SleepHours => ValueRange::with_low_included(0.0, 24.0),
                Scalar::Hrv => ValueRange::with_low_excluded(0.0, 300.0),
            }),
            workouts_max: 100,
            duration: ValueRange::with_low_excluded(0.0, 1_440.0),
            calories: ValueRange::with_low_included(0.0, 20_000.0),
        }
    }
}

/// The latest date it is anywhere on Earth (UTC+14).
pub(super) fn latest_date(now: Timestamp) -> Date {
    Offset::UTC.to_datetime(now.saturating_add(EARLIEST_OFFSET).unwrap_or(now)).date()
}

/// The instant at which `date` begins somewhere on Earth (UTC+14).
pub(super) fn earliest_start(date: Date) -> Option<Timestamp> {
    midnight_utc(date)?.checked_sub(EARLIEST_OFFSET).ok()
}

/// Whether `instant` lies within the date, give or take one day. Every offset on Earth is within that day.
pub(super) fn is_within_one_day(instant: Timestamp, date: Date) -> bool {
    let first = date.yesterday().ok().and_then(midnight_utc);
    let end = date.tomorrow().and_then(|next| next.tomorrow()).ok().and_then(midnight_utc);
    first.is_none_or(|first| instant >= first) && end.is_none_or(|end| instant < end)
}

fn midnight_utc(date: Date) -> Option<Timestamp> {
    Offset::UTC.to_timestamp(date.to_datetime(Time::midnight())).ok()
}
