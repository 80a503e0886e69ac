//! `syncwell devices`.

use clap::{Args, Subcommand};

use super::access_args::AccessArgs;
use super::broker_args::BrokerArgs;

#[derive(Subcommand)]
pub(crate) enum DevicesCommand {
    /// What every user's devices last said of themselves, by user ref; the look is recorded in the log
    #[command(
        after_help = "Example:\n  syncwell devices reports\n  syncwell devices reports --compromised --json --reason 'weekly review'"
    )]
    Reports(ReportsArgs),
}

#[derive(Args)]
pub(crate) struct ReportsArgs {
    /// Only devices whose app found the system compromised.
    #[arg(long)]
    pub(crate) compromised: bool,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    #[command(flatten)]
    pub(crate) access: AccessArgs,
    /// One JSON object per line.
    #[arg(long)]
    pub(crate) json: bool,
}
