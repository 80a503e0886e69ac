//! The installation that the checks look at.

use jetstream::Broker;
use nats_server::Role;

use crate::broker_connection;
use crate::cli::BrokerArgs;
use crate::config::Config;
use crate::data_dir::DataDir;

/// The installation that is checked.
pub(super) struct DoctorContext {
    pub(super) args: BrokerArgs,
    pub(super) data_dir: DataDir,
    pub(super) config: Config,
    pub(super) nats_url: String,
    pub(super) http_url: Option<String>,
}

impl DoctorContext {
    /// Connects as a role; `None` if its seed is not on this machine.
    pub(super) async fn connect(&self, role: Role) -> Option<anyhow::Result<Broker>> {
        let creds = if role == Role::Operator { self.args.creds.clone() } else { None };
        let creds = creds.unwrap_or_else(|| self.data_dir.seed_file(role));
        creds.exists().then_some(())?;
        let args = BrokerArgs { creds: Some(creds), nats: Some(self.nats_url.clone()), ..self.args.clone() };
        Some(broker_connection::connect(&args, role).await)
    }
}
