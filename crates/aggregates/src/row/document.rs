//! A row as the API shows it.

use jiff::civil::Date;
use schemas::{FirstReported, RowDocument, RowSources, Scalar, ValueSource, WorkoutDocument, WorkoutSources};

use super::{Register, Row, ValueOrigin};

/// The row's values.
pub fn document(date: Date, row: &Row) -> RowDocument {
    let value = |scalar: Scalar| row.scalars[scalar].map(|register| register.value);
    let workouts = row.workouts.iter().map(|(key, workout)| WorkoutDocument {
        key: key.clone(),
        duration: workout.duration.value,
        calories: workout.calories.map(|register| register.value),
        first_reported: first_reported(&workout.first_reported),
    });
    RowDocument {
        date,
        steps: value(Scalar::Steps),
        resting_hr: value(Scalar::RestingHr),
        sleep_hours: value(Scalar::SleepHours),
        hrv: value(Scalar::Hrv),
        workouts: workouts.collect(),
        generated_at: row.generated_at,
        stale: false,
        position: None,
    }
}

/// The row's values, each with the event it came from.
pub fn sources(row: &Row) -> RowSources {
    let value = |scalar: Scalar| row.scalars[scalar].as_ref().map(source);
    let workouts = row.workouts.iter().map(|(key, workout)| WorkoutSources {
        key: key.clone(),
        duration: source(&workout.duration),
        calories: workout.calories.as_ref().map(source),
        first_reported: first_reported(&workout.first_reported),
    });
    RowSources {
        steps: value(Scalar::Steps),
        resting_hr: value(Scalar::RestingHr),
        sleep_hours: value(Scalar::SleepHours),
        hrv: value(Scalar::Hrv),
        workouts: workouts.collect(),
    }
}

fn source(register: &Register) -> ValueSource {
    let ValueOrigin { generated_at, sequence, event_id } = register.origin;
    ValueSource { value: register.value, event_id, sequence, generated_at }
}

fn first_reported(origin: &ValueOrigin) -> FirstReported {
    FirstReported { generated_at: origin.generated_at, event_id: origin.event_id }
}
