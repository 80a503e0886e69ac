//! `syncwell view verify`: whether the view that serves is what the log folds to.

use std::process::ExitCode;

use nats_server::Role;
use projector::{Job, JobState, VerifyReport, ask_digest};
use serde_json::json;

use super::client;
use super::job::do_job;
use crate::cli::WaitArgs;
use crate::commands::{print, tell};
use crate::exit::FAILED;
use crate::reach;

pub(super) async fn run(wait: WaitArgs) -> anyhow::Result<ExitCode> {
    let client = client(&wait.broker).await?;
    let report = do_job(&client, Job::Verify, wait.json).await?;
    let Some(verified) = report.verified.filter(|_| report.state == JobState::Done) else {
        tell(format_args!("syncwell: {}", report.error.unwrap_or_else(|| "cancelled".to_owned())));
        return Ok(ExitCode::from(FAILED));
    };
    let holds = verified.holds();
    if wait.json {
        let mut shown = json!(verified);
        shown["holds"] = holds.into();
        print(shown);
    } else {
        explain(&verified);
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn explain(verified: &VerifyReport) {
    for difference in &verified.differences {
        print(format_args!(
            "{} {}: {} is not what the log folds to",
            difference.user_ref, difference.of, difference.field
        ));
    }
    print(format_args!("position {}", verified.position));
    print(format_args!("digest   {} (what serves)", verified.digest));
    print(format_args!("digest   {} (what the log folds to)", verified.expected));
    if verified.parked > 0 {
        tell(format_args!("{} events are parked, and their users' rows stale", verified.parked));
    }
    match verified.differences.first() {
        _ if verified.holds() => {
            print(format_args!("the view holds: {} rows and other entries", verified.entries))
        }
        Some(first) => {
            print(format_args!("the view does NOT hold: first wrong is {} {}", first.user_ref, first.of))
        }
        None => print("the view does NOT hold: the digests differ"),
    }
}

pub(super) async fn digest(wait: WaitArgs) -> anyhow::Result<ExitCode> {
    let broker = reach::connect(&wait.broker, Role::Operator).await?;
    let digest = ask_digest(&broker).await?;
    if wait.json {
        print(json!(digest));
    } else {
        print(format_args!(
            "position {}\nroot     {}\nfold     {}\ndigest   {}",
            digest.position, digest.root, digest.fold_version, digest.digest
        ));
    }
    Ok(ExitCode::SUCCESS)
}
