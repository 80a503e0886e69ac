//! The commands, one file each.

mod access;
mod alone;
mod audit;
mod backup;
mod bench;
mod breakglass;
mod credentials;
mod devices;
mod doctor;
mod events;
mod keys;
mod post;
mod progress;
mod providers;
mod retention;
mod role;
mod setup;
mod table;
mod up;
mod view;
mod webhooks;

use std::future::Future;
use std::process::ExitCode;

use crate::cli::{BreakglassCommand, Cli, Command, KeysCommand};
use crate::logs;

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let log = cli.log.as_deref();
    // Services read their level from the configuration too; a person's command is quiet unless asked.
    let quietly = || logs::start_at(log.unwrap_or("error"));
    match cli.command {
        Command::Up(args) => on_runtime(up::run(args, log)),
        Command::Ingest(args) => on_runtime(role::ingest(args, log)),
        Command::Projector(args) => on_runtime(role::projector(args, log)),
        Command::Notary(args) => on_runtime(role::notary(args, log)),
        Command::Worker(args) => on_runtime(role::worker(args, log)),
        Command::Keys(KeysCommand::Serve(args)) => on_runtime(role::keeper(args, log)),
        Command::Keys(KeysCommand::Create { data_dir, development }) => keys::create(&data_dir, development),
        Command::Keys(KeysCommand::RotateSigning(args)) => {
            quietly()?;
            keys::rotate_signing(&args)
        }
        Command::Keys(KeysCommand::RotateKek(args)) => on_runtime(keys::rotate_kek(args, log)),
        Command::Breakglass(BreakglassCommand::Serve(args)) => on_runtime(role::break_glass(args, log)),
        Command::Breakglass(command) => {
            quietly()?;
            on_runtime(breakglass::run(command))
        }
        Command::Providers(command) => {
            quietly()?;
            providers::run(command)
        }
        Command::Doctor(args) => on_runtime(doctor::run(args, log)),
        Command::Setup(args) => {
            quietly()?;
            on_runtime(setup::run(args))
        }
        Command::Credentials(args) => credentials::run(&args),
        Command::Post(args) => {
            quietly()?;
            on_runtime(post::run(args))
        }
        Command::Events(command) => {
            quietly()?;
            on_runtime(events::run(command))
        }
        Command::View(command) => {
            quietly()?;
            on_runtime(view::run(command))
        }
        Command::Devices(command) => {
            quietly()?;
            on_runtime(devices::run(command))
        }
        Command::Webhooks(command) => {
            quietly()?;
            on_runtime(webhooks::run(command))
        }
        Command::Audit(command) => {
            quietly()?;
            on_runtime(audit::run(command))
        }
        Command::Backup(args) => {
            quietly()?;
            on_runtime(backup::run(args))
        }
        Command::Retention(args) => {
            quietly()?;
            on_runtime(retention::run(args))
        }
        Command::Restore(args) => {
            quietly()?;
            on_runtime(backup::restore(args))
        }
        Command::Bench(command) => {
            quietly()?;
            on_runtime(bench::run(command))
        }
        Command::BrokerGuard { program, arguments } => {
            let code = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(nats_server::guard(program, arguments))?;
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
    }
}

fn on_runtime(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}

/// Returns when the process is asked to end: SIGTERM or Ctrl-C.
async fn asked_to_end() -> std::io::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted,
        _ = terminate.recv() => Ok(()),
    }
}

/// Data goes to standard output, and nothing else does.
#[expect(clippy::print_stdout, reason = "the one door to standard output")]
fn print(line: impl std::fmt::Display) {
    println!("{line}");
}

/// Words for the person who waits go to standard error.
#[expect(clippy::print_stderr, reason = "the one door to a person's eyes that is not data")]
fn tell(line: impl std::fmt::Display) {
    eprintln!("{line}");
}
