//! `syncwell view verify`: whether the view that serves is what the log folds to.

use std::process::ExitCode;

use nats_server::Role;
use projector::{Job, JobState, VerifyReport, fetch_digest};
use serde_json::json;

use super::operator_client::client;
use super::projector_job::run_job;
use crate::broker_connection;
use crate::cli::ViewJobArgs;
use crate::exit_code::FAILED;
use crate::terminal::{eprint, print};

pub(super) async fn run(wait: ViewJobArgs) -> anyhow::Result<ExitCode> {
    let client = client(&wait.broker).await?;
    let report = run_job(&client, Job::Verify, wait.json).await?;
    let Some(verified) = report.verified.filter(|_| report.state == JobState::Done) else {
        eprint(format_args!("syncwell: {}", report.error.unwrap_or_else(|| "cancelled".to_owned())));
        return Ok(ExitCode::from(FAILED));
    };
    let holds = verified.is_consistent();
    if wait.json {
        let mut shown = json!(verified);
        shown["holds"] = holds.into();
        print(shown);
    } else {
        print_report(&verified);
    }
    Ok(if holds { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

fn print_report(verified: &VerifyReport) {
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
        eprint(format_args!("{} events are parked, and their users' rows stale", verified.parked));
    }
    match verified.differences.first() {
        _ if verified.is_consistent() => {
            print(format_args!("the view holds: {} rows and other entries", verified.entries))
        }
        Some(first) => {
            print(format_args!("the view does NOT hold: first wrong is {} {}", first.user_ref, first.of))
        }
        None => print("the view does NOT hold: the digests differ"),
    }
}

pub(super) async fn print_digest(wait: ViewJobArgs) -> anyhow::Result<ExitCode> {
    let broker = broker_connection::connect(&wait.broker, Role::Operator).await?;
    let digest = fetch_digest(&broker).await?;
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
