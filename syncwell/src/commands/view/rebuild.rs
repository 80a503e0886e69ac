//! `syncwell view rebuild` and `rollback`: by the running projector, or here where none runs.

use std::process::ExitCode;
use std::time::Duration;

use http_edge::system_clock;
use keys::KeyClient;
use nats_server::Role;
use projector::offline::{Folded, Offline};
use projector::{Job, JobReport, JobState, OperatorClient, Whose};
use serde_json::json;
use tokio::time::sleep;

use super::client;
use super::job::do_job;
use crate::cli::{BrokerArgs, RebuildArgs, WaitArgs};
use crate::commands::alone::Alone;
use crate::commands::progress::{Progress, duration};
use crate::commands::{print, tell};
use crate::config::Config;
use crate::exit::{FAILED, Usage};
use crate::home::Home;
use crate::roles::{self, Secrets};

/// Between two looks at how far folding here is.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);

pub(super) async fn run(args: RebuildArgs) -> anyhow::Result<ExitCode> {
    let json = args.wait.json;
    if args.offline || runs_nowhere(&args.wait.broker) {
        if args.user.is_some() || args.dry_run {
            return Err(Usage("one user, or a dry run, takes a running projector".to_owned()).into());
        }
        return offline(&args).await;
    }
    let client = client(&args.wait.broker).await?;
    if let Some(user) = args.user {
        client.repair(Whose::UserId(user), args.date, true).await?;
        print(if json { json!({ "state": "done" }).to_string() } else { "folded anew".to_owned() });
        return Ok(ExitCode::SUCCESS);
    }
    let RebuildArgs { dry_run, fresh, park_new, .. } = args;
    let report = do_job(&client, Job::Rebuild { dry_run, fresh, park_new }, json).await?;
    end(&report, json)
}

pub(super) async fn roll_back(args: WaitArgs) -> anyhow::Result<ExitCode> {
    if runs_nowhere(&args.broker) {
        let config = Config::read(None, &Home::at(&args.broker.data_dir))?;
        let alone = Alone::start(&args.broker, &config).await?;
        let switched = alone.offline(&args.broker, &config).await?.roll_back(&config.view);
        alone.stop().await?;
        print(format_args!("view-{} serves from the next start on", switched?));
        return Ok(ExitCode::SUCCESS);
    }
    let client: OperatorClient = client(&args.broker).await?;
    end(&do_job(&client, Job::Rollback, args.json).await?, args.json)
}

/// Whether there is no `up` in the data folder, and no other installation was named.
fn runs_nowhere(args: &BrokerArgs) -> bool {
    args.nats.is_none() && Home::at(&args.data_dir).running().is_err()
}

fn end(report: &JobReport, json: bool) -> anyhow::Result<ExitCode> {
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
            tell(format_args!(
                "cancelled at {} of {}; the same command goes on from there",
                report.progress.position, report.progress.target
            ));
            Ok(ExitCode::from(FAILED))
        }
        (JobState::Failed, _) => {
            tell(format_args!("syncwell: {}", report.error.as_deref().unwrap_or("it failed")));
            Ok(ExitCode::from(FAILED))
        }
        (JobState::Done | JobState::Running, _) => Ok(ExitCode::SUCCESS),
    }
}

/// Nobody serves: the view is folded here, and serves from the next start on.
async fn offline(args: &RebuildArgs) -> anyhow::Result<ExitCode> {
    let home = Home::at(&args.wait.broker.data_dir);
    let config = Config::read(args.config.as_deref(), &home)?;
    let alone = Alone::start(&args.wait.broker, &config).await?;
    let offline = alone.offline(&args.wait.broker, &config).await?;
    let mut progress = Progress::events(args.wait.json)?;
    let rebuild = offline.rebuild(&config.view, args.fresh, args.park_new);
    tokio::pin!(rebuild);
    let rebuilt = loop {
        tokio::select! {
            rebuilt = &mut rebuild => break rebuilt,
            () = sleep(LOOK_INTERVAL) => {
                let at = offline.progress();
                let left = at.remaining_s.map_or_else(|| "?".to_owned(), duration);
                progress.show(at.position, at.target, format!("{:.0}/s  {left} left", at.events_per_s));
                progress.line(|| json!({
                    "state": "running", "position": at.position, "target": at.target,
                    "events_per_s": at.events_per_s, "lag_events": at.lag_events(), "remaining_s": at.remaining_s,
                }));
            }
        }
    };
    progress.done();
    alone.stop().await?;
    told(&rebuilt?, args.wait.json);
    Ok(ExitCode::SUCCESS)
}

fn told(folded: &Folded, json: bool) {
    let Folded { view, tree, digest, set_aside } = folded;
    let view = view.unwrap_or_default();
    if let Some(aside) = set_aside {
        tell(format_args!(
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

impl Alone {
    /// Folds with the projector's credentials and secrets.
    pub(in crate::commands) async fn offline(
        &self,
        args: &BrokerArgs,
        config: &Config,
    ) -> anyhow::Result<Offline> {
        let secrets = Secrets::read(config).await?;
        let broker = self.connect(args, Role::Projector).await?;
        let keys = KeyClient::new(broker.clone(), secrets.kek.clone());
        Ok(Offline::new(broker, keys, roles::pseudonyms(config)?, system_clock))
    }
}
