//! `syncwell bench`: measurements that anyone can repeat.

use std::process::ExitCode;

use crate::cli::BenchCommand;

pub(super) async fn run(command: BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Ingest(_) => anyhow::bail!("later"),
    }
}
