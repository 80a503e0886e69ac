//! `syncwell retention`: what lies further back than this is nobody's to read any more.
//!
//! Data keys are per year of the summary's date (of a delivery's receipt), so a year goes as a whole, once all of it lies
//! behind. First the views drop their rows, by an event that every later fold drops them by too; then the keys are
//! destroyed; then ingests forget what they remember of keys, and the event comes once more, for what was posted meanwhile.

use std::process::ExitCode;

use anyhow::Context;
use jetstream::Broker;
use jiff::{ToSpan, tz::TimeZone};
use keeper::DataKeyRetention;
use nats_server::Role;
use projector::OperatorClient;
use runtime::system_clock;
use serde_json::json;

use crate::broker_connection;
use crate::cli::{BrokerArgs, RetentionArgs};
use crate::config::Config;
use crate::data_dir::DataDir;
use crate::exit_code::UsageError;
use crate::roles;
use crate::terminal::{eprint, print};

pub(super) async fn run(args: RetentionArgs) -> anyhow::Result<ExitCode> {
    let today = system_clock().to_zoned(TimeZone::UTC).date();
    // A year goes once its last day is that old.
    let before = today.checked_sub(args.older_than.years()).context("that is too long ago")?.year();
    let home = DataDir::new(&args.broker.data_dir);
    let config = Config::read(args.config.as_deref(), &home)?;
    let broker = broker_connection::connect(&args.broker, Role::Keys).await?;
    let retention = DataKeyRetention::new(broker, roles::load_kek(&config).await?);
    if args.dry_run {
        let keys = retention.apply(before, false, |_| ()).await?;
        return Ok(print_result(&args, before, keys, false));
    }
    if args.access.reason.trim().is_empty() {
        return Err(
            UsageError("say why with --reason: what is destroyed does not come back".to_owned()).into()
        );
    }
    let creds = args.operator_creds.clone();
    let operator: Broker =
        broker_connection::connect(&BrokerArgs { creds, ..args.broker.clone() }, Role::Operator).await?;
    let operator = OperatorClient::new(operator);
    let access = args.access.to_access_context(Role::Operator, "retention");
    operator.apply_retention(before, access.clone()).await?;
    let keys = retention
        .apply(before, true, |seen| tracing::debug!(keys_scanned = seen, "keys were looked at"))
        .await?;
    retention.invalidate_key_caches().await?;
    operator.apply_retention(before, access).await?;
    Ok(print_result(&args, before, keys, true))
}

fn print_result(args: &RetentionArgs, before: i16, keys: u64, destroyed: bool) -> ExitCode {
    if args.json {
        print(json!({ "before_year": before, "data_keys": keys, "destroyed": destroyed }));
    } else {
        let word = if destroyed { "destroyed" } else { "would be destroyed" };
        print(format_args!("{keys} data keys of years before {before} {word}"));
        if destroyed {
            eprint("backups from before can still open them with the secrets: `syncwell backup prune`");
        }
    }
    ExitCode::SUCCESS
}
