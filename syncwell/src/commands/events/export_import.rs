//! `syncwell events export` and `import`: the log as a file, and back.

use std::process::ExitCode;

use anyhow::Context;
use backup::{ImportReport, ProgressStage, export_events, import_events, verify_log_export};
use events::{Log, LogConsumerName};
use jetstream::Broker;
use nats_server::Role;
use schemas::Sequence;
use serde_json::json;

use crate::broker_connection;
use crate::cli::LogFileArgs;
use crate::covering_checkpoint::wait_for_checkpoint;
use crate::data_dir::read_log_verifier;
use crate::progress::{Progress, stage_name};
use crate::terminal::print;

pub(super) async fn export(args: LogFileArgs) -> anyhow::Result<ExitCode> {
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    let broker: Broker = broker_connection::connect(&args.broker, Role::Auditor).await?;
    let log = Log::new(broker.clone());
    let checkpoint = wait_for_checkpoint(&broker, &verifier).await?;
    let mut progress = Progress::new(args.json)?;
    let told = |done, of| progress.update(done, of, "exported");
    let exported =
        export_events(&log, LogConsumerName::Auditor, &checkpoint, &verifier, &args.file, told).await?;
    progress.finish();
    let end = log.open().await?.last.map_or(0, Sequence::get);
    if args.json {
        print(json!({
            "file": args.file, "events": exported.events, "root": exported.root, "log_ends_at": end,
        }));
    } else {
        print(format_args!(
            "{} events are in {}, root {}",
            exported.events,
            args.file.display(),
            exported.root
        ));
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn import(args: LogFileArgs, check: bool) -> anyhow::Result<ExitCode> {
    let verifier = read_log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    let mut progress = Progress::new(args.json)?;
    if check {
        let exported =
            verify_log_export(&args.file, &verifier, |done, of| progress.update(done, of, "verified"))?;
        progress.finish();
        let (events, root) = (exported.events, exported.root);
        print(if args.json {
            json!({ "holds": true, "events": events, "root": root }).to_string()
        } else {
            format!("the export holds: {events} events, root {root}")
        });
        return Ok(ExitCode::SUCCESS);
    }
    let log = Log::new(broker_connection::connect(&args.broker, Role::Owner).await?);
    let told = |stage: ProgressStage, done, of| progress.update(done, of, stage_name(stage));
    let ImportReport { already_present: held, appended } = import_events(&log, &args.file, &verifier, told)
        .await
        .context("the import is not complete; the same command goes on from there")?;
    progress.finish();
    print(if args.json {
        json!({ "held": held, "appended": appended }).to_string()
    } else {
        format!("{appended} events were appended, {held} were there already")
    });
    Ok(ExitCode::SUCCESS)
}
