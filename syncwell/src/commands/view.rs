//! `syncwell view`: the views, for operators.

mod diff;
mod projector_job;
mod rebuild;
mod rows;
mod verify;

use std::process::ExitCode;

use nats_server::Role;
use projector::{Job, OperatorClient, ViewSelector};

use crate::broker_connection;
use crate::cli::{BrokerArgs, ViewCommand};
use crate::exit_code::UsageError;
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

async fn client(args: &BrokerArgs) -> anyhow::Result<OperatorClient> {
    Ok(OperatorClient::new(broker_connection::connect(args, Role::Operator).await?))
}

/// A view by its name; what is none of the names is for the caller to read.
fn parse_view_selector(name: &str) -> anyhow::Result<ViewSelector> {
    let number = || name.strip_prefix("view-")?.parse().ok();
    match name {
        "serving" => Ok(ViewSelector::Serving),
        "kept" => Ok(ViewSelector::Kept),
        "built" | "rebuilt" => Ok(ViewSelector::Built),
        _ => number()
            .map(ViewSelector::Number)
            .ok_or_else(|| UsageError(format!("{name} is no view: serving, kept, built or view-N")).into()),
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
