//! `syncwell bench feed`: phones post, and a receiver on this machine is told what changed: how much a second, and how long
//! after each post was received. Every message is a signed request of its own.

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use events::ChangeKind;
use http::StatusCode;
use http_edge::system_clock;
use jiff::Timestamp;
use nats_server::Role;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use worker::{FeedClient, UserRefs};

use super::ingest::users;
use super::installation::Installation;
use super::{load, median};
use crate::cli::BenchArgs;
use crate::commands::table::table;
use crate::commands::{print, tell};

/// How long the last messages are waited for.
const DRAINED_TIMEOUT: Duration = Duration::from_secs(120);
/// Between two looks whether all has arrived.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// What is printed.
#[derive(Serialize)]
struct Figures {
    loads: Vec<LoadFigures>,
}

#[derive(Serialize)]
struct LoadFigures {
    connections: usize,
    accepted_per_s: f64,
    delivered_per_s: f64,
    delay_p50_ms: f64,
    delay_p99_ms: f64,
    delivered: u64,
}

/// One load, once.
struct Told {
    accepted_per_s: f64,
    delivered_per_s: f64,
    delays_ms: Vec<f64>,
}

/// When each message came that arrived, and how long after its post.
type Arrived = Arc<Mutex<Vec<(Instant, f64)>>>;

pub(super) async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let lasting = Duration::from_secs(args.seconds);
    let runs = args.runs.max(1);
    let mut loads: Vec<Vec<Told>> = args.connections.iter().map(|_| Vec::new()).collect();
    for run in 1..=runs {
        tell(format_args!("run {run} of {runs}: starting a broker and every role"));
        let installation = Installation::start_telling().await?;
        let (url, arrived) = receive().await?;
        let feed = FeedClient::new(installation.connect(Role::Operator).await?);
        feed.add(&url, &[ChangeKind::SummaryChanged], UserRefs::Pairwise).await?;
        for (connections, told) in args.connections.iter().zip(&mut loads) {
            tell(format_args!("  {connections} connections for {} s", args.seconds));
            told.push(measure(&installation, *connections, lasting, &arrived).await?);
        }
        installation.stop().await?;
    }
    let loads = args.connections.iter().zip(loads);
    let figures = Figures { loads: loads.map(|(connections, told)| figures(*connections, told)).collect() };
    print(if args.json { serde_json::to_string(&figures)? } else { explain(&figures, runs) });
    Ok(ExitCode::SUCCESS)
}

/// A receiver that takes everything.
async fn receive() -> anyhow::Result<(String, Arrived)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/changes", listener.local_addr()?);
    let arrived = Arrived::default();
    let routes = Router::new().route("/changes", post(take)).with_state(arrived.clone());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    Ok((url, arrived))
}

#[derive(Deserialize)]
struct Message {
    timestamp: Timestamp,
}

async fn take(State(arrived): State<Arrived>, body: Bytes) -> StatusCode {
    let Ok(message) = serde_json::from_slice::<Message>(&body) else { return StatusCode::BAD_REQUEST };
    let delay = system_clock().duration_since(message.timestamp).as_secs_f64() * 1_000.0;
    arrived.lock().unwrap_or_else(PoisonError::into_inner).push((Instant::now(), delay));
    StatusCode::NO_CONTENT
}

async fn measure(
    installation: &Installation,
    connections: usize,
    lasting: Duration,
    arrived: &Arrived,
) -> anyhow::Result<Told> {
    let started = Instant::now();
    let accepted = load::post(&users(installation, connections)?, lasting).await?;
    // Every post of a load changes its row: another number of steps, a later time.
    let expected = accepted.accepted as usize;
    let count = || arrived.lock().unwrap_or_else(PoisonError::into_inner).len();
    while count() < expected && started.elapsed() < lasting + DRAINED_TIMEOUT {
        sleep(LOOK_INTERVAL).await;
    }
    let arrived = std::mem::take(&mut *arrived.lock().unwrap_or_else(PoisonError::into_inner));
    anyhow::ensure!(
        arrived.len() >= expected,
        "{} of {expected} changes were delivered within {DRAINED_TIMEOUT:?}",
        arrived.len()
    );
    let until = arrived.iter().map(|(at, _)| *at).max().unwrap_or(started);
    Ok(Told {
        accepted_per_s: accepted.accepted_per_s(),
        delivered_per_s: arrived.len() as f64 / until.duration_since(started).as_secs_f64(),
        delays_ms: arrived.into_iter().map(|(_, delay)| delay).collect(),
    })
}

fn figures(connections: usize, runs: Vec<Told>) -> LoadFigures {
    let percentile = |share: f64| {
        let of_run = |told: &Told| {
            let mut delays = told.delays_ms.clone();
            delays.sort_by(f64::total_cmp);
            let at = ((delays.len() as f64 * share) as usize).min(delays.len().saturating_sub(1));
            delays.get(at).copied().unwrap_or_default()
        };
        median(runs.iter().map(of_run).collect())
    };
    LoadFigures {
        connections,
        accepted_per_s: median(runs.iter().map(|told| told.accepted_per_s).collect()),
        delivered_per_s: median(runs.iter().map(|told| told.delivered_per_s).collect()),
        delay_p50_ms: percentile(0.5),
        delay_p99_ms: percentile(0.99),
        delivered: runs.iter().map(|told| told.delays_ms.len() as u64).sum(),
    }
}

fn explain(figures: &Figures, runs: usize) -> String {
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
        table(&heads, &rows),
    )
}
