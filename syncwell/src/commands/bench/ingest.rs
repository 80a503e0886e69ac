//! `syncwell bench ingest`: accepted events per second, end to end, beside what the broker alone does in the same run.

use std::process::ExitCode;
use std::time::Duration;

use jetstream::CommitMode;
use serde::Serialize;

use super::credentials::issue_credentials;
use super::installation::BenchInstallation;
use super::post_load::{self, LoadMeasurement, LoadReport};
use super::raw_append;
use super::statistics::median;
use crate::cli::LoadBenchArgs;
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

/// How many appends wait at the same time while raw group commit is measured.
const RAW_APPENDS_IN_FLIGHT: usize = 512;

/// What is printed.
#[derive(Serialize)]
struct IngestBenchReport {
    raw_group_commit_per_s: f64,
    raw_one_at_a_time_per_s: f64,
    loads: Vec<LoadReport>,
    ingest_resident_mb: f64,
}

pub(super) async fn run(args: LoadBenchArgs) -> anyhow::Result<ExitCode> {
    let lasting = Duration::from_secs(args.seconds);
    let runs = args.runs.max(1);
    let mut group = Vec::new();
    let mut single = Vec::new();
    let mut resident = Vec::new();
    let mut loads: Vec<Vec<LoadMeasurement>> = args.connections.iter().map(|_| Vec::new()).collect();
    for run in 1..=runs {
        eprint(format_args!("run {run} of {runs}: starting a broker and every role"));
        let mut installation = BenchInstallation::start().await?;
        for (connections, measured) in args.connections.iter().zip(&mut loads) {
            let users = issue_credentials(&installation, *connections)?;
            // A user's first post makes a data key; that is measured as part of no load.
            post_load::run_post_load(&users, Duration::from_millis(200)).await?;
            eprint(format_args!("  {connections} connections for {} s", args.seconds));
            measured.push(post_load::run_post_load(&users, lasting).await?);
        }
        resident.push(installation.ingest_resident_mb()?);
        eprint("  the broker alone");
        installation.stop_roles();
        single.push(
            raw_append::measure_appends_per_s(&installation, CommitMode::Individual, 1, lasting).await?,
        );
        group.push(
            raw_append::measure_appends_per_s(
                &installation,
                CommitMode::Grouped,
                RAW_APPENDS_IN_FLIGHT,
                lasting,
            )
            .await?,
        );
        installation.stop().await?;
    }
    let single = median(single);
    let loads = args
        .connections
        .iter()
        .zip(loads)
        .map(|(connections, runs)| LoadReport::from_runs(*connections, runs, single))
        .collect();
    let figures = IngestBenchReport {
        raw_group_commit_per_s: median(group),
        raw_one_at_a_time_per_s: single,
        loads,
        ingest_resident_mb: resident.into_iter().fold(0.0, f64::max),
    };
    print(if args.json { serde_json::to_string(&figures)? } else { format_report(&figures, runs) });
    Ok(ExitCode::SUCCESS)
}

fn format_report(figures: &IngestBenchReport, runs: usize) -> String {
    let rows: Vec<_> = figures.loads.iter().map(LoadReport::to_row).collect();
    format!(
        "End to end: signed posts of distinct users, each answered after fsync and with its outcome.\n\n{}\n\n\
         The broker alone, same run, same machine:\n  one message at a time  {:>8.0}/s\n  group commit           {:>8.0}/s\n\n\
         ingest's resident memory  {:.0} MB\n(medians of {runs} runs; memory is the largest)",
        render_table(&LoadReport::COLUMNS, &rows),
        figures.raw_one_at_a_time_per_s,
        figures.raw_group_commit_per_s,
        figures.ingest_resident_mb,
    )
}
