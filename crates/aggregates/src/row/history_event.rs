//! Why a row is what it is: what each event offered, and what was taken of it.

use jiff::Timestamp;
use schemas::{
    EventId, HistoryEvent, OfferedFields, OfferedScalar, OfferedWorkout, Outcome, Quantity, Scalar, Sequence,
    Summary,
};

use crate::row::{Register, Row};

/// What an event offered, and what of it is in the row right after.
pub fn history_event(
    summary: &Summary,
    event_id: EventId,
    sequence: Sequence,
    received_at: Timestamp,
    row: &Row,
    outcome: Outcome,
) -> HistoryEvent {
    let Summary { scalars, workouts, .. } = summary;
    let offered = |value: Quantity, register: Option<&Register>| OfferedScalar {
        offered: value,
        taken: register.is_some_and(|register| register.origin.sequence == sequence),
    };
    let scalar = |scalar: Scalar| scalars[scalar].map(|value| offered(value, row.scalars[scalar].as_ref()));
    let mut workouts: Vec<_> = workouts
        .iter()
        .map(|workout| {
            let registers = row.workouts.get(&workout.key);
            let calories = registers.and_then(|registers| registers.calories.as_ref());
            OfferedWorkout {
                key: workout.key.clone(),
                duration: offered(workout.duration, registers.map(|registers| &registers.duration)),
                calories: workout.calories.map(|value| offered(value, calories)),
            }
        })
        .collect();
    workouts.sort_by(|a, b| a.key.cmp(&b.key));
    HistoryEvent {
        event_id,
        sequence,
        received_at,
        generated_at: summary.generated_at,
        outcome,
        fields: OfferedFields {
            steps: scalar(Scalar::Steps),
            resting_hr: scalar(Scalar::RestingHr),
            sleep_hours: scalar(Scalar::SleepHours),
            hrv: scalar(Scalar::Hrv),
            workouts,
        },
    }
}
