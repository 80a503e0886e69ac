//! The broker: the log, the bucket of the index, how it stores, what time it is there.

use anyhow::Context;
use events::Log;
use http_edge::system_clock;
use ingest::Deliveries;
use jetstream::Broker;
use jiff::{SignedDuration, Timestamp};
use keys::AccessIndexStream;
use nats_server::Role;
use serde::Deserialize;

use super::{Check, Patient, checkpoints};
use crate::exit::Unreachable;

/// How far the two clocks may be apart. A phone's window is 300 s; what is more than this will soon be too much.
const CLOCK_DISTANCE_MAX: SignedDuration = SignedDuration::from_secs(2);
/// The bucket of deliveries that were seen.
const DELIVERIES: &str = "deliveries of providers";
/// Where an operator asks how JetStream is configured.
const JETSTREAM_SUBJECT: &str = "BROKER.JSZ";

pub(super) async fn check(patient: &Patient) -> anyhow::Result<Vec<Check>> {
    let connected = patient.connect(Role::Operator).await.with_context(|| {
        Unreachable("the operator's credentials are not here; name them with --creds".to_owned())
    })?;
    let broker = connected?;
    let index = match patient.connect(Role::BreakGlass).await {
        None => Check::skipped("the break-glass index", "the break-glass role's credentials are not here"),
        Some(Err(error)) => Check::fail(
            "the break-glass index",
            format!("{error:#}"),
            "does nats.conf know this role's nkey?",
        ),
        Some(Ok(broker)) => index(&broker).await,
    };
    let checkpoints = checkpoints::check(patient, &broker).await;
    let deliveries = match patient.connect(Role::Ingest).await {
        None => Check::skipped(DELIVERIES, "ingest's credentials are not here"),
        Some(Err(error)) => {
            Check::fail(DELIVERIES, format!("{error:#}"), "does nats.conf know this role's nkey?")
        }
        Some(Ok(broker)) => deliveries(&broker).await,
    };
    Ok(vec![log(&broker).await, checkpoints, index, deliveries, storage(&broker).await, clock(&broker).await])
}

async fn log(broker: &Broker) -> Check {
    match Log::over(broker.clone()).open().await {
        Ok(state) => {
            let events = state.last.map_or(0, schemas::Sequence::get);
            Check::pass("the log", format!("keeps its promises, {events} events"))
        }
        Err(error) => Check::fail(
            "the log",
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates what is missing; a stream that breaks a promise must be looked at by its owner",
        ),
    }
}

async fn index(broker: &Broker) -> Check {
    match AccessIndexStream::verify(&AccessIndexStream::open(broker.clone())).await {
        Ok(()) => Check::pass("the break-glass index", "ends its entries after 72 hours"),
        Err(error) => Check::fail(
            "the break-glass index",
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates it",
        ),
    }
}

async fn deliveries(broker: &Broker) -> Check {
    match Deliveries::verify(&Deliveries::stream(broker.clone())).await {
        Ok(()) => Check::pass(DELIVERIES, "are remembered for 25 hours"),
        Err(error) => Check::fail(
            DELIVERIES,
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates it",
        ),
    }
}

/// What the server's own word on JetStream says.
#[derive(Deserialize)]
struct Monitored {
    data: MonitoredData,
}

#[derive(Deserialize)]
struct MonitoredData {
    config: JetStreamConfig,
}

#[derive(Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
    #[serde(default)]
    sync_interval: i64,
}

async fn storage(broker: &Broker) -> Check {
    const NAME: &str = "sync_interval";
    let mend =
        "in nats.conf: jetstream { sync_interval: always }, and SYS must export what `syncwell doctor` asks";
    let Ok(answer) = broker.request(JETSTREAM_SUBJECT.to_owned(), "{}".into()).await else {
        return Check::fail(NAME, "the broker does not tell", mend);
    };
    match serde_json::from_slice::<Monitored>(&answer) {
        Ok(Monitored { data }) if data.config.sync_always => {
            Check::pass(NAME, "always: what is acknowledged is on the disk")
        }
        Ok(Monitored { data }) => {
            let seconds = data.config.sync_interval / 1_000_000_000;
            Check::fail(NAME, format!("{seconds} s: what is acknowledged can be lost with the power"), mend)
        }
        Err(error) => Check::fail(NAME, format!("the broker's answer can't be read: {error}"), mend),
    }
}

async fn clock(broker: &Broker) -> Check {
    const NAME: &str = "the clock";
    let before = system_clock();
    let told: Option<Timestamp> = Log::over(broker.clone()).server_time().await.ok().flatten();
    let after = system_clock();
    let Some(told) = told else { return Check::skipped(NAME, "the broker does not tell its time") };
    // The broker's word is from some moment between the two.
    let distance = if told < before {
        before.duration_since(told)
    } else {
        told.duration_since(after).max(SignedDuration::ZERO)
    };
    let found = format!("{} ms from the broker's", distance.as_millis());
    if distance <= CLOCK_DISTANCE_MAX {
        Check::pass(NAME, found)
    } else {
        Check::fail(NAME, found, "let both machines keep their time by NTP")
    }
}
