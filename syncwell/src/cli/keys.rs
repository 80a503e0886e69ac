//! `syncwell keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::broker_args::BrokerArgs;
use super::role_args::RoleArgs;

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Run the keeper: hands out wrapped data keys to ingest and projector
    #[command(after_help = "Example:\n  syncwell keys serve --nats nats://broker:4222 --creds keys.nk")]
    Serve(RoleArgs),
    /// Add a version to the signing master: accepted at once, given out a minute later; the version before stays valid
    #[command(after_help = "Example:\n  syncwell keys rotate-signing --data-dir /etc/syncwell")]
    RotateSigning(RotateSigningArgs),
    /// Wrap every data key under a new version of the key-encryption key, while the system runs
    #[command(
        after_help = "Example:\n  syncwell keys rotate-kek\n  syncwell keys rotate-kek --retire-old\n\nKilled half-way it is simply run again: it goes on where it was, and until then both versions open.\nWhere roles run on several machines: --add-only, bring the file to each of them, the keeper's last, then without."
    )]
    RotateKek(RotateKekArgs),
    /// Make the keys and secrets of an installation, and print the environment that nats.conf needs
    #[command(after_help = "Example:\n  syncwell keys create --data-dir /etc/syncwell")]
    Create {
        /// Where to; what exists is kept.
        #[arg(long, default_value = ".syncwell")]
        data_dir: PathBuf,
        /// Make a development issuer too, which `syncwell credentials` uses: whoever holds its key is every user.
        #[arg(long)]
        development: bool,
    },
}

#[derive(Args)]
pub(crate) struct RotateSigningArgs {
    /// The data folder.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct RotateKekArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Only add the new version to the secret file.
    #[arg(long, conflicts_with = "retire_old")]
    pub(crate) add_only: bool,
    /// Afterwards remove the older versions: their checks in the broker and their lines in the secret file. A backup
    /// made before can't be opened without them.
    #[arg(long)]
    pub(crate) retire_old: bool,
    /// The result as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}
