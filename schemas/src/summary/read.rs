//! From bytes to a [`Summary`], or to everything that is wrong with them.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::civil::Date;
use serde_json::value::RawValue;

use super::bounds::{self, Bound, Bounds};
use super::{PerScalar, Scalar, Summary, Workout, WorkoutKey};
use crate::json::{self, Value};
use crate::problem::{Violation, ViolationCode};
use crate::{Quantity, parse_date, parse_instant};

/// Why a body is no summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rejected {
    /// Not one JSON text.
    NotJson,
    /// JSON, but schema or bounds do not hold: every violation, never none.
    Violations(Vec<Violation>),
}

impl Summary {
    /// Reads what a phone sent, holding it to the schema, to `bounds` and to the time `now`.
    pub fn read(body: &[u8], bounds: &Bounds, now: Timestamp) -> Result<Self, Rejected> {
        Reader { limits: Some((bounds, now)), violations: Vec::new() }.read(body)
    }

    /// Reads what was accepted once: the schema must hold, bounds are no longer asked.
    pub fn read_accepted(body: &[u8]) -> Result<Self, Rejected> {
        Reader { limits: None, violations: Vec::new() }.read(body)
    }
}

/// Walks the body once. A field that can't be read leaves a violation and `None`, and the walk goes on.
struct Reader<'b> {
    limits: Option<(&'b Bounds, Timestamp)>,
    violations: Vec<Violation>,
}

impl Reader<'_> {
    fn read(mut self, body: &[u8]) -> Result<Summary, Rejected> {
        let root = json::parse(body).ok_or(Rejected::NotJson)?;
        let summary = self.summary(root);
        match summary {
            Some(summary) if self.violations.is_empty() => Ok(summary),
            _ => {
                assert!(!self.violations.is_empty(), "BUG: a summary was refused without a reason");
                Err(Rejected::Violations(self.violations))
            }
        }
    }

    fn summary(&mut self, root: &RawValue) -> Option<Summary> {
        let members = match json::read(root) {
            Some(Value::Object(members)) => members,
            // A key that no text can be made of has no pointer: what can be said is that the object can't be read.
            None => {
                self.refuse("", ViolationCode::InvalidFormat, "has a key with a lone surrogate");
                return None;
            }
            Some(_) => {
                self.refuse("", ViolationCode::WrongType, "must be an object");
                return None;
            }
        };
        let mut date = None;
        let mut generated_at = None;
        let mut scalars = PerScalar::default();
        let mut workouts = None;
        for (name, pointer, raw) in self.distinct("", &members) {
            match name {
                "date" => date = self.date(&pointer, raw),
                "generated_at" => generated_at = self.instant(&pointer, raw),
                "workouts" => workouts = self.workouts(&pointer, raw),
                _ => match Scalar::named(name) {
                    Some(scalar) => scalars[scalar] = self.scalar(scalar, &pointer, raw),
                    None => self.refuse(pointer, ViolationCode::UnknownField, "is not a field of a summary"),
                },
            }
        }
        let present = |name: &str| members.iter().any(|(key, raw)| key == name && raw.get() != "null");
        for name in ["date", "generated_at"] {
            if !present(name) {
                self.require("", name);
            }
        }
        // Judged by what was sent, so that a bad value is not reported a second time as a missing one.
        let carries = Scalar::ALL.iter().any(|scalar| present(scalar.name()))
            || members.iter().any(|(key, raw)| {
                key == "workouts" && !matches!(json::read(raw), Some(Value::Null)) && !is_empty_array(raw)
            });
        if !carries {
            self.refuse("", ViolationCode::EmptySummary, "must carry at least one value or workout");
        }
        self.times(date, generated_at, workouts.as_deref().unwrap_or_default());
        Some(Summary {
            date: date?,
            generated_at: generated_at?,
            scalars,
            workouts: workouts.unwrap_or_default().into_iter().collect::<Option<_>>()?,
        })
    }

    /// What depends on more than one field, or on the clock.
    fn times(&mut self, date: Option<Date>, generated_at: Option<Timestamp>, workouts: &[Option<Workout>]) {
        let Some((_, now)) = self.limits else { return };
        if let Some(date) = date
            && !(bounds::DATE_MIN..=bounds::latest_date(now)).contains(&date)
        {
            self.refuse(
                "/date",
                ViolationCode::OutOfRange,
                "must be from 2010-01-01 to the latest date it is anywhere on Earth",
            );
        }
        if let Some(generated_at) = generated_at {
            if now.saturating_add(bounds::GENERATED_AHEAD_MAX).is_ok_and(|latest| generated_at > latest) {
                self.refuse(
                    "/generated_at",
                    ViolationCode::OutOfRange,
                    "must be at most 10 minutes ahead of the server",
                );
            }
            if date.and_then(bounds::begins_anywhere).is_some_and(|begin| generated_at < begin) {
                self.refuse(
                    "/generated_at",
                    ViolationCode::OutOfRange,
                    "must not be before the date begins anywhere on Earth",
                );
            }
        }
        for (index, workout) in workouts.iter().enumerate() {
            if let (Some(date), Some(workout)) = (date, workout)
                && !bounds::is_near(workout.key.start_time, date)
            {
                let pointer = format!("/workouts/{index}/start_time");
                self.refuse(
                    pointer,
                    ViolationCode::OutOfRange,
                    "must be within the date, give or take one day",
                );
            }
        }
    }

    /// One entry per element, so that an index is a pointer; `None` where one can't be read.
    fn workouts(&mut self, pointer: &str, raw: &RawValue) -> Option<Vec<Option<Workout>>> {
        let elements = match json::read(raw) {
            Some(Value::Null) => return None,
            Some(Value::Array(elements)) => elements,
            _ => {
                self.refuse(pointer, ViolationCode::WrongType, "must be an array");
                return None;
            }
        };
        if let Some((bounds, _)) = self.limits
            && elements.len() > bounds.workouts_max
        {
            self.refuse(
                pointer,
                ViolationCode::TooMany,
                format!("must list at most {} workouts", bounds.workouts_max),
            );
        }
        let mut seen = HashSet::new();
        let mut workouts = Vec::with_capacity(elements.len());
        for (index, element) in elements.into_iter().enumerate() {
            let pointer = json::child(pointer, index);
            let workout = self.workout(&pointer, element);
            if let Some(workout) = &workout
                && !seen.insert(workout.key.clone())
            {
                self.refuse(
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
        let Some(Value::Object(members)) = json::read(raw) else {
            self.refuse(pointer, ViolationCode::WrongType, "must be an object");
            return None;
        };
        let (mut kind, mut start_time, mut duration, mut calories) = (None, None, None, None);
        let limits = self.limits.map(|(bounds, _)| bounds);
        for (name, pointer, raw) in self.distinct(pointer, &members) {
            match name {
                "type" => kind = self.kind(&pointer, raw),
                "start_time" => start_time = self.instant(&pointer, raw),
                "duration" => duration = self.number(&pointer, raw, limits.map(|b| (&b.duration, "minutes"))),
                "calories" => {
                    calories = self.number(&pointer, raw, limits.map(|b| (&b.calories, "kilocalories")))
                }
                _ => self.refuse(pointer, ViolationCode::UnknownField, "is not a field of a workout"),
            }
        }
        for name in ["type", "start_time", "duration"] {
            if !members.iter().any(|(key, raw)| key == name && raw.get() != "null") {
                self.require(pointer, name);
            }
        }
        Some(Workout {
            key: WorkoutKey { start_time: start_time?, kind: kind? },
            duration: duration?,
            calories,
        })
    }

    /// The members with their pointers; a key that was there before is a violation and is left out.
    fn distinct<'m>(
        &mut self,
        pointer: &str,
        members: &'m [(std::borrow::Cow<'_, str>, &'m RawValue)],
    ) -> Vec<(&'m str, String, &'m RawValue)> {
        let mut seen = HashSet::new();
        let mut distinct = Vec::with_capacity(members.len());
        for (key, raw) in members {
            let pointer = json::child(pointer, key);
            if seen.insert(key.as_ref()) {
                distinct.push((key.as_ref(), pointer, *raw));
            } else {
                self.refuse(pointer, ViolationCode::DuplicateKey, "stands here more than once");
            }
        }
        distinct
    }

    fn scalar(&mut self, scalar: Scalar, pointer: &str, raw: &RawValue) -> Option<Quantity> {
        let bound = self.limits.map(|(bounds, _)| &bounds.scalars[scalar]);
        let value = self.number(pointer, raw, bound.map(|bound| (bound, scalar.unit())))?;
        if scalar == Scalar::Steps && !value.is_whole() {
            self.refuse(pointer, ViolationCode::WrongType, "must be a whole number");
            return None;
        }
        Some(value)
    }

    fn number(&mut self, pointer: &str, raw: &RawValue, bound: Option<(&Bound, &str)>) -> Option<Quantity> {
        let spelled = match json::read(raw) {
            Some(Value::Null) => return None,
            Some(Value::Number(spelled)) => spelled,
            _ => {
                self.refuse(pointer, ViolationCode::WrongType, "must be a number");
                return None;
            }
        };
        let Some(value) = spelled.parse().ok().and_then(Quantity::new) else {
            self.refuse(pointer, ViolationCode::NotFinite, "must be a finite number");
            return None;
        };
        if let Some((bound, unit)) = bound
            && !bound.contains(value)
        {
            self.refuse(pointer, ViolationCode::OutOfRange, bound.explain(unit));
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
            parse_instant,
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
        json::text(raw, parse).unwrap_or_else(|code| {
            self.refuse(pointer, code, detail);
            None
        })
    }

    fn require(&mut self, parent: &str, name: &str) {
        self.refuse(json::child(parent, name), ViolationCode::Required, "is required");
    }

    fn refuse(&mut self, pointer: impl Into<String>, code: ViolationCode, detail: impl Into<String>) {
        self.violations.push(Violation { pointer: pointer.into(), code, detail: detail.into() });
    }
}

fn is_empty_array(raw: &RawValue) -> bool {
    matches!(json::read(raw), Some(Value::Array(elements)) if elements.is_empty())
}
