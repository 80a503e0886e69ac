//! A user's daily rows as a text table.

use schemas::{Quantity, RowDocument};

/// Column headers, in the order of [`row_cells`].
pub(crate) const COLUMNS: [&str; 7] =
    ["date", "steps", "resting_hr", "sleep_hours", "hrv", "workouts", "generated_at"];

/// Formats a row as one cell per column; a missing value is `-`.
pub(crate) fn row_cells(row: &RowDocument) -> Vec<String> {
    let value =
        |value: Option<Quantity>| value.map_or_else(|| "-".to_owned(), |value| value.get().to_string());
    let workouts: Vec<_> = row
        .workouts
        .iter()
        .map(|workout| format!("{} {} min", workout.key.kind, workout.duration.get()))
        .collect();
    vec![
        row.date.to_string(),
        value(row.steps),
        value(row.resting_hr),
        value(row.sleep_hours),
        value(row.hrv),
        if workouts.is_empty() { "-".to_owned() } else { workouts.join(", ") },
        row.generated_at.to_string(),
    ]
}
