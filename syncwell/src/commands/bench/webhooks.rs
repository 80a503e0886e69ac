//! `syncwell bench webhooks`: accepted deliveries per second, end to end, beside what the broker alone does in the same
//! run. A delivery costs two synced writes, one after the other: that it was seen, and the event.

use std::process::ExitCode;
use std::time::Duration;

use client::HttpConnection;
use http::request::Builder;
use http::{Method, Request, StatusCode};
use jetstream::CommitMode;
use providers::standard_webhooks::StandardWebhookSecret;
use runtime::system_clock;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use super::installation::BenchInstallation;
use super::post_load::{LoadMeasurement, LoadReport};
use super::raw_append;
use super::statistics::median;
use crate::cli::LoadBenchArgs;
use crate::terminal::{eprint, print};
use crate::text_table::render_table;

/// Users of each connection: data keys are made for the first delivery about each.
const USERS_PER_CONNECTION: usize = 4;
/// Before a load is measured.
const WARM_UP: Duration = Duration::from_millis(200);

/// What is printed.
#[derive(Serialize)]
struct WebhookBenchReport {
    raw_one_at_a_time_per_s: f64,
    loads: Vec<LoadReport>,
}

pub(super) async fn run(args: LoadBenchArgs) -> anyhow::Result<ExitCode> {
    let lasting = Duration::from_secs(args.seconds);
    let runs = args.runs.max(1);
    let secret = StandardWebhookSecret::from_bytes(Uuid::new_v4().simple().to_string().as_bytes())?;
    let mut single = Vec::new();
    let mut loads: Vec<Vec<LoadMeasurement>> = args.connections.iter().map(|_| Vec::new()).collect();
    for run in 1..=runs {
        eprint(format_args!("run {run} of {runs}: starting a broker and every role"));
        let mut installation = BenchInstallation::start_with_provider(&secret).await?;
        for (connections, measured) in args.connections.iter().zip(&mut loads) {
            deliver(&installation.ingest_url, &secret, *connections, WARM_UP).await?;
            eprint(format_args!("  {connections} connections for {} s", args.seconds));
            measured.push(deliver(&installation.ingest_url, &secret, *connections, lasting).await?);
        }
        eprint("  the broker alone");
        installation.stop_roles();
        single.push(
            raw_append::measure_appends_per_s(&installation, CommitMode::Individual, 1, lasting).await?,
        );
        installation.stop().await?;
    }
    let single = median(single);
    let loads = args.connections.iter().zip(loads);
    let loads = loads.map(|(connections, runs)| LoadReport::from_runs(*connections, runs, single)).collect();
    let figures = WebhookBenchReport { raw_one_at_a_time_per_s: single, loads };
    print(if args.json { serde_json::to_string(&figures)? } else { format_report(&figures, runs) });
    Ok(ExitCode::SUCCESS)
}

/// Every connection sends the next delivery as soon as the last is answered; none is sent twice.
async fn deliver(
    url: &str,
    secret: &StandardWebhookSecret,
    connections: usize,
    lasting: Duration,
) -> anyhow::Result<LoadMeasurement> {
    let mut tasks = JoinSet::new();
    let started = Instant::now();
    for number in 0..connections {
        let (mut connection, secret) = (HttpConnection::new(url)?, secret.clone());
        tasks.spawn(async move {
            let mut measured = LoadMeasurement::default();
            let mut turn = 0;
            while started.elapsed() < lasting {
                turn += 1;
                let user = format!("bench-{connections}-{number}-{}", turn % USERS_PER_CONNECTION);
                let (request, body) = sign_delivery(&secret, &user, turn)?;
                let sent = Instant::now();
                let answer = connection.send(request, body.into()).await?;
                measured.latencies.push(sent.elapsed());
                match answer.status {
                    StatusCode::NO_CONTENT | StatusCode::OK => measured.accepted += 1,
                    _ => measured.refused += 1,
                }
            }
            anyhow::Ok(measured)
        });
    }
    let mut all = LoadMeasurement::default();
    while let Some(task) = tasks.join_next().await {
        let measured = task??;
        all.accepted += measured.accepted;
        all.refused += measured.refused;
        all.latencies.extend(measured.latencies);
    }
    all.elapsed = started.elapsed();
    Ok(all)
}

/// A delivery as Junction sends it, by Svix.
fn sign_delivery(
    secret: &StandardWebhookSecret,
    user: &str,
    number: usize,
) -> anyhow::Result<(Builder, String)> {
    let body = format!(
        r#"{{"event_type":"daily.data.activity.created","user_id":"{user}","data":{{"calendar_date":"2026-02-16","steps":{number}}}}}"#
    );
    let id = format!("msg_{}", Uuid::new_v4().simple());
    let now = system_clock().as_second();
    let request = Request::builder()
        .method(Method::POST)
        .uri("/v1/webhooks/junction")
        .header("content-type", "application/json")
        .header("svix-id", &id)
        .header("svix-timestamp", now)
        .header("svix-signature", secret.sign(&id, now, body.as_bytes())?);
    Ok((request, body))
}

fn format_report(figures: &WebhookBenchReport, runs: usize) -> String {
    let rows: Vec<_> = figures.loads.iter().map(LoadReport::to_row).collect();
    format!(
        "End to end: signed deliveries, each verified, seen for the first time, and answered after fsync.\n\n{}\n\n\
         The broker alone, same run, one message at a time: {:.0}/s\n(medians of {runs} runs)",
        render_table(&LoadReport::COLUMNS, &rows),
        figures.raw_one_at_a_time_per_s,
    )
}
