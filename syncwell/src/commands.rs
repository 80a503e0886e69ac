//! The commands, one file each.

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
mod providers;
mod retention;
mod serve_role;
mod setup;
mod up;
mod view;
mod webhooks;

use std::future::Future;
use std::process::ExitCode;

use crate::cli::{BreakglassCommand, Cli, Command, KeysCommand};
use crate::logging;

/// Runs a command to its end.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let log = cli.log.as_deref();
    // Services read their level from the configuration too; a person's command is quiet unless asked.
    let quietly = || logging::start_at_level(log.unwrap_or("error"));
    match cli.command {
        Command::Up(args) => block_on(up::run(args, log)),
        Command::Ingest(args) => block_on(serve_role::ingest(args, log)),
        Command::Projector(args) => block_on(serve_role::projector(args, log)),
        Command::Notary(args) => block_on(serve_role::notary(args, log)),
        Command::Worker(args) => block_on(serve_role::worker(args, log)),
        Command::Keys(KeysCommand::Serve(args)) => block_on(serve_role::keeper(args, log)),
        Command::Keys(KeysCommand::Create { data_dir, development }) => keys::create(&data_dir, development),
        Command::Keys(KeysCommand::RotateSigning(args)) => {
            quietly()?;
            keys::rotate_signing(&args)
        }
        Command::Keys(KeysCommand::RotateKek(args)) => block_on(keys::rotate_kek(args, log)),
        Command::Breakglass(BreakglassCommand::Serve(args)) => block_on(serve_role::breakglass(args, log)),
        Command::Breakglass(command) => {
            quietly()?;
            block_on(breakglass::run(command))
        }
        Command::Providers(command) => {
            quietly()?;
            providers::run(command)
        }
        Command::Doctor(args) => block_on(doctor::run(args, log)),
        Command::Setup(args) => {
            quietly()?;
            block_on(setup::run(args))
        }
        Command::Credentials(args) => credentials::run(&args),
        Command::Post(args) => {
            quietly()?;
            block_on(post::run(args))
        }
        Command::Events(command) => {
            quietly()?;
            block_on(events::run(command))
        }
        Command::View(command) => {
            quietly()?;
            block_on(view::run(command))
        }
        Command::Devices(command) => {
            quietly()?;
            block_on(devices::run(command))
        }
        Command::Webhooks(command) => {
            quietly()?;
            block_on(webhooks::run(command))
        }
        Command::Audit(command) => {
            quietly()?;
            block_on(audit::run(command))
        }
        Command::Backup(args) => {
            quietly()?;
            block_on(backup::run(args))
        }
        Command::Retention(args) => {
            quietly()?;
            block_on(retention::run(args))
        }
        Command::Restore(args) => {
            quietly()?;
            block_on(backup::restore(args))
        }
        Command::Bench(command) => {
            quietly()?;
            block_on(bench::run(command))
        }
        Command::BrokerGuard { program, arguments } => {
            let code = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(nats_server::run_guard(program, arguments))?;
            Ok(ExitCode::from(u8::try_from(code).unwrap_or(1)))
        }
    }
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(command)
}
