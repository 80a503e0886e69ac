//! `summaries.csv` and `workouts.csv` (RFC 4180): a header, units in its names, an empty cell where there is no value.

use std::io::Write;

use csv::{Terminator, Writer, WriterBuilder};
use schemas::{Quantity, RowDocument};

use crate::error::ArchiveError;

pub(crate) fn write_summaries(file: &mut dyn Write, rows: &[RowDocument]) -> Result<(), ArchiveError> {
    let mut table = csv_writer(file);
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
            format_quantity(row.steps),
            format_quantity(row.resting_hr),
            format_quantity(row.sleep_hours),
            format_quantity(row.hrv),
            row.workouts.len().to_string(),
            row.generated_at.to_string(),
        ])?;
    }
    Ok(table.flush()?)
}

pub(crate) fn write_workouts(file: &mut dyn Write, rows: &[RowDocument]) -> Result<(), ArchiveError> {
    let mut table = csv_writer(file);
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
            escape_formula(&workout.key.kind),
            workout.key.start_time.to_string(),
            format_quantity(Some(workout.duration)),
            format_quantity(workout.calories),
            workout.first_reported.generated_at.to_string(),
            workout.first_reported.event_id.to_string(),
        ])?;
    }
    Ok(table.flush()?)
}

fn csv_writer(file: &mut dyn Write) -> Writer<&mut dyn Write> {
    WriterBuilder::new().terminator(Terminator::CRLF).from_writer(file)
}

fn format_quantity(value: Option<Quantity>) -> String {
    value.map_or_else(String::new, |value| value.get().to_string())
}

/// A text that a spreadsheet would take for a formula gets a quote before it.
fn escape_formula(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
