//! `syncwell bench rebuild`: how fast a view is folded anew and a log verified, beside how fast the same log can be read.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use events::{Log, LogConsumerName};
use nats_server::Role;
use notary_client::CheckpointStream;
use serde::Serialize;
use tokio::time::sleep;

use super::log_only_installation::LogOnlyInstallation;
use super::statistics::median;
use super::{resident_memory, sample_log};
use crate::cli::RebuildBenchArgs;
use crate::config::Config;
use crate::data_dir::read_vkey;
use crate::exit_code::FAILED;
use crate::roles;
use crate::terminal::{eprint, print};

/// What a rebuild may take, however long the log is: the batches between its stages, the entries that wait to be written,
/// the keys that are remembered, the store's cache, and what the store itself needs beside it.
const RESIDENT_MB_MAX: f64 = 700.0;
/// Between two looks at a process.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// What is printed.
#[derive(Serialize)]
struct RebuildBenchReport {
    events: u64,
    users: u64,
    /// The log read and nothing done with it.
    raw_read_per_s: f64,
    /// The whole command `view rebuild`, from its start to its end.
    rebuild_per_s: f64,
    rebuild_of_raw: f64,
    /// The whole command `audit verify`.
    audit_verify_per_s: f64,
    audit_of_raw: f64,
    /// The rebuild's largest resident memory while it folded the first half of the log, and the second.
    resident_mb: [f64; 2],
    resident_mb_max: f64,
}

pub(super) async fn run(args: RebuildBenchArgs) -> anyhow::Result<ExitCode> {
    let runs = args.runs.max(1);
    eprint(format_args!("filling a log: {} events of {} users", args.events, args.users));
    let quiet = LogOnlyInstallation::start().await?;
    let config = Config::read(None, &quiet.data_dir)?;
    let (kek, pseudonyms) = (roles::load_kek(&config).await?, roles::load_pseudonyms(&config)?);
    sample_log::fill_log(
        quiet.connect(Role::Ingest).await?,
        kek,
        &pseudonyms,
        args.events,
        args.users.max(1),
    )
    .await?;
    wait_for_checkpoint(&quiet, args.events).await?;
    let (mut raw, mut rebuilt, mut audited) = (Vec::new(), Vec::new(), Vec::new());
    let mut resident = [0.0_f64; 2];
    for run in 1..=runs {
        eprint(format_args!("run {run} of {runs}"));
        raw.push(args.events as f64 / time_raw_read(&quiet).await?);
        let (seconds, memory) = time_rebuild(&quiet, args.events).await?;
        rebuilt.push(args.events as f64 / seconds);
        resident = [resident[0].max(memory[0]), resident[1].max(memory[1])];
        audited.push(args.events as f64 / time_audit(&quiet).await?);
    }
    quiet.stop().await?;
    let (raw, rebuilt, audited) = (median(raw), median(rebuilt), median(audited));
    let figures = RebuildBenchReport {
        events: args.events,
        users: args.users,
        raw_read_per_s: raw,
        rebuild_per_s: rebuilt,
        rebuild_of_raw: rebuilt / raw,
        audit_verify_per_s: audited,
        audit_of_raw: audited / raw,
        resident_mb: resident,
        resident_mb_max: RESIDENT_MB_MAX,
    };
    print(if args.json { serde_json::to_string(&figures)? } else { format_report(&figures, runs) });
    let is_bounded = resident.iter().all(|memory| *memory <= RESIDENT_MB_MAX);
    Ok(if is_bounded { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

async fn wait_for_checkpoint(quiet: &LogOnlyInstallation, events: u64) -> anyhow::Result<()> {
    let verifier = read_vkey(&quiet.data_dir.path(crate::data_dir::LOG_VKEY_FILE))?;
    let checkpoints = CheckpointStream::new(quiet.connect(Role::Auditor).await?, verifier);
    while checkpoints.last().await?.is_none_or(|newest| newest.head.size < events) {
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Seconds to read the log and do nothing with it, by the reader that everything else here uses.
async fn time_raw_read(quiet: &LogOnlyInstallation) -> anyhow::Result<f64> {
    let log = Log::new(quiet.connect(Role::Projector).await?);
    let last = log.open().await?.last.context("the log is empty")?;
    let started = Instant::now();
    let mut stretch = log.read_range(LogConsumerName::Rebuild, None, last);
    let mut position = None;
    while let Some(events) = stretch.next().await? {
        position = events.last().map(events::RecordedEvent::sequence);
    }
    anyhow::ensure!(position == Some(last), "the log was not read to its end");
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds of the whole command, and its resident memory in both halves.
async fn time_rebuild(quiet: &LogOnlyInstallation, events: u64) -> anyhow::Result<(f64, [f64; 2])> {
    let started = Instant::now();
    let mut child = command(quiet, &["view", "rebuild", "--offline", "--fresh", "--json"]).spawn()?;
    let mut looks = Vec::new();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        looks.push((started.elapsed(), resident_memory::from_proc(&child.id().to_string())));
        sleep(POLL_INTERVAL).await;
    };
    let took = started.elapsed();
    anyhow::ensure!(status.success(), "the rebuild of {events} events failed");
    let largest = |is_in: &dyn Fn(Duration) -> bool| {
        looks.iter().filter(|(at, _)| is_in(*at)).map(|(_, memory)| *memory).fold(0.0, f64::max)
    };
    Ok((took.as_secs_f64(), [largest(&|at| at <= took / 2), largest(&|at| at > took / 2)]))
}

async fn time_audit(quiet: &LogOnlyInstallation) -> anyhow::Result<f64> {
    let mut command = command(quiet, &["audit", "verify", "--json"]);
    let started = Instant::now();
    let status = tokio::task::spawn_blocking(move || command.status()).await??;
    anyhow::ensure!(status.success(), "the audit failed");
    Ok(started.elapsed().as_secs_f64())
}

fn command(quiet: &LogOnlyInstallation, arguments: &[&str]) -> Command {
    let exe = std::env::current_exe().unwrap_or_else(|_| Path::new("syncwell").to_owned());
    let mut command = Command::new(exe);
    command.args(arguments).args(["--nats", quiet.nats_url(), "--data-dir"]).arg(&quiet.folder);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

fn format_report(figures: &RebuildBenchReport, runs: usize) -> String {
    format!(
        "{} events of {} users, medians of {runs} runs:\n\
         raw read       {:>9.0} events/s\n\
         view rebuild   {:>9.0} events/s, {:.2} of it\n\
         audit verify   {:>9.0} events/s, {:.2} of it\n\n\
         the rebuild's resident memory: {:.0} MB in the first half, {:.0} MB in the second; at most {:.0} however long \
         the log is",
        figures.events,
        figures.users,
        figures.raw_read_per_s,
        figures.rebuild_per_s,
        figures.rebuild_of_raw,
        figures.audit_verify_per_s,
        figures.audit_of_raw,
        figures.resident_mb[0],
        figures.resident_mb[1],
        figures.resident_mb_max,
    )
}
