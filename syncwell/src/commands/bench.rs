//! `syncwell bench`: measurements that anyone can repeat.

mod exports;
mod feed;
mod ingest;
mod installation;
mod post_load;
mod raw_append;
mod rebuild;
mod sample_log;
mod verify;
mod webhooks;

use std::process::ExitCode;

use crate::cli::BenchCommand;

pub(super) async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Ingest(args) => ingest::run(args).await,
        BenchCommand::Rebuild(args) => rebuild::run(args).await,
        BenchCommand::Exports(args) => exports::run(args).await,
        BenchCommand::Feed(args) => feed::run(args).await,
        BenchCommand::Webhooks(args) => webhooks::run(args).await,
        BenchCommand::Verify { json } => verify::run(json).await,
    }
}

/// The middle one of some measurements.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        length if length % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}
