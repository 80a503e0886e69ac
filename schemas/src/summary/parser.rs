//! From bytes to a [`Summary`], or to everything that is wrong with them.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::value::RawValue;

use super::bounds::{self, SummaryBounds, ValueRange};
use super::{PerScalar, Scalar, Summary, Workout, WorkoutKey};
use crate::problem::{Violation, ViolationCode};
use crate::strict_json::{self, Value};
use crate::{Quantity, parse_date, parse_timestamp};

/// Why a body is no summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadBodyError {
    /// Not one JSON text.
    NotJson,
    /// JSON, but schema or bounds do not hold: every violation, never none.
    Violations(Vec<Violation>),
}

impl Summary {
    /// Reads what a phone sent, holding it to the schema, to `bounds` and to the time `now`.
    pub fn parse(body: &[u8], bounds: &SummaryBounds, now: Timestamp) -> Result<Self, ReadBodyError> {
        SummaryParser { limits: Some((bounds, now)), violations: Vec::new() }.parse_summary(body)
    }

    /// Reads what was accepted once: the schema must hold, bounds are no longer asked.
    pub fn parse_accepted(body: &[u8]) -> Result<Self, ReadBodyError> {
        SummaryParser { limits: None, violations: Vec::new() }.parse_summary(body)
    }
}

/// Walks the body once. A field that can't be read leaves a violation and `None`, and the walk goes on.
struct SummaryParser<'b> {
    limits: Option<(&'b SummaryBounds, Timestamp)>,
    violations: Vec<Violation>,
}

impl SummaryParser<'_> {
    fn parse_summary(mut self, body: &[u8]) -> Result<Summary, ReadBodyError> {
        let root = strict_json::parse(body).ok_or(ReadBodyError::NotJson)?;
        let summary = self.parse_object(root);
        match summary {
            Some(summary) if self.violations.is_empty() => Ok(summary),
            _ => {
                assert!(!self.violations.is_empty(), "BUG: a summary was refused without a reason");
                Err(ReadBodyError::Violations(self.violations))
            }
        }
    }

    fn parse_object(&mut self, root: &RawValue) -> Option<Summary> {
        let members = match strict_json::decode(root) {
            Some(Value::Object(members)) => members,
            // A key that no text can be made of has no pointer: what can be said is that the object can't be read.
            None => {
                self.add_violation("", ViolationCode::InvalidFormat, "has a key with a lone surrogate");
                return None;
            }
            Some(_) => {
                self.add_violation("", ViolationCode::WrongType, "must be an object");
                return None;
            }
        };
        let mut date = None;
        let mut generated_at = None;
        let mut scalars = PerScalar::default();
        let mut workouts = None;
        for (name, pointer, raw) in self.distinct_members("", &members) {
            match name {
                "date" => date = self.date(&pointer, raw),
                "generated_at" => generated_at = self.instant(&pointer, raw),
                "workouts" => workouts = self.workouts(&pointer, raw),
                _ => match Scalar::from_name(name) {
                    Some(scalar) => scalars[scalar] = self.scalar(scalar, &pointer, raw),
                    None => self.add_violation(
                        pointer,
                        ViolationCode::UnknownField,
                        "is not a field of a summary",
                    ),
                },
            }
        }
        let present = |name: &str| members.iter().any(|(key, raw)| key == name && raw.get() != "null");
        for name in ["date", "generated_at"] {
            if !present(name) {
                self.add_missing("", name);
            }
        }
        // Judged by what was sent, so that a bad value is not reported a second time as a missing one.
        let carries = Scalar::ALL.iter().any(|scalar| present(scalar.name()))
            || members.iter().any(|(key, raw)| {
                key == "workouts"
                    && !matches!(strict_json::decode(raw), Some(Value::Null))
                    && !is_empty_array(raw)
            });
        if !carries {
            self.add_violation("", ViolationCode::EmptySummary, "must carry at least one value or workout");
        }
        self.check_times(date, generated_at, workouts.as_deref().unwrap_or_default());
        Some(Summary {
            date: date?,
            generated_at: generated_at?,
            scalars,
            workouts: workouts.unwrap_or_default().into_iter().collect::<Option<_>>()?,
        })
    }

    /// What depends on more than one field, or on the clock.
    fn check_times(
        &mut self,
        date: Option<Date>,
        generated_at: Option<Timestamp>,
        workouts: &[Option<Workout>],
    ) {
        let Some((_, now)) = self.limits else { return };
        if let Some(date) = date
            && !(bounds::DATE_MIN..=bounds::latest_date(now)).contains(&date)
        {
            self.add_violation(
                "/date",
                ViolationCode::OutOfRange,
                "must be from 2010-01-01 to the latest date it is anywhere on Earth",
            );
        }
        if let Some(generated_at) = generated_at {
            if now.saturating_add(bounds::GENERATED_AHEAD_MAX).is_ok_and(|latest| generated_at > latest) {
                self.add_violation(
                    "/generated_at",
                    ViolationCode::OutOfRange,
                    "must be at most 10 minutes ahead of the server",
                );
            }
            if date.and_then(bounds::earliest_start).is_some_and(|begin| generated_at < begin) {
                self.add_violation(
                    "/generated_at",
                    ViolationCode::OutOfRange,
                    "must not be before the date begins anywhere on Earth",
                );
            }
        }
        for (index, workout) in workouts.iter().enumerate() {
            if let (Some(date), Some(workout)) = (date, workout)
                && !bounds::is_within_one_day(workout.key.start_time, date)
            {
                let pointer = format!("/workouts/{index}/start_time");
                self.add_violation(
                    pointer,
                    ViolationCode::OutOfRange,
                    "must be within the date, give or take one day",
                );
            }
        }
    }

    /// One entry per element, so that an index is a pointer; `None` where one can't be read.
    fn workouts(&mut self, pointer: &str, raw: &RawValue) -> Option<Vec<Option<Workout>>> {
        let elements = match strict_json::decode(raw) {
            Some(Value::Null) => return None,
            Some(Value::Array(elements)) => elements,
            _ => {
                self.add_violation(pointer, ViolationCode::WrongType, "must be an array");
                return None;
            }
        };
        if let Some((bounds, _)) = self.limits
            && elements.len() > bounds.workouts_max
        {
            self.add_violation(
                pointer,
                ViolationCode::TooMany,
                format!("must list at most {} workouts", bounds.workouts_max),
            );
        }
        let mut seen = HashSet::new();
        let mut workouts = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let pointer = strict_json::child_pointer(pointer, index);
            let workout = self.workout(&pointer, element);
            if let Some(workout) = &workout
                && !seen.insert(workout.key.clone())
            {
                self.add_violation(
                    pointer,
                    ViolationCode::DuplicateWorkout,
                    "has the type and start_time of an earlier one",
                );
            }
            workouts.push(workout);
        }
        Some(workouts)
    }

    fn workout(&mut self, pointer: &str, raw: &RawValue) -> Option<Workout> {
        let Some(Value::Object(members)) = strict_json::decode(raw) else {
            self.add_violation(pointer, ViolationCode::WrongType, "must be an object");
            return None;
        };
        let (mut kind, mut start_time, mut duration, mut calories) = (None, None, None, None);
        let limits = self.limits.map(|(bounds, _)| bounds);
        for (name, pointer, raw) in self.distinct_members(pointer, &members) {
            match name {
                "type" => kind = self.kind(&pointer, raw),
                "start_time" => start_time = self.instant(&pointer, raw),
                "duration" => duration = self.number(&pointer, raw, limits.map(|b| (&b.duration, "minutes"))),
                "calories" => {
                    calories = self.number(&pointer, raw, limits.map(|b| (&b.calories, "kilocalories")))
                }
                _ => self.add_violation(pointer, ViolationCode::UnknownField, "is not a field of a workout"),
            }
        }
        for name in ["type", "start_time", "duration"] {
            if !members.iter().any(|(key, raw)| key == name && raw.get() != "null") {
                self.add_missing(pointer, name);
            }
        }
        Some(Workout {
            key: WorkoutKey { start_time: start_time?, kind: kind? },
            duration: duration?,
            calories,
        })
    }

    /// The members with their pointers; a key that was there before is a violation and is left out.
    fn distinct_members<'m>(
        &mut self,
        pointer: &str,
        members: &'m [(std::borrow::Cow<'_, str>, &'m RawValue)],
    ) -> Vec<(&'m str, String, &'m RawValue)> {
        let mut seen = HashSet::new();
        let mut distinct = Vec::with_capacity(members.len());
        for (key, raw) in members {
            let pointer = strict_json::child_pointer(pointer, key);
            if seen.insert(key.as_ref()) {
                distinct.push((key.as_ref(), pointer, *raw));
            } else {
                self.add_violation(pointer, ViolationCode::DuplicateKey, "stands here more than once");
            }
        }
        distinct
    }

    fn scalar(&mut self, scalar: Scalar, pointer: &str, raw: &RawValue) -> Option<Quantity> {
        let bound = self.limits.map(|(bounds, _)| &bounds.scalars[scalar]);
        let value = self.number(pointer, raw, bound.map(|bound| (bound, scalar.unit())))?;
        if scalar == Scalar::Steps && !value.is_whole() {
            self.add_violation(pointer, ViolationCode::WrongType, "must be a whole number");
            return None;
        }
        Some(value)
    }

    fn number(
        &mut self,
        pointer: &str,
        raw: &RawValue,
        bound: Option<(&ValueRange, &str)>,
    ) -> Option<Quantity> {
        let spelled = match strict_json::decode(raw) {
            Some(Value::Null) => return None,
            Some(Value::Number(spelled)) => spelled,
            _ => {
                self.add_violation(pointer, ViolationCode::WrongType, "must be a number");
                return None;
            }
        };
        let Some(value) = spelled.parse().ok().and_then(Quantity::new) else {
            self.add_violation(pointer, ViolationCode::NotFinite, "must be a finite number");
            return None;
        };
        if let Some((bound, unit)) = bound
            && !bound.contains(value)
        {
            self.add_violation(pointer, ViolationCode::OutOfRange, bound.describe(unit));
        }
        Some(value)
    }

    fn date(&mut self, pointer: &str, raw: &RawValue) -> Option<Date> {
        self.text(pointer, raw, "must be a date, YYYY-MM-DD", parse_date)
    }

    fn instant(&mut self, pointer: &str, raw: &RawValue) -> Option<Timestamp> {
        self.text(
            pointer,
            raw,
            "must be an RFC 3339 instant with an offset, up to nanoseconds",
            parse_timestamp,
        )
    }

    fn kind(&mut self, pointer: &str, raw: &RawValue) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        self.text(pointer, raw, "must be 1 to 64 characters of A-Z a-z 0-9 _ . -", |text| {
            ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
        })
    }

    fn text<T>(
        &mut self,
        pointer: &str,
        raw: &RawValue,
        detail: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        strict_json::parse_text(raw, parse).unwrap_or_else(|code| {
            self.add_violation(pointer, code, detail);
            None
        })
    }

    fn add_missing(&mut self, parent: &str, name: &str) {
        self.add_violation(strict_json::child_pointer(parent, name), ViolationCode::Required, "is required");
    }

    fn add_violation(&mut self, pointer: impl Into<String>, code: ViolationCode, detail: impl Into<String>) {
        self.violations.push(Violation { pointer: pointer.into(), code, detail: detail.into() });
    }
}

fn is_empty_array(raw: &RawValue) -> bool {
    matches!(strict_json::decode(raw), Some(Value::Array(elements)) if elements.is_empty())
}
