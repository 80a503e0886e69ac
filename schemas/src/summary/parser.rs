//! Parses a [`Summary`], or reports its violations.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::value::RawValue;

use super::bounds::{self, SummaryBounds, ValueRange};
use super::{PerScalar, Scalar, Summary, Workout, WorkoutKey};
use crate::body_reader::{BodyReader, ReadBodyError};
use crate::problem::ViolationCode;
use crate::strict_json::{self, Value};
use crate::{Quantity, parse_date, parse_timestamp};

impl Summary {
    /// Parses what a phone sent. Checks the schema, `bounds` and the time `now`.
    pub fn parse(body: &[u8], bounds: &SummaryBounds, now: Timestamp) -> Result<Self, ReadBodyError> {
        SummaryParser::parse(body, Some((bounds, now)))
    }

    /// Parses what was accepted before: checks the schema, not the bounds.
    pub fn parse_accepted(body: &[u8]) -> Result<Self, ReadBodyError> {
        SummaryParser::parse(body, None)
    }
}

/// Walks the body once. A field that can't be read adds a violation and yields `None`; the walk continues.
struct SummaryParser<'r, 'b> {
    reader: &'r mut BodyReader,
    limits: Option<(&'b SummaryBounds, Timestamp)>,
}

impl SummaryParser<'_, '_> {
    fn parse(body: &[u8], limits: Option<(&SummaryBounds, Timestamp)>) -> Result<Summary, ReadBodyError> {
        BodyReader::read(body, |reader, root| SummaryParser { reader, limits }.summary(root))
    }

    fn summary(&mut self, root: &RawValue) -> Option<Summary> {
        let members = self.reader.object("", root)?;
        let mut date = None;
        let mut generated_at = None;
        let mut scalars = PerScalar::default();
        let mut workouts = None;
        for (name, pointer, raw) in members.iter() {
            match name {
                "date" => date = self.date(&pointer, raw),
                "generated_at" => generated_at = self.instant(&pointer, raw),
                "workouts" => workouts = self.workouts(&pointer, raw),
                _ => match Scalar::from_name(name) {
                    Some(scalar) => scalars[scalar] = self.scalar(scalar, &pointer, raw),
                    None => self.reject(pointer, ViolationCode::UnknownField, "is not a field of a summary"),
                },
            }
        }
        self.reader.require(&members, &["date", "generated_at"]);
        // Counts what was sent, so that an invalid value is not reported a second time as a missing one.
        let has_value = Scalar::ALL.iter().any(|scalar| members.contains(scalar.name()));
        let has_workout = members.iter().any(|(name, _, raw)| name == "workouts" && !is_empty_array(raw))
            && members.contains("workouts");
        if !has_value && !has_workout {
            self.reject("", ViolationCode::EmptySummary, "must carry at least one value or workout");
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
            self.reject(
                "/date",
                ViolationCode::OutOfRange,
                "must be from 2010-01-01 to the latest date it is anywhere on Earth",
            );
        }
        if let Some(generated_at) = generated_at {
            if now.saturating_add(bounds::GENERATED_AHEAD_MAX).is_ok_and(|latest| generated_at > latest) {
                self.reader.violations.accepted_from =
                    generated_at.checked_sub(bounds::GENERATED_AHEAD_MAX).ok();
                self.reject(
                    "/generated_at",
                    ViolationCode::OutOfRange,
                    "must be at most 10 minutes ahead of the server",
                );
            }
            if date.and_then(bounds::earliest_start).is_some_and(|begin| generated_at < begin) {
                self.reject(
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
                self.reject(
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
                self.reject(pointer, ViolationCode::WrongType, "must be an array");
                return None;
            }
        };
        if let Some((bounds, _)) = self.limits
            && elements.len() > bounds.workouts_max
        {
            self.reject(
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
                self.reject(
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
        let members = self.reader.object(pointer, raw)?;
        let (mut kind, mut start_time, mut duration, mut calories) = (None, None, None, None);
        let limits = self.limits.map(|(bounds, _)| bounds);
        for (name, pointer, raw) in members.iter() {
            match name {
                "type" => kind = self.kind(&pointer, raw),
                "start_time" => start_time = self.instant(&pointer, raw),
                "duration" => duration = self.number(&pointer, raw, limits.map(|b| (&b.duration, "minutes"))),
                "calories" => {
                    calories = self.number(&pointer, raw, limits.map(|b| (&b.calories, "kilocalories")))
                }
                _ => self.reject(pointer, ViolationCode::UnknownField, "is not a field of a workout"),
            }
        }
        self.reader.require(&members, &["type", "start_time", "duration"]);
        Some(Workout {
            key: WorkoutKey { start_time: start_time?, kind: kind? },
            duration: duration?,
            calories,
        })
    }

    fn scalar(&mut self, scalar: Scalar, pointer: &str, raw: &RawValue) -> Option<Quantity> {
        let bound = self.limits.map(|(bounds, _)| &bounds.scalars[scalar]);
        let value = self.number(pointer, raw, bound.map(|bound| (bound, scalar.unit())))?;
        if scalar == Scalar::Steps && !value.is_whole() {
            self.reject(pointer, ViolationCode::WrongType, "must be a whole number");
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
                self.reject(pointer, ViolationCode::WrongType, "must be a number");
                return None;
            }
        };
        let Some(value) = spelled.parse().ok().and_then(Quantity::new) else {
            self.reject(pointer, ViolationCode::NotFinite, "must be a finite number");
            return None;
        };
        if let Some((bound, unit)) = bound
            && !bound.contains(value)
        {
            self.reject(pointer, ViolationCode::OutOfRange, bound.describe(unit));
        }
        Some(value)
    }

    fn date(&mut self, pointer: &str, raw: &RawValue) -> Option<Date> {
        self.reader.text(pointer, raw, "must be a date, YYYY-MM-DD", parse_date)
    }

    fn instant(&mut self, pointer: &str, raw: &RawValue) -> Option<Timestamp> {
        self.reader.text(
            pointer,
            raw,
            "must be an RFC 3339 instant with an offset, up to nanoseconds",
            parse_timestamp,
        )
    }

    fn kind(&mut self, pointer: &str, raw: &RawValue) -> Option<String> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
        self.reader.text(pointer, raw, "must be 1 to 64 characters of A-Z a-z 0-9 _ . -", |text| {
            ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
        })
    }

    fn reject(&mut self, pointer: impl Into<String>, code: ViolationCode, detail: impl Into<String>) {
        self.reader.reject(pointer, code, detail);
    }
}

fn is_empty_array(raw: &RawValue) -> bool {
    matches!(strict_json::decode(raw), Some(Value::Array(elements)) if elements.is_empty())
}
