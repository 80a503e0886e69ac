//! `syncwell view get` and `view at`: rows as they are, and as they were.

use std::process::ExitCode;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use nats_server::Role;
use projector::{Job, JobState, OperatorClient, UserSelector, ViewSelector};
use schemas::{RowsDocument, Sequence};
use serde_json::json;

use super::operator_client::client;
use super::projector_job::run_job;
use crate::broker_connection;
use crate::cli::{BrokerArgs, ViewAtArgs, ViewGetArgs};
use crate::exit_code::{FAILED, UsageError};
use crate::row_table::{COLUMNS, row_cells};
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

pub(super) async fn get(args: ViewGetArgs) -> anyhow::Result<ExitCode> {
    let access = args.access.to_access_context(Role::Operator, "view get");
    let client = client(&args.broker).await?;
    let rows = client.rows(UserSelector::UserId(args.user), date_range(args.date), None, access).await?;
    Ok(print_rows(&rows, args.date, args.json))
}

fn date_range(day: Option<Date>) -> (Date, Date) {
    day.map_or((date(1, 1, 1), date(9999, 12, 31)), |day| (day, day))
}

fn print_rows(rows: &RowsDocument, day: Option<Date>, json: bool) -> ExitCode {
    if json {
        print(json!(rows));
    } else if rows.summaries.is_empty() {
        print(format_args!("no rows (position {})", rows.position));
    } else {
        print(render_table(&COLUMNS, &rows.summaries.iter().map(row_cells).collect::<Vec<_>>()));
        print(format_args!("position {}", rows.position));
        if rows.summaries.iter().any(|row| row.stale) {
            eprint("these rows are stale: an event of this user waits (`syncwell events parked list`)");
        }
    }
    if day.is_some() && rows.summaries.is_empty() { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

pub(super) async fn print_rows_at(when: &str, args: ViewAtArgs) -> anyhow::Result<ExitCode> {
    let access = args.access.to_access_context(Role::Operator, "view at");
    let client = client(&args.wait.broker).await?;
    let Some(sequence) = resolve_sequence(&args.wait.broker, when).await? else {
        // Before the first event there is nothing.
        return Ok(print_rows(
            &RowsDocument { summaries: Vec::new(), position: 0 },
            args.date,
            args.wait.json,
        ));
    };
    if let Some(user) = args.user {
        let rows =
            client.rows(UserSelector::UserId(user), date_range(args.date), Some(sequence), access).await?;
        return Ok(print_rows(&rows, args.date, args.wait.json));
    }
    fold_as_of(&client, sequence, args.wait.json).await?;
    let (mut after, mut number) = (None, 0_u64);
    loop {
        let which = ViewSelector::Past(sequence);
        let (rows, position, next) = client.all_rows(which, args.date, after, access.clone()).await?;
        for row in rows {
            number += 1;
            if args.wait.json {
                print(json!(row));
            } else {
                print(format_args!("{}  {}", row.user_ref, row_cells(&row.row).join("  ")));
            }
        }
        after = next;
        if after.is_none() {
            if !args.wait.json {
                print(format_args!("{number} rows as of position {position}"));
            }
            return Ok(ExitCode::SUCCESS);
        }
    }
}

/// Has the projector fold the view as of a sequence.
pub(super) async fn fold_as_of(
    client: &OperatorClient,
    sequence: Sequence,
    json: bool,
) -> anyhow::Result<()> {
    let report = run_job(client, Job::Past { sequence }, json).await?;
    match report.state {
        JobState::Done => Ok(()),
        JobState::Failed | JobState::Cancelled | JobState::Running => {
            anyhow::bail!(report.error.unwrap_or_else(|| "cancelled".to_owned()))
        }
    }
}

/// A sequence, or the last event received by a time; `None` before the first.
pub(super) async fn resolve_sequence(args: &BrokerArgs, when: &str) -> anyhow::Result<Option<Sequence>> {
    if let Ok(number) = when.parse::<u64>() {
        return Ok(Sequence::new(number));
    }
    let time: Timestamp = when.parse().map_err(|_| {
        UsageError(format!("{when} is neither a sequence nor a time like 2026-02-16T12:00:00Z"))
    })?;
    let log = events::Log::new(broker_connection::connect(args, Role::Operator).await?);
    Ok(log.last_received_by(time).await?)
}
