//! `syncwell backup` and `syncwell restore`.

use std::path::PathBuf;

use clap::Args;

use super::BrokerArgs;

#[derive(Args)]
pub(crate) struct BackupArgs {
    /// The folder that is made; it must not exist.
    pub(crate) folder: PathBuf,
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
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
