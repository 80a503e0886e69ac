//! Options of every command that runs a role.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;

use super::broker_args::BrokerArgs;

#[derive(Args, Clone)]
pub(crate) struct RoleArgs {
    #[command(flatten)]
    pub(crate) broker: BrokerArgs,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where HTTP is served; port 0 chooses a free one.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Serve HTTP without TLS to other machines too.
    #[arg(long)]
    pub(crate) insecure_http: bool,
}
