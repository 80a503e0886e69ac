//! `syncwell bench feed`: phones post, and a receiver on this machine is told what changed: how much a second, and how long
//! after each post was received. Every message is a signed request of its own.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use events::ChangeKind;
use http::StatusCode;
use jiff::Timestamp;
use nats_server::Role;
use parking_lot::Mutex;
use runtime::system_clock;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use worker::{UserRefMode, WebhookAdminClient};

use super::credentials::issue_credentials;
use super::installation::BenchInstallation;
use super::post_load;
use super::statistics::median;
use crate::cli::LoadBenchArgs;
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

/// How long the last messages are waited for.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks whether all has arrived.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// What is printed.
#[derive(Serialize)]
struct FeedBenchReport {
    loads: Vec<FeedLoadReport>,
}

#[derive(Serialize)]
struct FeedLoadReport {
    connections: usize,
    accepted_per_s: f64,
    delivered_per_s: f64,
    delay_p50_ms: f64,
    delay_p99_ms: f64,
    delivered: u64,
}

/// One load, once.
struct FeedLoadRun {
    accepted_per_s: f64,
    delivered_per_s: f64,
    delays_ms: Vec<f64>,
}

/// When each message came that arrived, and how long after its post.
type Arrivals = Arc<Mutex<Vec<(Instant, f64)>>>;

pub(super) async fn run(args: LoadBenchArgs) -> anyhow::Result<ExitCode> {
    let lasting = Duration::from_secs(args.seconds);
    let runs = args.runs.max(1);
    let mut loads: Vec<Vec<FeedLoadRun>> = args.connections.iter().map(|_| Vec::new()).collect();
    for run in 1..=runs {
        eprint(format_args!("run {run} of {runs}: starting a broker and every role"));
        let installation = BenchInstallation::start_with_worker().await?;
        let (url, arrived) = start_receiver().await?;
        let feed = WebhookAdminClient::new(installation.connect(Role::Operator).await?);
        feed.add(&url, &[ChangeKind::SummaryChanged], UserRefMode::Pairwise).await?;
        for (connections, told) in args.connections.iter().zip(&mut loads) {
            eprint(format_args!("  {connections} connections for {} s", args.seconds));
            told.push(measure(&installation, *connections, lasting, &arrived).await?);
        }
        installation.stop().await?;
    }
    let loads = args.connections.iter().zip(loads);
    let figures =
        FeedBenchReport { loads: loads.map(|(connections, told)| summarize(*connections, told)).collect() };
    print(if args.json { serde_json::to_string(&figures)? } else { format_report(&figures, runs) });
    Ok(ExitCode::SUCCESS)
}

/// A receiver that takes everything.
async fn start_receiver() -> anyhow::Result<(String, Arrivals)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/changes", listener.local_addr()?);
    let arrived = Arrivals::default();
    let routes = Router::new().route("/changes", post(receive_change)).with_state(arrived.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((url, arrived))
}

#[derive(Deserialize)]
struct Message {
    timestamp: Timestamp,
}

async fn receive_change(State(arrived): State<Arrivals>, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Message>(&body) else { return StatusCode::BAD_REQUEST };
    let delay = system_clock().duration_since(message.timestamp).as_secs_f64() * 1_000.0;
    arrived.lock().push((Instant::now(), delay));
    StatusCode::NO_CONTENT
}

async fn measure(
    installation: &BenchInstallation,
    connections: usize,
    lasting: Duration,
    arrived: &Arrivals,
) -> anyhow::Result<FeedLoadRun> {
    let started = Instant::now();
    let accepted = post_load::run_post_load(&issue_credentials(installation, connections)?, lasting).await?;
    // Every post of a load changes its row: another number of steps, a later time.
    let expected = accepted.accepted as usize;
    let count = || arrived.lock().len();
    while count() < expected && started.elapsed() < lasting + DRAIN_TIMEOUT {
        sleep(POLL_INTERVAL).await;
    }
    let arrived = std::mem::take(&mut *arrived.lock());
    anyhow::ensure!(
        arrived.len() >= expected,
        "{} of {expected} changes were delivered within {DRAIN_TIMEOUT:?}",
        arrived.len()
    );
    let until = arrived.iter().map(|(at, _)| *at).max().unwrap_or(started);
    Ok(FeedLoadRun {
        accepted_per_s: accepted.accepted_per_s(),
        delivered_per_s: arrived.len() as f64 / until.duration_since(started).as_secs_f64(),
        delays_ms: arrived.into_iter().map(|(_, delay)| delay).collect(),
    })
}

fn summarize(connections: usize, runs: Vec<FeedLoadRun>) -> FeedLoadReport {
    let percentile = |share: f64| {
        let of_run = |told: &FeedLoadRun| {
            let mut delays = told.delays_ms.clone();
            delays.sort_by(f64::total_cmp);
            let at = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
            delays.get(at).copied().unwrap_or_default()
        };
        median(runs.iter().map(of_run).collect())
    };
    FeedLoadReport {
        connections,
        accepted_per_s: median(runs.iter().map(|told| told.accepted_per_s).collect()),
        delivered_per_s: median(runs.iter().map(|told| told.delivered_per_s).collect()),
        delay_p50_ms: percentile(0.5),
        delay_p99_ms: percentile(0.99),
        delivered: runs.iter().map(|told| told.delays_ms.len() as u64).sum(),
    }
}

fn format_report(figures: &FeedBenchReport, runs: usize) -> String {
    let rows: Vec<_> = figures
        .loads
        .iter()
        .map(|load| {
            vec![
                load.connections.to_string(),
                format!("{:.0}", load.accepted_per_s),
                format!("{:.0}", load.delivered_per_s),
                format!("{:.0}", load.delay_p50_ms),
                format!("{:.0}", load.delay_p99_ms),
                load.delivered.to_string(),
            ]
        })
        .collect();
    let heads = ["connections", "accepted/s", "delivered/s", "delay p50 ms", "delay p99 ms", "delivered"];
    format!(
        "Posts of distinct users, each change delivered to one receiver as a signed request of its own.\n\n{}\n\n\
         (medians of {runs} runs; the delay is from when a post was received)",
        render_table(&heads, &rows),
    )
}
