//! `syncwell view get`: a user's rows, for operators.

use std::process::ExitCode;

use broker::Role;
use jiff::civil::{Date, date};
use projector::{ViewQuestion, ask_view};
use schemas::{Quantity, RowDocument};

use super::print;
use super::table::table;
use crate::cli::BrokerArgs;
use crate::exit::{FAILED, Usage};
use crate::reach;

pub(super) async fn get(
    user: String,
    day: Option<Date>,
    broker: BrokerArgs,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let broker = reach::connect(&broker, Role::Operator).await?;
    let (from, to) = day.map_or((date(1, 1, 1), date(9999, 12, 31)), |day| (day, day));
    let rows = ask_view(&broker, ViewQuestion { user_id: user, from, to }).await?.map_err(Usage)?;
    if json {
        print(serde_json::to_string(&rows)?);
    } else if rows.summaries.is_empty() {
        print(format_args!("no rows (position {})", rows.position));
    } else {
        let heads = ["date", "steps", "resting_hr", "sleep_hours", "hrv", "workouts", "generated_at"];
        print(table(&heads, &rows.summaries.iter().map(cells).collect::<Vec<_>>()));
        print(format_args!("position {}", rows.position));
    }
    Ok(if day.is_some() && rows.summaries.is_empty() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
}

/// A row as cells.
pub(super) fn cells(row: &RowDocument) -> Vec<String> {
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
