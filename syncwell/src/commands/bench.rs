//! `syncwell bench`: measurements that anyone can repeat.

mod credentials;
mod exports;
mod feed;
mod ingest;
mod installation;
mod log_only_installation;
mod post_load;
mod raw_append;
mod rebuild;
mod resident_memory;
mod role_process;
mod sample_log;
mod statistics;
mod temporary_broker;
mod verify;
mod webhooks;

use std::process::ExitCode;

use crate::cli::BenchCommand;

pub(super) async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Ingest(args) => ingest::run(args).await,
        BenchCommand::Rebuild(args) => rebuild::run(args).await,
        BenchCommand::Exports(args) => exports::run(args).await,
        BenchCommand::Feed(args) => feed::run(args).await,
        BenchCommand::Webhooks(args) => webhooks::run(args).await,
        BenchCommand::Verify { json } => verify::run(json).await,
    }
}
