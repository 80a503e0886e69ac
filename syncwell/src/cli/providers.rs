//! Arguments of `syncwell providers`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Subcommand)]
pub(crate) enum ProvidersCommand {
    /// Every provider that there is a table of, and which are on here
    #[command(
        after_help = "Example:\n  syncwell providers list\n  syncwell providers list --config /etc/syncwell.toml --json"
    )]
    List(ProvidersArgs),
    /// One provider: what is known, from where, and what must be configured
    #[command(after_help = "Example:\n  syncwell providers show fitbit")]
    Show {
        /// The provider's name.
        name: String,
        #[command(flatten)]
        args: ProvidersArgs,
    },
}

#[derive(Args)]
pub(crate) struct ProvidersArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The data folder that the configuration's defaults are of.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
