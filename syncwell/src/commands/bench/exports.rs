//! `syncwell bench exports`: how fast a person's export is made, beside how fast their events can be read at all, and what it
//! holds in memory for half as many events and for all of them.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Instant;

use events::Log;
use export_archive::{ArchiveMetadata, EventSource};
use keys::{KeyClient, UserRef};
use nats_server::Role;
use runtime::system_clock;
use schemas::Sequence;
use serde::Serialize;
use tokio::runtime::Handle;
use worker::LogSource;

use super::log_only_installation::LogOnlyInstallation;
use super::statistics::median;
use super::{resident_memory, sample_log};
use crate::cli::ExportBenchArgs;
use crate::config::Config;
use crate::exit_code::FAILED;
use crate::roles;
use crate::terminal::{eprint, print};

/// What twice as many events may take more, in megabytes: nothing that grows with them.
const GROWTH_MB_MAX: f64 = 40.0;

/// What is printed.
#[derive(Serialize)]
struct ExportBenchReport {
    events: u64,
    /// The events read and opened, and nothing done with them.
    raw_open_per_s: f64,
    /// The whole export.
    export_per_s: f64,
    export_of_raw: f64,
    bytes: u64,
    /// Resident memory behind the export of half the events, and of all.
    resident_mb: [f64; 2],
}

/// Counts and throws away.
struct ByteCounter(u64);

impl Write for ByteCounter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) async fn run(args: ExportBenchArgs) -> anyhow::Result<ExitCode> {
    eprint(format_args!("filling a log: {} events of one user", args.events));
    let quiet = LogOnlyInstallation::start().await?;
    let config = Config::read(None, &quiet.data_dir)?;
    let (kek, pseudonyms) = (roles::load_kek(&config).await?, roles::load_pseudonyms(&config)?);
    sample_log::fill_log(quiet.connect(Role::Ingest).await?, kek.clone(), &pseudonyms, args.events, 1)
        .await?;
    let user = pseudonyms.user_ref(&"bench-0".parse()?);
    let broker = quiet.connect(Role::Worker).await?;
    let (log, keys) = (Log::new(broker.clone()), KeyClient::new(broker, kek));
    let source = |events: u64| -> anyhow::Result<LogSource> {
        let position = Sequence::new(events.max(1)).ok_or_else(|| anyhow::anyhow!("no events"))?;
        let (log, keys, pseudonyms) = (log.clone(), keys.clone(), pseudonyms.clone());
        Ok(LogSource::new(log, keys, pseudonyms, Handle::current(), user, position))
    };
    let (mut raw, mut made, mut bytes, mut resident) = (Vec::new(), Vec::new(), 0, [0.0_f64; 2]);
    for run in 1..=args.runs.max(1) {
        eprint(format_args!("run {run} of {}", args.runs.max(1)));
        build_export(source(args.events / 2)?, user).await?;
        resident[0] = resident[0].max(resident_memory::from_proc("self"));
        raw.push(args.events as f64 / decrypt_all(source(args.events)?).await?);
        let (seconds, written) = build_export(source(args.events)?, user).await?;
        resident[1] = resident[1].max(resident_memory::from_proc("self"));
        made.push(args.events as f64 / seconds);
        bytes = written;
    }
    quiet.stop().await?;
    let (raw, made) = (median(raw), median(made));
    let figures = ExportBenchReport {
        events: args.events,
        raw_open_per_s: raw,
        export_per_s: made,
        export_of_raw: made / raw,
        bytes,
        resident_mb: resident,
    };
    if args.json {
        print(serde_json::to_string(&figures)?);
    } else {
        print(format_args!(
            "{} events of one user, medians of {} runs:\nread and opened once  {raw:>9.0} events/s\nexported             {made:>9.0} events/s, {:.2} of it; {bytes} bytes\n\nresident memory: {:.0} MB behind the export of half of them, {:.0} MB behind all",
            args.events,
            args.runs.max(1),
            figures.export_of_raw,
            resident[0],
            resident[1],
        ));
    }
    let is_bounded = resident[1] - resident[0] <= GROWTH_MB_MAX;
    Ok(if is_bounded { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
}

/// Seconds to read and open the events once.
async fn decrypt_all(mut source: LogSource) -> anyhow::Result<f64> {
    let started = Instant::now();
    tokio::task::spawn_blocking(move || source.for_each(&mut |_| Ok(()))).await??;
    Ok(started.elapsed().as_secs_f64())
}

/// Seconds of an export, and its length.
async fn build_export(mut source: LogSource, user: UserRef) -> anyhow::Result<(f64, u64)> {
    let about = ArchiveMetadata {
        export_id: "bench".to_owned(),
        user_ref: user.to_string(),
        created_at: system_clock(),
        log: "bench".to_owned(),
        position: source.position(),
    };
    let started = Instant::now();
    let written = tokio::task::spawn_blocking(move || {
        let mut out = ByteCounter(0);
        export_archive::write_archive(&mut out, &about, user, &mut source, &mut |_| ()).map(|_| out.0)
    });
    let bytes = written.await??;
    Ok((started.elapsed().as_secs_f64(), bytes))
}
