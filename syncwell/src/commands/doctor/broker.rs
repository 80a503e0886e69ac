//! The broker: the log, the bucket of the index, how it stores, what time it is there.

use anyhow::Context;
use events::Log;
use ingest::DELIVERY_DEDUP_STREAM;
use jetstream::Broker;
use jiff::{SignedDuration, Timestamp};
use keys::ACCESS_INDEX_STREAM;
use nats_server::Role;
use runtime::system_clock;
use serde::Deserialize;

use super::check_result::CheckResult;
use super::checkpoints;
use super::context::DoctorContext;
use crate::exit_code::UnreachableError;

/// How far the two clocks may be apart. A phone's window is 300 s; what is more than this will soon be too much.
const CLOCK_DISTANCE_MAX: SignedDuration = SignedDuration::from_secs(2);
/// The bucket of deliveries that were seen.
const DELIVERIES_CHECK: &str = "deliveries of providers";
/// Where an operator asks how JetStream is configured.
const JETSTREAM_SUBJECT: &str = "BROKER.JSZ";

pub(super) async fn check(patient: &DoctorContext) -> anyhow::Result<Vec<CheckResult>> {
    let connected = patient.connect(Role::Operator).await.with_context(|| {
        UnreachableError("the operator's credentials are not here; name them with --creds".to_owned())
    })?;
    let broker = connected?;
    let index = match patient.connect(Role::BreakGlass).await {
        None => CheckResult::skip("the break-glass index", "the break-glass role's credentials are not here"),
        Some(Err(error)) => CheckResult::fail(
            "the break-glass index",
            format!("{error:#}"),
            "does nats.conf know this role's nkey?",
        ),
        Some(Ok(broker)) => check_breakglass_index(&broker).await,
    };
    let checkpoints = checkpoints::check(patient, &broker).await;
    let deliveries = match patient.connect(Role::Ingest).await {
        None => CheckResult::skip(DELIVERIES_CHECK, "ingest's credentials are not here"),
        Some(Err(error)) => {
            CheckResult::fail(DELIVERIES_CHECK, format!("{error:#}"), "does nats.conf know this role's nkey?")
        }
        Some(Ok(broker)) => check_deliveries(&broker).await,
    };
    Ok(vec![
        check_log(&broker).await,
        checkpoints,
        index,
        deliveries,
        check_sync_interval(&broker).await,
        check_clock(&broker).await,
    ])
}

async fn check_log(broker: &Broker) -> CheckResult {
    match Log::new(broker.clone()).open().await {
        Ok(state) => {
            let events = state.last.map_or(0, schemas::Sequence::get);
            CheckResult::pass("the log", format!("keeps its promises, {events} events"))
        }
        Err(error) => CheckResult::fail(
            "the log",
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates what is missing; a stream that breaks a promise must be looked at by its owner",
        ),
    }
}

async fn check_breakglass_index(broker: &Broker) -> CheckResult {
    match ACCESS_INDEX_STREAM.stream(broker.clone()).verify().await {
        Ok(_) => CheckResult::pass("the break-glass index", "ends its entries after 72 hours"),
        Err(error) => CheckResult::fail(
            "the break-glass index",
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates it",
        ),
    }
}

async fn check_deliveries(broker: &Broker) -> CheckResult {
    match DELIVERY_DEDUP_STREAM.stream(broker.clone()).verify().await {
        Ok(_) => CheckResult::pass(DELIVERIES_CHECK, "are remembered for 25 hours"),
        Err(error) => CheckResult::fail(
            DELIVERIES_CHECK,
            format!("{:#}", anyhow::Error::from(error)),
            "`syncwell setup` creates it",
        ),
    }
}

/// What the server's own word on JetStream says.
#[derive(Deserialize)]
struct JszResponse {
    data: JszData,
}

#[derive(Deserialize)]
struct JszData {
    config: JetStreamConfig,
}

#[derive(Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
    #[serde(default)]
    sync_interval: i64,
}

async fn check_sync_interval(broker: &Broker) -> CheckResult {
    const NAME: &str = "sync_interval";
    let mend =
        "in nats.conf: jetstream { sync_interval: always }, and SYS must export what `syncwell doctor` asks";
    let Ok(answer) = broker.request(JETSTREAM_SUBJECT.to_owned(), "{}".into()).await else {
        return CheckResult::fail(NAME, "the broker does not tell", mend);
    };
    match serde_json::from_slice::<JszResponse>(&answer) {
        Ok(JszResponse { data }) if data.config.sync_always => {
            CheckResult::pass(NAME, "always: what is acknowledged is on the disk")
        }
        Ok(JszResponse { data }) => {
            let seconds = data.config.sync_interval / 1_000_000_000;
            CheckResult::fail(
                NAME,
                format!("{seconds} s: what is acknowledged can be lost with the power"),
                mend,
            )
        }
        Err(error) => CheckResult::fail(NAME, format!("the broker's answer can't be read: {error}"), mend),
    }
}

async fn check_clock(broker: &Broker) -> CheckResult {
    const NAME: &str = "the clock";
    let before = system_clock();
    let told: Option<Timestamp> = Log::new(broker.clone()).server_time().await.ok().flatten();
    let after = system_clock();
    let Some(told) = told else { return CheckResult::skip(NAME, "the broker does not tell its time") };
    // The broker's word is from some moment between the two.
    let distance = if told < before {
        before.duration_since(told)
    } else {
        told.duration_since(after).max(SignedDuration::ZERO)
    };
    let found = format!("{} ms from the broker's", distance.as_millis());
    if distance <= CLOCK_DISTANCE_MAX {
        CheckResult::pass(NAME, found)
    } else {
        CheckResult::fail(NAME, found, "let both machines keep their time by NTP")
    }
}
