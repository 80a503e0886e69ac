//! A row's values by name, for comparisons.

use std::collections::BTreeMap;

use aggregates::row::{Register, Row};
use schemas::Scalar;
use serde_json::{Value, json};

/// Every value, clock and provenance of the row.
pub(super) fn field_values(row: &Row) -> BTreeMap<String, Value> {
    let mut values = BTreeMap::new();
    let mut register = |name: String, register: &Register| {
        values.insert(format!("{name}.event_id"), json!(register.origin.event_id));
        values.insert(name, json!(register.value));
    };
    for scalar in Scalar::ALL {
        if let Some(found) = &row.scalars[scalar] {
            register(scalar.name().to_owned(), found);
        }
    }
    for (key, workout) in &row.workouts {
        let name = format!("workouts[{} {}]", key.start_time, key.kind);
        register(format!("{name}.duration"), &workout.duration);
        if let Some(calories) = &workout.calories {
            register(format!("{name}.calories"), calories);
        }
    }
    for (key, workout) in &row.workouts {
        let name = format!("workouts[{} {}].first_reported.event_id", key.start_time, key.kind);
        values.insert(name, json!(workout.first_reported.event_id));
    }
    values.insert("generated_at".to_owned(), json!(row.generated_at));
    values.insert("events.first".to_owned(), json!(row.first_sequence));
    values.insert("events.last".to_owned(), json!(row.last_sequence));
    values
}
