//! SyncWell: signed daily health summaries in, one explained row per user and day out.

mod cli;
mod commands;
mod config;
mod development;
mod exit;
mod home;
mod logs;
mod reach;
mod roles;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    match commands::run(cli) {
        Ok(code) => code,
        Err(error) => exit::report(&error),
    }
}
