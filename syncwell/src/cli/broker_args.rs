//! Options of every command that connects to a broker.

use std::path::PathBuf;

use clap::Args;

/// Where a broker is and who calls.
#[derive(Args, Clone)]
pub(crate) struct BrokerArgs {
    /// The data folder of a running `up`.
    #[arg(long, default_value = ".syncwell")]
    pub(crate) data_dir: PathBuf,
    /// The broker of any other installation.
    #[arg(long, value_name = "URL")]
    pub(crate) nats: Option<String>,
    /// The file with the nkey seed of the role that this command needs.
    #[arg(long, value_name = "FILE")]
    pub(crate) creds: Option<PathBuf>,
    /// PEM certificates of the authority that the broker's certificate is from; demands TLS.
    #[arg(long, value_name = "FILE")]
    pub(crate) nats_ca: Option<PathBuf>,
    /// Talk to a broker on another machine without TLS.
    #[arg(long)]
    pub(crate) insecure_nats: bool,
}
