//! `syncwell view`: the views, for operators.

mod diff;
mod operator_client;
mod projector_job;
mod rebuild;
mod rows;
mod selector;
mod verify;

use std::process::ExitCode;

use projector::Job;

use self::operator_client::client;
use self::selector::parse_view_selector;
use crate::cli::{BrokerArgs, ViewCommand};
use crate::terminal::print;
use crate::text_table::render_table;

pub(super) async fn run(command: ViewCommand) -> anyhow::Result<ExitCode> {
    match command {
        ViewCommand::Get(args) => rows::get(args).await,
        ViewCommand::At { when, args: of } => rows::print_rows_at(&when, of).await,
        ViewCommand::List { broker, json } => list(&broker, json).await,
        ViewCommand::Rebuild(args) => rebuild::run(args).await,
        ViewCommand::Cancel { broker } => {
            client(&broker).await?.cancel(None).await?;
            Ok(ExitCode::SUCCESS)
        }
        ViewCommand::Rollback(args) => rebuild::roll_back(args).await,
        ViewCommand::Drop { view, broker } => {
            client(&broker).await?.drop_view(parse_view_selector(&view)?).await?;
            Ok(ExitCode::SUCCESS)
        }
        ViewCommand::Diff { a, b, wait, access } => diff::run(&a, &b, wait, access).await,
        ViewCommand::Verify { digest: true, wait } => verify::print_digest(wait).await,
        ViewCommand::Verify { digest: false, wait } => verify::run(wait).await,
    }
}

async fn list(args: &BrokerArgs, json: bool) -> anyhow::Result<ExitCode> {
    let status = client(args).await?.status().await?;
    if json {
        print(serde_json::to_string(&status)?);
        return Ok(ExitCode::SUCCESS);
    }
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let rows: Vec<_> = status
        .views
        .iter()
        .map(|view| {
            vec![
                format!("view-{}", view.view),
                view.is.clone(),
                or_dash(view.position.map(|position| position.to_string())),
                or_dash(view.digest.clone()),
            ]
        })
        .collect();
    print(render_table(&["view", "is", "position", "digest"], &rows));
    print(format_args!("{} events are parked", status.parked));
    if let Some(report) = &status.job {
        let progress = &report.progress;
        print(format_args!(
            "{}: {:?}, {} of {} events, {:.0}/s",
            job_name(&report.job),
            report.state,
            progress.position,
            progress.target,
            progress.events_per_s
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn job_name(job: &Job) -> &'static str {
    match job {
        Job::Rebuild { dry_run: true, .. } => "dry run of a rebuild",
        Job::Rebuild { .. } => "rebuild",
        Job::Rollback => "rollback",
        Job::Verify => "verification",
        Job::Past { .. } => "view of the past",
    }
}
