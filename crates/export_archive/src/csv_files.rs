//! `summaries.csv` and `workouts.csv` (RFC 4180): a header, units in its names, an empty cell where there is no value.

use std::io::Write;

use csv::{Terminator, Writer, WriterBuilder};
use schemas::{Quantity, RowDocument};

use crate::writing::ExportError;

pub(crate) fn summaries(file: &mut dyn Write, rows: &[RowDocument]) -> Result<(), ExportError> {
    let mut table = table(file);
    table.write_record([
        "date",
        "steps",
        "resting_hr_bpm",
        "sleep_hours",
        "hrv_ms",
        "workouts",
        "generated_at",
    ])?;
    for row in rows {
        table.write_record([
            row.date.to_string(),
            number(row.steps),
            number(row.resting_hr),
            number(row.sleep_hours),
            number(row.hrv),
            row.workouts.len().to_string(),
            row.generated_at.to_string(),
        ])?;
    }
    Ok(table.flush()?)
}

pub(crate) fn workouts(file: &mut dyn Write, rows: &[RowDocument]) -> Result<(), ExportError> {
    let mut table = table(file);
    table.write_record([
        "date",
        "type",
        "start_time",
        "duration_minutes",
        "calories_kcal",
        "first_reported_at",
        "first_reported_event",
    ])?;
    for (row, workout) in rows.iter().flat_map(|row| row.workouts.iter().map(move |workout| (row, workout))) {
        table.write_record([
            row.date.to_string(),
            inert(&workout.key.kind),
            workout.key.start_time.to_string(),
            number(Some(workout.duration)),
            number(workout.calories),
            workout.first_reported.generated_at.to_string(),
            workout.first_reported.event_id.to_string(),
        ])?;
    }
    Ok(table.flush()?)
}

fn table(file: &mut dyn Write) -> Writer<&mut dyn Write> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(file)
}

fn number(value: Option<Quantity>) -> String {
    value.map_or_else(String::new, |value| value.get().to_string())
}

/// A text that a spreadsheet would take for a formula gets a quote before it.
fn inert(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
