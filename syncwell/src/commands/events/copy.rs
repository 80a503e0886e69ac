//! `syncwell events export` and `import`: the log as a file, and back.

use std::process::ExitCode;

use anyhow::Context;
use backup::{Imported, Stage, export_events, import_events, verify_export};
use events::{Log, LogReader};
use jetstream::Broker;
use nats_server::Role;
use schemas::Sequence;
use serde_json::json;

use crate::cli::CopyArgs;
use crate::commands::audit::log_verifier;
use crate::commands::backup::{newest_checkpoint, stage_name};
use crate::commands::print;
use crate::commands::progress::Progress;
use crate::reach;

pub(super) async fn export(args: CopyArgs) -> anyhow::Result<ExitCode> {
    let verifier = log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    let broker: Broker = reach::connect(&args.broker, Role::Auditor).await?;
    let log = Log::over(broker.clone());
    let checkpoint = newest_checkpoint(&broker, &verifier).await?;
    let mut progress = Progress::events(args.json)?;
    let told = |done, of| progress.show(done, of, "exported");
    let exported = export_events(&log, LogReader::Auditor, &checkpoint, &verifier, &args.file, told).await?;
    progress.done();
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

pub(super) async fn import(args: CopyArgs, check: bool) -> anyhow::Result<ExitCode> {
    let verifier = log_verifier(args.vkey.as_deref(), &args.broker.data_dir)?;
    let mut progress = Progress::events(args.json)?;
    if check {
        let exported = verify_export(&args.file, &verifier, |done, of| progress.show(done, of, "verified"))?;
        progress.done();
        let (events, root) = (exported.events, exported.root);
        print(if args.json {
            json!({ "holds": true, "events": events, "root": root }).to_string()
        } else {
            format!("the export holds: {events} events, root {root}")
        });
        return Ok(ExitCode::SUCCESS);
    }
    let log = Log::over(reach::connect(&args.broker, Role::Owner).await?);
    let told = |stage: Stage, done, of| progress.show(done, of, stage_name(stage));
    let Imported { held, appended } = import_events(&log, &args.file, &verifier, told)
        .await
        .context("the import is not complete; the same command goes on from there")?;
    progress.done();
    print(if args.json {
        json!({ "held": held, "appended": appended }).to_string()
    } else {
        format!("{appended} events were appended, {held} were there already")
    });
    Ok(ExitCode::SUCCESS)
}
