//! `syncwell view rebuild` and `rollback`: by the running projector, or here where none runs.

use std::process::ExitCode;
use std::time::Duration;

use projector::offline_projector::BuiltView;
use projector::{Job, JobReport, JobState, OperatorClient, UserSelector};
use serde_json::json;
use tokio::time::sleep;

use super::operator_client::client;
use super::projector_job::run_job;
use crate::cli::{BrokerArgs, RebuildArgs, ViewJobArgs};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit_code::{FAILED, UsageError};
use crate::offline_broker::OfflineBroker;
use crate::progress::{Progress, format_duration};
use crate::terminal::{eprint, print};

/// Between two looks at how far folding here is.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn run(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let json = args.wait.json;
    if args.offline || is_offline(&args.wait.broker) {
        if args.user.is_some() || args.dry_run {
            return Err(UsageError("one user, or a dry run, takes a running projector".to_owned()).into());
        }
        return rebuild_offline(&args).await;
    }
    let client = client(&args.wait.broker).await?;
    if let Some(user) = args.user {
        client.repair(UserSelector::UserId(user), args.date, true).await?;
        print(if json { json!({ "state": "done" }).to_string() } else { "folded anew".to_owned() });
        return Ok(ExitCode::SUCCESS);
    }
    let RebuildArgs { dry_run, fresh, park_new, .. } = args;
    let report = run_job(&client, Job::Rebuild { dry_run, fresh, park_new }, json).await?;
    print_report(&report, json)
}

pub(super) async fn roll_back(args: ViewJobArgs) -> anyhow::Result<ExitCode> {
    if is_offline(&args.broker) {
        let config = Config::read(None, &DataDir::new(&args.broker.data_dir))?;
        let alone = OfflineBroker::start_with_keeper(&args.broker, &config).await?;
        let switched = alone.offline_projector(&args.broker, &config).await?.roll_back(&config.view_folder);
        alone.stop().await?;
        print(format_args!("view-{} serves from the next start on", switched?));
        return Ok(ExitCode::SUCCESS);
    }
    let client: OperatorClient = client(&args.broker).await?;
    print_report(&run_job(&client, Job::Rollback, args.json).await?, args.json)
}

/// Whether there is no `up` in the data folder, and no other installation was named.
fn is_offline(args: &BrokerArgs) -> bool {
    args.nats.is_none() && DataDir::new(&args.data_dir).read_running().is_err()
}

fn print_report(report: &JobReport, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print(serde_json::to_string(report)?);
    }
    match (report.state, &report.rebuilt) {
        (JobState::Done, Some(rebuilt)) => {
            let differing: u64 = rebuilt.differences.iter().flat_map(|counts| counts.values()).sum();
            if !json {
                let built =
                    rebuilt.built.map_or_else(String::new, |built| format!("view-{built} is built, and "));
                print(format_args!(
                    "{built}view-{} serves; position {}, digest {}",
                    rebuilt.serving, rebuilt.position, rebuilt.digest
                ));
                if let Some(counts) = &rebuilt.differences {
                    for (field, number) in counts {
                        print(format_args!("{number:>8} differ in {field}"));
                    }
                    print(format_args!(
                        "{differing} values differ; `syncwell view diff serving built` shows them"
                    ));
                }
            }
            Ok(if differing > 0 { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
        }
        (JobState::Cancelled, _) => {
            eprint(format_args!(
                "cancelled at {} of {}; the same command goes on from there",
                report.progress.position, report.progress.target
            ));
            Ok(ExitCode::from(FAILED))
        }
        (JobState::Failed, _) => {
            eprint(format_args!("syncwell: {}", report.error.as_deref().unwrap_or("it failed")));
            Ok(ExitCode::from(FAILED))
        }
        (JobState::Done | JobState::Running, _) => Ok(ExitCode::SUCCESS),
    }
}

/// Nobody serves: the view is folded here, and serves from the next start on.
async fn rebuild_offline(args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let home = DataDir::new(&args.wait.broker.data_dir);
    let config = Config::read(args.config.as_deref(), &home)?;
    let alone = OfflineBroker::start_with_keeper(&args.wait.broker, &config).await?;
    let offline = alone.offline_projector(&args.wait.broker, &config).await?;
    let mut progress = Progress::new(args.wait.json)?;
    let rebuild = offline.rebuild(&config.view_folder, args.fresh, args.park_new);
    tokio::pin!(rebuild);
    let rebuilt = loop {
        tokio::select! {
            rebuilt = &mut rebuild => break rebuilt,
            () = sleep(POLL_INTERVAL) => {
                let at = offline.progress();
                let left = at.remaining_s.map_or_else(|| "?".to_owned(), format_duration);
                progress.update(at.position, at.target, format!("{:.0}/s  {left} left", at.events_per_s));
                progress.line(|| json!({
                    "state": "running", "position": at.position, "target": at.target,
                    "events_per_s": at.events_per_s, "lag_events": at.lag_events(), "remaining_s": at.remaining_s,
                }));
            }
        }
    };
    progress.finish();
    alone.stop().await?;
    print_rebuilt(&rebuilt?, args.wait.json);
    Ok(ExitCode::SUCCESS)
}

fn print_rebuilt(folded: &BuiltView, json: bool) {
    let BuiltView { view, tree, digest, set_aside } = folded;
    let view = view.unwrap_or_default();
    if let Some(aside) = set_aside {
        eprint(format_args!(
            "the views of before are in {}; remove them when you do not need them",
            aside.display()
        ));
    }
    if json {
        print(json!({
            "state": "done", "serving": view, "position": tree.size, "digest": digest.to_string(), "set_aside": set_aside,
        }));
    } else {
        print(format_args!(
            "view-{view} serves from the next start on; position {}, digest {digest}",
            tree.size
        ));
    }
}
