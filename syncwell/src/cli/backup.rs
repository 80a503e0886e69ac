//! `syncwell backup` and `syncwell restore`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::broker_args::BrokerArgs;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BackupArgs {
    #[command(subcommand)]
    pub(crate) prune: Option<BackupCommand>,
    /// The folder that is made; it must not exist.
    #[arg(required = true)]
    pub(crate) folder: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The log's public key; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: Option<PathBuf>,
    /// Copy the data folder's secrets too. Whoever has them and the backup can read everything: keep them apart.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) secrets_to: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum BackupCommand {
    /// Delete backups that are older than 35 days at most, so that what was erased since can't be read from them
    #[command(
        after_help = "Example:\n  syncwell backup prune /backups\n  syncwell backup prune /backups --older-than 14d --dry-run"
    )]
    Prune(PruneArgs),
}

#[derive(Args)]
pub(crate) struct PruneArgs {
    /// The folder that the backups are in, each a folder of its own.
    pub(crate) folder: PathBuf,
    /// How old a backup may become: 1d to 35d.
    #[arg(long, default_value = "35d", value_parser = days)]
    pub(crate) older_than: u64,
    /// Say what would be deleted, and delete nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

fn days(text: &str) -> Result<u64, String> {
    let days = text.strip_suffix('d').unwrap_or(text).parse().ok();
    days.filter(|days| (1..=35).contains(days)).ok_or_else(|| "must be 1d to 35d".to_owned())
}

#[derive(Args)]
pub(crate) struct RestoreArgs {
    /// What `backup` made.
    pub(crate) folder: PathBuf,
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The log's public key; without it, the data folder's.
    #[arg(long, value_name = "FILE")]
    pub(crate) vkey: Option<PathBuf>,
    /// What `backup --secrets-to` made, where the data folder has no secrets.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) secrets_from: Option<PathBuf>,
    /// The ledger of erasures: whoever was erased after the backup was made stays erased. Without it, the configuration's.
    #[arg(long, value_name = "FOLDER_OR_URL")]
    pub(crate) erased_from: Option<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
